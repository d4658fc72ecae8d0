"""The folder of a training with networks: configuration, loss of every epoch, what resumes it."""

import csv
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fewshot.errors import InputError, one_line

CONFIG, LOG = "config.json", "log.csv"
COLUMNS = ("training", "epoch", "loss", "seconds")


class TrainingRun:
    """A folder beside the model that a training writes.

    Parameters
    ----------
    folder : Path
        It is made where it lacks. If a training of the same configuration stopped, it goes on.
    config : mapping
        What JSON can hold: all that the result depends on.
    force : bool
        Whether what another training left there may be removed.

    Raises
    ------
    InputError
        The folder cannot be written, or is of another training.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], *, force: bool = False) -> None:
        self.folder = folder
        told = json.dumps(config, indent=2, sort_keys=True)
        kept = folder / CONFIG
        try:
            if folder.exists() and not (kept.is_file() and kept.read_text("utf-8") == told):
                if not (force and kept.is_file()):
                    raise InputError(
                        f"{one_line(str(folder))}: of another training; remove it, or give --force "
                        "to train anew"
                    )
                shutil.rmtree(folder)
            self.resumes = folder.exists() and any(folder.glob("*.checkpoint"))
            folder.mkdir(exist_ok=True)
            kept.write_text(told, "utf-8")
            if not self.resumes:
                self._write("w", COLUMNS)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"{one_line(str(folder))}: cannot be written: {reason}") from error
        self._started = time.monotonic()

    def on_epoch(self, title: str, epoch: int, epochs: int, loss: float) -> None:
        """Add a line to the log."""
        seconds = time.monotonic() - self._started
        self._write("a", (title, epoch, f"{loss:.6g}", f"{seconds:.1f}"))

    def finish(self) -> None:
        """Remove what only a stopped training needs."""
        for path in self.folder.glob("*.checkpoint"):
            os.remove(path)

    def give_up(self) -> None:
        """Remove the folder if nothing was trained, so that it stands in no later one's way."""
        if not any(self.folder.glob("*.checkpoint")):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, mode: str, row: tuple) -> None:
        with (self.folder / LOG).open(mode, encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)

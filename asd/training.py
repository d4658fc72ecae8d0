"""Training: clips of machines that work in, a model out."""

import zlib
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from asd.back_ends import World
from asd.config import PIECES
from asd.dataset import CHALLENGE, Clip, Dataset, clip_error, read_dataset
from asd.decisions import decision_for
from asd.model import MachineModel
from asd.names import TARGET, TRAIN, section_name
from asd.recordings import Recordings
from asd.representations import Key, OnEpoch, Representation, Training
from asd.section import ScoredSection
from asd.sounds import check_length, read_sound
from asd.systems import System, configured, default_system, shortest_s, system_of
from fewshot.audio import SAMPLE_RATE
from fewshot.errors import InputError
from fewshot.parallel import check_agreed, rank


def train(
    data: str | Path | Dataset,
    *,
    system: str | System | None = None,
    members: int | None = None,
    epochs: int | None = None,
    wav2vec: str | Path | None = None,
    encoder: str | Path | None = None,
    name: str = "own",
    threshold: str | None = None,
    false_alarm_rate: float | None = None,
    seed: int = 0,
    device: str = "auto",
    folder: str | Path | None = None,
    on_clip: Callable[[], object] | None = None,
    on_epoch: OnEpoch | None = None,
    on_problem: Callable[[InputError], object] | None = None,
) -> MachineModel:
    """Learn how machines sound that work.

    Networks learn from all machines together, everything else from each section of each machine
    for itself.

    Parameters
    ----------
    data : path or Dataset
        What `asd.dataset.read_dataset` reads, or has read; its training clips count.
    system : str or tuple of View, optional
        A name of `asd.config.SYSTEM_NAMES`, or a system of one's own. By default "statistics",
        or "auto" for a thousand clips or more of one's own that are of twenty classes or more.
    members : int, optional
        Networks that are trained, from other seeds; their scores are averaged. By default one, or
        as many as the system was published with.
    epochs : int, optional
        Passes over the training clips; by default as many as the system was published with.
    wav2vec : path, optional
        What the system "ustc" listens through too: a file that
        `fewshot.encoders.wav2vec.load_wav2vec` reads.
    encoder : str or path, optional
        What pre-trained embeddings are computed by: "speech", or a file that
        `fewshot.encoders.loading.load_encoder` takes; by default "speech-embedding".
    name : str
        What the model calls a system of one's own.
    threshold : str, optional
        How decision thresholds are estimated: a name of `fewshot.thresholds.ESTIMATORS`.
    false_alarm_rate : float, optional
        Share of normal clips that may be called anomalous. Unless this or `threshold` is given, it
        is 0.01 for one's own recordings, and data in the layout of the challenge gets "gdp".
    seed : int
    device : {"auto", "cpu", "cuda", "mps"}
        Where networks are trained.
    folder : path, optional
        An existing one, for the waveforms and checkpoints of a training with networks: a training
        that stopped goes on from there. By default a temporary one.
    on_clip : callable, optional
        Called after each clip.
    on_epoch : callable, optional
        Called behind every epoch with what is trained, epochs done, epochs in all and mean loss.
    on_problem : callable, optional
        Called with what is wrong with a clip, which is left out then. Without it, it is raised.

    Returns
    -------
    MachineModel

    Raises
    ------
    InputError
        No training clips, none that can be used, an unknown system or threshold, a file of wav2vec
        2.0 that cannot be used, or a loss that is not finite.
    """
    dataset = data if isinstance(data, Dataset) else read_dataset(data)
    own_data = dataset.layout != CHALLENGE
    decision = decision_for(threshold, false_alarm_rate, own_data=own_data)
    clips = [clip for clip in dataset.clips if clip.split == TRAIN]
    if not clips:
        raise InputError("no training clips; put clips of normal operation into folders train")
    if system is None:
        system = default_system(clips, own_data=own_data)
    name, views = (system, system_of(system)) if isinstance(system, str) else (name, system)
    views = configured(views, members=members, epochs=epochs, wav2vec=wav2vec, encoder=encoder)
    model = MachineModel(name, views, decision, {}, {}, {})
    with TemporaryDirectory() as temporary:
        intake = Intake(views, Path(temporary if folder is None else folder))
        try:
            _read(clips, intake, model.notes, on_clip, on_problem)
            read = "\n".join(str(clip.path) for clip in intake.clips)
            check_agreed((zlib.crc32(read.encode()),), "clips that can be read")
            training = Training(
                recordings=intake.recordings,
                clips=intake.clips,
                seed=seed,
                device=_device(device, views),
                folder=None if folder is None else Path(folder),
                on_epoch=on_epoch or (lambda *_: None),
                notes=model.notes,
                made=intake.made,
            )
            _fit(model, training)
        finally:
            intake.close()
    return model.set_decision(decision)


def _read(
    clips: Iterable[Clip],
    intake: "Intake",
    notes: list[str],
    on_clip: Callable[[], object] | None,
    on_problem: Callable[[InputError], object] | None,
) -> None:
    """Take in all clips that can be used, the only one of a section in pieces."""

    def named(error: InputError) -> None:
        if on_problem is None:
            raise error
        on_problem(error)

    first: dict[Key, tuple[Clip, np.ndarray] | None] = {}
    for clip in clips:
        key = (clip.machine, clip.section)
        try:
            samples = _checked(clip, intake.views)
        except InputError as error:
            named(clip_error(clip, error))
        else:
            if key not in first:
                first[key] = clip, samples
            else:
                if first[key] is not None:
                    intake.add(*first[key])
                    first[key] = None
                intake.add(clip, samples)
        if on_clip is not None:
            on_clip()
    for key, alone in first.items():
        if alone is None:
            continue
        clip, samples = alone
        if len(samples) < PIECES * shortest_s(intake.views) * SAMPLE_RATE:
            named(
                InputError(
                    f"{section_name(key)}: a single clip, too short to be cut up; record more"
                )
            )
            continue
        for piece in np.array_split(samples, PIECES):
            intake.add(clip, piece)
        notes.append(f"{section_name(key)}: a single clip, cut into {PIECES}; record more")
    if not intake.clips:
        raise InputError("no usable training clip")


def _fit(model: MachineModel, training: Training) -> None:
    """Train what learns, describe all clips, and fit the back ends of each section."""
    members = training.members
    described: dict[Representation, dict[Key, np.ndarray]] = {}
    for representation in dict.fromkeys(view.representation for view in model.views):
        describer = representation.learn(training)
        model.describers[representation] = describer
        vectors = training.vectors(representation, describer)
        described[representation] = {
            key: np.stack([vectors[i] for i in indices]) for key, indices in members.items()
        }
    target = np.array([clip.domain == TARGET for clip in training.clips])
    worlds = [
        _world(described[view.representation].values()) if view.back_end.needs_world else None
        for view in model.views
    ]
    for key, indices in members.items():
        vectors = [described[view.representation][key] for view in model.views]
        model.sections[key] = ScoredSection.fit(
            model.views,
            vectors,
            target[indices],
            training.seed,
            worlds,
            hold_out=model.decision.false_alarm_rate is not None,
        )


def _world(vectors: Collection[np.ndarray]) -> World:
    groups = np.repeat(np.arange(len(vectors)), [len(own) for own in vectors])
    return World(np.concatenate(list(vectors)), groups)


class Intake:
    """Training clips, as far as a system needs them.

    Parameters
    ----------
    views : tuple of View
    folder : Path
        Where waveforms are kept, if a representation learns from them.

    Attributes
    ----------
    clips : list of Clip
    recordings : Recordings or None
        Their waveforms, in the same order.
    made : dict of Representation to list of np.ndarray, shapes (d,)
        Their vectors, of representations that do not learn.
    """

    def __init__(self, views: System, folder: Path) -> None:
        self.views = views
        self.clips: list[Clip] = []
        representations = dict.fromkeys(view.representation for view in views)
        learns = any(one.learns for one in representations)
        file = folder / f"waveforms_{rank()}.s16"  # Each process that trains has its own.
        self.recordings = Recordings(file) if learns else None
        self.made = {one: [] for one in representations if not one.learns}

    def add(self, clip: Clip, samples: np.ndarray) -> None:
        """Take in a clip that can be used."""
        for representation, rows in self.made.items():
            key = (clip.machine, clip.section)
            rows.append(representation.learn(None).vectors([samples], key)[0])
        if self.recordings is not None:
            self.recordings.append(samples)
        self.clips.append(clip)

    def close(self) -> None:
        """Remove the waveforms."""
        if self.recordings is not None:
            self.recordings.close()


def _device(device: str, views: System) -> str:
    """Where to train, if there is something to train."""
    if not any(view.representation.learns for view in views):
        return "cpu"
    from fewshot.training import resolve_device

    return resolve_device(device)


def _checked(clip: Clip, views: System) -> np.ndarray:
    samples = read_sound(clip.path)
    if not samples.any():
        raise InputError(f"{clip.path}: silent; record it again")
    check_length(samples, shortest_s(views))
    return samples

"""Settings of keyword models, and what their files say of themselves; nothing heavy is imported."""

from dataclasses import dataclass

from fewshot.errors import InputError

KIND = "keyword model"
VERSION = 1

FRONT_END = {
    "sample_rate": 16000,
    "highpass_hz": 50.0,
    "segment": 4000,
    "hop": 256,
    "n_fft": 1024,
    "n_mels": 64,
}
"""What every model's frames are made of; a file that says otherwise is of another release."""


@dataclass(frozen=True)
class KwsConfig:
    """Settings of enrolment; they are kept in the model file.

    Parameters
    ----------
    epochs : int
        Passes over the oversampled segments; 1000 is the paper's schedule.
    batch_size : int
    learning_rate : float
        Of Adam.
    loss : {"tacos", "adacos"}
        With or without relative positions.
    templates : {"barycenter", "shots"}
        One DBA barycentre per keyword, or every clip.
    """

    epochs: int = 100
    batch_size: int = 32
    learning_rate: float = 1e-3
    loss: str = "tacos"
    templates: str = "barycenter"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("loss", ("tacos", "adacos")),
            ("templates", ("barycenter", "shots")),
        ):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} is {getattr(self, name)!r}; use {' or '.join(allowed)}")
        for name in ("epochs", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be above 0")

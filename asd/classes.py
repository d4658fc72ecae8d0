"""Classes that networks learn to tell apart: which clips of a training are of one kind."""

from collections.abc import Sequence

from asd.clusters import CLUSTERING, Clustering, cluster_names
from asd.dataset import Clip, classes_of
from asd.recordings import Recordings
from asd.representations import Key, Training
from fewshot.errors import InputError

CLASSES = (
    "attributes",
    "domains",
    "clusters",
    "attributes-or-clusters",
    "sections",
    "machines",
    "one",
)
"""Schemes, of which all but "machines" and "one" keep sections apart."""


def class_names(
    scheme: str,
    recordings: Recordings,
    clips: Sequence[Clip],
    seed: int = 0,
    clustering: Clustering = CLUSTERING,
) -> list[str]:
    """The class of each clip.

    Parameters
    ----------
    scheme : str
        Of `CLASSES`. "attributes": machine, section, attributes and domain, which where there are
        no attributes is the domain alone, as in GISP's System 2; "domains": the same without
        attributes; "clusters": machine, section and cluster, as in its System 1;
        "attributes-or-clusters": "attributes" for clips that have some, for others domain and
        cluster, as in its System 3; "one": the same for all.
    recordings : Recordings
    clips : sequence of Clip
        What is known of each of them.
    seed : int
        Of the clustering.
    clustering : Clustering

    Returns
    -------
    list of str
        Clips of different machines and sections have different ones, but see `CLASSES`.

    Raises
    ------
    InputError
        There is no such scheme.
    """
    match scheme:
        case "attributes":
            return classes_of(clips)
        case "domains":
            return [" ".join([*_place(clip), clip.domain or ""]).rstrip() for clip in clips]
        case "clusters":
            clusters = cluster_names(recordings, clips, seed, clustering)
            return [
                f"{clip.section} {cluster}" for clip, cluster in zip(clips, clusters, strict=True)
            ]
        case "attributes-or-clusters":
            known = classes_of(clips)
            if all(clip.attributes for clip in clips):
                return known
            clusters = cluster_names(recordings, clips, seed, clustering)
            return [
                name if clip.attributes else f"{name} {cluster}"
                for clip, name, cluster in zip(clips, known, clusters, strict=True)
            ]
        case "sections":
            return [" ".join(_place(clip)) for clip in clips]
        case "machines":
            return [clip.machine for clip in clips]
        case "one":
            return [""] * len(clips)
        case _:
            raise InputError(f"classes is {scheme!r}; use {', '.join(CLASSES)}")


def told_apart(
    scheme: str,
    training: Training,
    clustering: Clustering = CLUSTERING,
) -> list[str]:
    """The class of each clip of a training, of which there are two at least.

    Parameters
    ----------
    scheme : str
        Of `CLASSES`. Where it has all clips in one class, clusters are taken instead, and a note
        of the training says so.
    training : Training
    clustering : Clustering

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        All clips are the same.
    """
    data = training.recordings, training.clips, training.seed, clustering
    names = class_names(scheme, *data)
    if len(set(names)) < 2:
        names = cluster_names(*data)
        if len(set(names)) < 2:
            raise InputError("the training clips are all the same; record more of them")
        training.notes.append(
            f"all clips are of one class; {len(set(names))} clusters of them are told apart instead"
        )
    return names


def places_of(names: Sequence[str], clips: Sequence[Clip]) -> dict[str, Key]:
    """Of each class the machine and section of its clips."""
    return {name: _place(clip) for name, clip in zip(names, clips, strict=True)}


def _place(clip: Clip) -> Key:
    return clip.machine, clip.section

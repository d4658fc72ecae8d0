"""Rows of `asd_accuracy.py`: what the published tables compare, beside the systems of asd-train."""

from dataclasses import replace
from pathlib import Path

from asd.back_ends import Centres, Gaussian, Mixture, Nearest, Plda, Value
from asd.clusters import BIC, Clustering
from asd.representations import Representation
from asd.representations.pretrained import TIMES, Pretrained
from asd.representations.reduced import Reduced
from asd.representations.statistics import Statistics
from asd.systems import SYSTEMS, System, View, configured, with_wav2vec
from asd.systems.dcase2020 import NETWORK as LOG_MEL
from asd.systems.gisp import GISP_1, GISP_3
from asd.systems.ustc import FUSION
from asd.systems.wilkinghoff import ADAPROJ, ADAPROJ_SSL, SELF_SUPERVISED, TWO_BRANCH


def _alone(network: Representation, n_centres: int = 16) -> System:
    return (View(network, Centres(n_centres), scaled=False),)


def _compared(**changes) -> System:
    """Table 25: of AdaProj's system, the loss alone is another one."""
    return _alone(replace(ADAPROJ, **changes), 32)


def _fused(features: str, **changes) -> System:
    """USTC's features by their letters: log-Mel, TgramNet, wav2vec 2.0 (P, pre-trained)."""
    letters = {"L": "log-mel", "T": "tgram", "P": "wav2vec"}
    fusion = replace(FUSION, features=tuple(letters[one] for one in features), **changes)
    back_end = Nearest(cosine=True) if fusion.output == "embedding" else Value()
    return (View(fusion, back_end, scaled=False),)


MEAN = Pretrained()
"""Of the frames before training."""

COMPARISONS: dict[str, System] = {
    # Table 16: biases and centres
    "bias, trained centres": _alone(replace(TWO_BRANCH, bias=True, train_centres=True)),
    "bias": _alone(replace(TWO_BRANCH, bias=True)),
    "trained centres": _alone(replace(TWO_BRANCH, train_centres=True)),
    # Tables 17, 18 and 20: inputs
    "spectrum": _alone(replace(TWO_BRANCH, branches=("spectrum",), dim=128)),
    "spectrogram": _alone(replace(TWO_BRANCH, branches=("spectrogram",), dim=128)),
    "log-mel": _alone(replace(TWO_BRANCH, branches=("spectrogram",), dim=128, log_mel=True)),
    "two-branch, added": _alone(replace(TWO_BRANCH, combine="add", dim=128)),
    "spectrogram without temporal mean subtraction": _alone(
        replace(TWO_BRANCH, branches=("spectrogram",), dim=128, temporal_mean=False)
    ),
    "two-branch without temporal mean subtraction": _alone(
        replace(TWO_BRANCH, temporal_mean=False)
    ),
    "log-mel, bias, trained centres, mixture": (
        View(
            replace(
                TWO_BRANCH,
                branches=("spectrogram",),
                dim=128,
                log_mel=True,
                bias=True,
                train_centres=True,
            ),
            Mixture(16),
            scaled=False,
        ),
    ),
    "two-branch, squeeze-and-excitation": _alone(replace(TWO_BRANCH, squeeze_excite=True)),
    # Table 19: back ends and domains
    **{
        f"two-branch, {domains}": (View(TWO_BRANCH, Centres(16, domains=domains), scaled=False),)
        for domains in ("source", "target", "sum")
    },
    **{
        f"two-branch, mixture, {domains}": (
            View(TWO_BRANCH, Mixture(16, domains=domains), scaled=False),
        )
        for domains in ("source", "target", "sum", "joint")
    },
    "two-branch, raw centres": (View(TWO_BRANCH, Centres(16, normalise=False), scaled=False),),
    "two-branch, nearest": (View(TWO_BRANCH, Nearest(cosine=True), scaled=False),),
    # Table 25 and the study of angular margins: losses and classes
    **{
        f"compactness, {classes}": _compared(loss="compactness", classes=classes)
        for classes in ("one", "machines", "sections", "attributes")
    },
    "compactness + softmax": _compared(loss="compactness-softmax"),
    "adacos": _compared(loss="adacos"),
    "sub-cluster adacos": _compared(loss="sub-cluster-adacos"),
    "softmax": _compared(loss="softmax"),
    "arcface": _compared(loss="arcface"),
    # Table 23: fewer dimensions instead of a network
    **{
        f"log-mel, {reduction}, mixture": (
            View(Reduced(Statistics("log-mel"), reduction), Mixture(16), scaled=False),
        )
        for reduction in ("pca", "lda")
    },
    # Tables 22 and 23: pre-trained embeddings
    **{
        f"pretrained, {time}": (View(Pretrained(time=time), Centres(16), scaled=False),)
        for time in TIMES
        if time != "scores"
    },
    "pretrained, scores": (View(Pretrained(time="scores"), Value(), scaled=False),),
    "pretrained, windows": (
        View(Pretrained(time="during", windows=True), Centres(16), scaled=False),
    ),
    **{
        f"pretrained, {name}": (View(representation, Mixture(16), scaled=False),)
        for name, representation in {
            "mixture": MEAN,
            "softmax": replace(MEAN, loss="softmax"),
            "none": replace(MEAN, loss=None),
            "pca": Reduced(replace(MEAN, loss=None), "pca"),
            "lda": Reduced(replace(MEAN, loss=None), "lda"),
        }.items()
    },
    # Tables 26 and 27: self-supervision
    "statex": _alone(replace(SELF_SUPERVISED, exchanges=("statex",), regular=False)),
    "featex": _alone(replace(SELF_SUPERVISED, exchanges=("featex",), regular=False)),
    "regular + statex": _alone(replace(SELF_SUPERVISED, exchanges=("statex",))),
    "regular + featex": _alone(replace(SELF_SUPERVISED, exchanges=("featex",))),
    "wilkinghoff, fixed centres": _alone(replace(SELF_SUPERVISED, train_exchange_centres=False)),
    "wilkinghoff, without class labels": _alone(replace(SELF_SUPERVISED, exchange_classes=False)),
    "wilkinghoff, full statex": _alone(
        replace(SELF_SUPERVISED, statex_along="either", temporal_mean=False)
    ),
    "adaproj + ssl": _alone(ADAPROJ_SSL, 32),
    # Tables 6 to 8: back ends, mixup and centres of the challenge of 2020
    **{
        f"dcase2020, {name}": (View(LOG_MEL, back_end, scaled=False),)
        for name, back_end in {
            "plda": Plda(),
            "cosine": Centres(1),
            "ten nearest": Nearest(10, cosine=True),
            "spherical": Gaussian("spherical", unit=True),
            "diagonal": Gaussian("diagonal", unit=True),
            "full": Gaussian(unit=True),
        }.items()
    },
    "dcase2020, posterior": (View(replace(LOG_MEL, output="posterior"), Value(), False),),
    "dcase2020, adacos": (
        View(replace(LOG_MEL, loss="adacos", n_centres=1), Gaussian(unit=True), False),
    ),
    "dcase2020, adacos, no mixup": (
        View(replace(LOG_MEL, loss="adacos", n_centres=1, mixup=0.0), Gaussian(unit=True), False),
    ),
    **{
        f"dcase2020, {n} centres": (
            View(replace(LOG_MEL, n_centres=n), Mixture(n, weights=False), False),
        )
        for n in (1, 2, 4, 8, 16, 64)
    },
    # GISP's report: what it leaves open
    "gisp-1, joint": _alone(replace(GISP_1, joint=True)),
    "gisp-1, classes alone": _alone(replace(GISP_1, contrast_epochs=0)),
    "gisp-1, statistics": _alone(replace(GISP_1, contrast="statistics")),
    "gisp-1, k-means": _alone(replace(GISP_1, clustering=Clustering(method="k-means"))),
    "gisp-1, bic": _alone(replace(GISP_1, clustering=Clustering(n_clusters=BIC))),
    "gisp-1, attributes or clusters": _alone(replace(GISP_1, classes="attributes-or-clusters")),
    "gisp-1, nearest": (View(GISP_1, Nearest(cosine=True), scaled=False),),
    "gisp-1, posterior": (View(replace(GISP_1, output="posterior"), Value(), scaled=False),),
    "gisp-3, 16 kHz": _alone(replace(GISP_3, sample_rate=16_000)),
    "gisp-3, no attention": _alone(replace(GISP_3, frequency_attention="none")),
    "gisp-3, gate": _alone(replace(GISP_3, frequency_attention="gate")),
    "gisp-3, no text": _alone(replace(GISP_3, text_weight=0.0)),
    "gisp-3, without clusters": _alone(replace(GISP_3, classes="attributes")),
    # USTC, Tables I to VI: features, losses, scores
    **{
        f"ustc {number}": _fused(features, losses=("triplet",), output="posterior")
        for number, features in enumerate(("L", "LT", "LP", "LTP"), 1)
    },
    "ustc 5": _fused("LTP", output="posterior"),
    "ustc 6": _fused("LTP"),
    "ustc 6, not fine-tuned": _fused("LTP", tuning_epochs=0),
    "ustc, posterior": _fused("LT", output="posterior"),
    "ustc, no auxiliary loss": _fused("LT", losses=("triplet",)),
    "ustc, heads": _fused("LT", auxiliary="heads"),
    "ustc, margin": _fused("LT", margin=0.3),
}
"""What the published tables compare, beside the systems that asd-train knows."""


def views_of(
    row: str,
    members: int | None = None,
    epochs: int | None = None,
    encoder: str | None = None,
    wav2vec: Path | None = None,
) -> System:
    """The views of a row's systems, of so many networks that are trained for so long.

    An encoder is that of pre-trained embeddings; rows that listen through wav2vec 2.0 need its
    weights.
    """
    known = SYSTEMS | COMPARISONS
    if unknown := [name for name in row.split("+") if name not in known and row not in known]:
        raise SystemExit(f"no row {unknown[0]!r}; --list says which there are")
    names = [row] if row in known else row.split("+")
    views = tuple(view for name in names for view in known[name])
    if any("wav2vec" in getattr(view.representation, "features", ()) for view in views):
        if wav2vec is None:
            raise SystemExit(f"row {row!r} needs --wav2vec FILE")
        views = with_wav2vec(views, wav2vec)
    return configured(views, members=members, epochs=epochs, encoder=encoder)

"""Measures of anomaly detection and of open-set classification.

Scores are the higher, the more anomalous a clip is, or the more surely of an unknown class; it is
taken for anomalous where ``score > threshold``. Anomalous and unknown clips are the positives.
"""

from fewshot.metrics.detection import auc, count, det_curve, eer, f1, pauc, precision, recall
from fewshot.metrics.expected_f1 import bounded_f1_ev, f1_ev, optimal_threshold
from fewshot.metrics.open_set import (
    openness,
    oscr,
    top1_auc,
    top1_eer,
    top1_pauc,
    top1_roc,
    unknown_auc,
    unknown_eer,
    unknown_pauc,
    weighted_accuracy,
    weighted_task_accuracy,
)

__all__ = [
    "auc",
    "bounded_f1_ev",
    "count",
    "det_curve",
    "eer",
    "f1",
    "f1_ev",
    "openness",
    "optimal_threshold",
    "oscr",
    "pauc",
    "precision",
    "recall",
    "top1_auc",
    "top1_eer",
    "top1_pauc",
    "top1_roc",
    "unknown_auc",
    "unknown_eer",
    "unknown_pauc",
    "weighted_accuracy",
    "weighted_task_accuracy",
]

"""Names and defaults that commands show before anything heavy is imported."""

KIND, VERSION = "open-set classifier", 1
UNKNOWN = "unknown"
DEFAULT = "default"
"""The default representation's name."""
DECISIONS = ("centre", "nearest", "softmax")
REJECTIONS = ("similarity", "margin")
AUTO, FOREIGN = "auto", "foreign"
"""Threshold rules beside those of `fewshot.thresholds`."""
LENGTH_S = 4.0
WINDOW_STEPS = 8
"""Steps by which a monitor moves its window by the length of it."""

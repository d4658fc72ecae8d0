"""Names and defaults that commands need before anything heavy is imported."""

STATISTIC_NAMES = (
    "mfcc",
    "log-mel",
    "percentiles",
    "cepstrum",
    "envelope",
    "roughness",
    "fluctuation",
)
BACK_END_NAMES = (
    "nearest",
    "ten-nearest",
    "standardised",
    "density",
    "whitened",
    "gaussian",
    "means",
    "centres",
)
DEFAULT, AUTO = "statistics", "auto"
"""Of files of the challenge, and of one's own recordings if there are enough of them."""
TRAINING_FREE_NAMES = (
    DEFAULT,
    "standardised",
    *(f"{statistic}-{back_end}" for statistic in STATISTIC_NAMES for back_end in BACK_END_NAMES),
)
"""Systems without a network."""
NETWORK_NAMES = (
    "autoencoder",
    "autoencoder-mahalanobis",
    "mobilenet",
    "dcase2020",
    "two-branch",
    "wilkinghoff",
    "adaproj",
    "adaproj-ssl",
    "ustc",
    "gisp-1",
    "gisp-2",
    "gisp-3",
    "gisp-4",
    "pretrained",
)
SYSTEM_NAMES = (AUTO, *TRAINING_FREE_NAMES, *NETWORK_NAMES)
"""Systems that can be trained."""
FALSE_ALARM_RATE = 0.01
PIECES = 4
"""What a machine's only training clip is cut into."""
WINDOW_S = 10.0
"""Length of the windows that long recordings are scored in; that of the challenge's clips."""
FIRST_YEAR, LAST_YEAR = 2020, 2025
"""Of DCASE Challenge Task 2, as far as it is known here."""
MASKS = 2000
"""Random ones that a clip is explained by."""

"""What keyword spotting, open-set classification and machine anomaly detection share."""

__version__ = "0.1.0"

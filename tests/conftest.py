"""Tests share the machine with other programs: threads may not spin, time is no failure."""

import os

from hypothesis import settings

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

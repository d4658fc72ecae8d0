"""Threads that wait may not spin: tests share the machine with other programs."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

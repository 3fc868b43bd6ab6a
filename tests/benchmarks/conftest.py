"""The benchmarks are scripts beside each other; these tests import what they rest on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

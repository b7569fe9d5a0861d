"""Tests of the Delta worker's own parts; its tables are plain folders."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src" / "backends" / "delta" / "worker"))

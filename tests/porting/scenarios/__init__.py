# SPDX-License-Identifier: MIT
"""The scenarios: live tests of a driver against a fake server, one module for each level.

They wait in real time, with a polling interval of one second.
"""

from __future__ import annotations

from . import concurrency, expiry, file, hostile, polling, wire
from .registry import LEVELS, SCENARIOS, Scenario

__all__ = [
    "LEVELS", "SCENARIOS", "Scenario", "concurrency", "expiry", "file", "hostile", "polling", "wire",
]  # fmt: skip

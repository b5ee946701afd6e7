# SPDX-License-Identifier: MIT
"""Deliberate breaks: what a port could get wrong, done to our own code, one mistake at a time.

`python -m tests.porting.clients.python.bites` runs the kit against each of them: it has to notice every one.
"""

from __future__ import annotations

from . import cycle, network, refresh, requests, responses, timing, token_file, values
from .registry import BREAKS, Break

__all__ = ["BREAKS", "Break", "cycle", "network", "refresh", "requests", "responses", "timing", "token_file", "values"]

# SPDX-License-Identifier: MIT
"""Deliberate breaks in the clients in other languages, so that the kit is not tuned to Python.

python -m tests.porting.clients.planted [WORD ...]   # those with such a word in file, function or meaning
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .go import BREAKS as GO_BREAKS
from .go import GO
from .node import BREAKS as NODE_BREAKS
from .node import NODE
from .registry import Language, Planted

__all__ = ["BREAKS", "Language", "Planted"]

BREAKS: Final[Mapping[Language, Sequence[Planted]]] = {NODE: NODE_BREAKS, GO: GO_BREAKS}

# SPDX-License-Identifier: MIT
"""What a port cites: the version of the kit, and a hash of its vectors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Final

from .vector import Vector

__all__ = ["NAME", "VERSION", "hash_of"]

NAME: Final = "oauth-device-kit"
#: `CHANGELOG.md` says what changed. Every change of what a port has to do makes a new version.
VERSION: Final = "1.0"


def hash_of(vectors: Iterable[Vector]) -> str:
    """Return a hash of what the vectors ask for. Their order, their wording and the layout of files do not count."""
    members = sorted([each.id, each.level, each.given, each.expected] for each in vectors)
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

# SPDX-License-Identifier: MIT
"""The text of a token in a store. Pure."""

from __future__ import annotations

import json
from typing import Final

from ._validation import FieldError, json_object, stored_token
from .exceptions import TokenStoreError
from .models import RefreshableTokenDict

#: Seconds to keep reading a store without a readable token: another program may be writing it.
READ_PATIENCE: Final = 1.0
#: Seconds between two such reads.
READ_INTERVAL: Final = 0.1
#: How many such reads at most: a test may have stopped the clock.
READS: Final = 20


def token_text(token: RefreshableTokenDict) -> str:
    """Return the text of a token for a store: that of ytmusicapi's file."""
    return json.dumps(token, indent=1)


def parse_token_text(text: str, advice: str = "") -> RefreshableTokenDict:
    """Parse the text of a token. Raises `TokenStoreError`, which quotes no value."""
    try:
        return stored_token(json_object(text))
    except ValueError as error:
        from ._file_kinds import kind_of_text

        key = error.key if isinstance(error, FieldError) else None
        problem, advice = kind_of_text(text) or (str(error) if key else f"it {error}", advice)
        raise TokenStoreError(f"Not a token: {problem}", key=key, advice=advice) from None

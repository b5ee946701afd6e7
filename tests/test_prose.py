# SPDX-License-Identifier: MIT
"""The words that made the text hard to read stay out of the package and its documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
TEXTS: Final = (
    *sorted((ROOT / "ytmusic_oauth").glob("*.py")),
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md", "tests/README.md")),
    *(ROOT / "tests" / "porting" / name for name in ("PORTING.md", "DRIVER.md", "CHANGELOG.md")),
)
# What to write instead.
CALQUES: Final = {
    "whoever": "any caller, a process that",
    "somebody": "another user, another program",
    "nobody": "no thread, no other process",
    "seed": "ytmusicapi",
    "is none": "is missing, is not valid, there is no",
    "that there is": "that exists",
    "to be had": "available",
    "at the most": "at most",
    "passing troubles?": "a transient failure",
    "dead": "over, expired, invalid",
    "lives? for": "is valid for",
    # The noun is fine: a server's answers. The verb has an object: `load` answers a token.
    "answers (?:an?|the|its|no|one|another|how|what|whether|None|True|False|(?=[`'\"]))": "returns",
}


# Two words may be on two lines, with the mark of a comment between them.
GAP: Final = r"(?:\s|#:?)+"


def calques(text: str) -> Iterator[str]:
    """The lines with such words, and what to write instead."""
    for calque, instead in CALQUES.items():
        start, rest = calque[0], calque[1:].replace(" ", GAP)
        for found in re.finditer(rf"\b[{start}{start.upper()}]{rest}(?!\w)", text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"line {line}: {' '.join(found[0].split())}; better: {instead}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_the_text_is_free_of_calques(path: Path) -> None:
    assert list(calques(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "Whoever calls it",
        "somebody's file",
        "that is none of ours",
        "at the\n    # most",
        "a passing trouble",
        "`load` answers a token",
        "answers `None`",
        "It answers whether it is valid.",
    ],
)
def test_a_calque_is_found(text: str) -> None:
    assert len(list(calques(text))) == 1


@pytest.mark.parametrize(
    "text",
    ["the server's answers", "It answers.", "answers and requests", "if it is None", "is nonetheless valid", "at most"],
)
def test_plain_english_is_not_a_calque(text: str) -> None:
    assert list(calques(text)) == []


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "SECURITY.md"])
def test_lines_fit_into_an_editor(name: str) -> None:
    """Tables and code cannot be wrapped."""
    text = re.sub(r"^```.*?^```", "", (ROOT / name).read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith(("|", "    "))] == []

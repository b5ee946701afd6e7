# SPDX-License-Identifier: MIT
"""The README's table of what this runs beside is the one that is printed here."""

from __future__ import annotations

import re

from tests.interop.conftest import HEAD, ROOT, SHOWN, is_there, row


def test_its_table_is_what_runs_here() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    _, there, rest = readme.partition("\n".join(HEAD) + "\n")
    assert there
    told: list[str] = re.findall(r"^\| (.+?) \|.*$", rest.partition("\n\n")[0], re.MULTILINE)
    assert told == list(SHOWN)
    assert [row(name) for name in SHOWN if is_there(name) and row(name) not in readme] == []

# SPDX-License-Identifier: MIT
"""The README names the version of ytmusicapi that is tested here."""

from __future__ import annotations

import re

from tests.interop.conftest import ROOT, version_of


def test_the_readme_compares_with_the_ytmusicapi_that_is_tested() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"^\| ytmusicapi ([\d.]+) \| here \|$", readme, re.MULTILINE))
    assert named == {version_of("ytmusicapi").rpartition(".")[0]}

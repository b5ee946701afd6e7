# SPDX-License-Identifier: MIT
"""The README names the third-party software that is tested here, with the versions that are installed."""

from __future__ import annotations

import re
from typing import Final

import pytest

from tests.interop.conftest import ROOT, SHOWN, is_there, version_of

README: Final = (ROOT / "README.md").read_text("utf-8")
# They check or drive something else.
TOOLS: Final = frozenset({"playwright-core", "pyright", "mypy"})
# Only recipes use them.
OF_RECIPES: Final = frozenset({"aiohttp", "google-auth", "google-api-python-client", "Kodistubs"})


@pytest.mark.parametrize("name", sorted(SHOWN.keys() - TOOLS - OF_RECIPES))
def test_the_readme_names_the_version_that_is_tested(name: str) -> None:
    if not is_there(name):
        pytest.skip(f"{name} is not installed")
    [sentence] = re.findall(r"^`make interop` runs the package with .*?\n\n", README, re.MULTILINE | re.DOTALL)
    assert f"{name} {version_of(name)}" in " ".join(sentence.split())

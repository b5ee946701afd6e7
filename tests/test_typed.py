# SPDX-License-Identifier: MIT
"""A mistake in the use of the API is a type error: `tests/typed/refused.py` has one on each marked line.

The other files of `tests/typed` have none. `make types` checks them together with everything else.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import ytmusic_oauth
from tests.tools.docs import public_modules
from ytmusic_oauth import OAuthCredentials, OAuthError, OAuthToken, RefreshingToken
from ytmusic_oauth.token import Token

ROOT = Path(__file__).parent.parent
REFUSED = "tests/typed/refused.py"


def marked() -> set[tuple[int, str]]:
    """Return the marked lines: their numbers, and the codes of the expected errors."""
    lines = (ROOT / REFUSED).read_text("utf-8").splitlines()
    marks = [re.search(r"  # refused: ([a-z-]+)$", line) for line in lines]
    return {(number, mark[1]) for number, mark in enumerate(marks, 1) if mark}


def errors_of(*options: str) -> set[tuple[int, str]]:
    """Return the errors that mypy finds in the file, in the same form."""
    command = [sys.executable, "-m", "mypy", *options, REFUSED]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    errors = re.findall(rf"^{re.escape(REFUSED)}:(\d+): error: .*\[([a-z-]+)\]$", output, re.MULTILINE)
    return {(int(number), code) for number, code in errors}


def test_the_type_of_every_public_name_is_checked() -> None:
    files = [path for path in (ROOT / "tests" / "typed").glob("*.py") if path != ROOT / REFUSED]
    words = set(re.findall(r"\w+", "".join(path.read_text("utf-8") for path in files)))
    modules = [ytmusic_oauth, *(import_module(f"ytmusic_oauth.{name}") for name in public_modules())]
    names = {name for module in modules for name in module.__all__}
    members = {
        name for kind in (RefreshingToken, OAuthToken, Token, OAuthCredentials, OAuthError) for name in vars(kind)
    }
    assert {name for name in names | members if not name.startswith("_")} <= words


def test_mypy_rejects_the_marked_lines_and_no_others() -> None:
    assert len(marked()) > 30
    # The options and the cache of `make types`.
    cached = ("--platform", "linux", "--python-version", "3.10", "--cache-dir", ".mypy_cache/linux")
    assert errors_of(*cached) == marked()

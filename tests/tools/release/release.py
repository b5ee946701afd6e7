# SPDX-License-Identifier: MIT
"""Build and check everything that a release publishes: `make release`. Needs git, and flit_core, which that installs.

    python -m tests.tools.release.release dist PYTHON ...

The tree must be clean, and CHANGELOG.md must begin with the version and a date. Each file is built twice, in two fresh
clones at different paths, in different time zones, and must be the same. Then each given Python installs the wheel into
an empty environment, and runs it, the zipapp and the kit. Prints the SHA-256 digests, as `sha256sum` does.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from .package import ROOT, version

__all__ = ["main", "problems_of_tree"]

_GIT: Final = shutil.which("git") or "git"
_ZIPAPP: Final = "ytmusic_oauth.pyz"
_KIT: Final = "oauth-device-kit.pyz"
_BUILDS: Final = (("distribution", ""), ("single_file", _ZIPAPP), ("kit", _KIT))
# The kit needs a later Python than the package.
_KIT_NEEDS: Final = (3, 10)


def main(argv: Sequence[str]) -> int:
    """Build into the folder `argv[0]`; check with the Pythons that follow."""
    target, pythons = Path(argv[0]).absolute(), _usable(argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        problems = list(problems_of_tree(ROOT)) or list(_problems_of_build(scratch, pythons))
        if problems:
            print(*(f"make release: {problem}" for problem in problems), sep="\n", file=sys.stderr)
            return 1
        target.mkdir(parents=True, exist_ok=True)
        files = sorted((scratch / "first" / "dist").iterdir())
        sums = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
        for file in files:
            shutil.copy(file, target)
    (target / "SHA256SUMS").write_text(sums, "utf-8")
    print(
        f"Version {version()}, built twice with the same result, and run with Python {', '.join(pythons)}:\n{sums}",
        end="",
    )
    return 0


def problems_of_tree(root: Path) -> Iterator[str]:
    """What keeps this tree from being released."""
    status = subprocess.run([_GIT, "status", "--porcelain"], cwd=root, capture_output=True, text=True, check=False)
    if status.returncode != 0:
        yield "this is not a git repository, so it cannot be known what is released"
    elif status.stdout:
        yield f"commit or remove these first:\n{status.stdout.rstrip()}"
    number = version(root / "ytmusic_oauth")
    heading = re.search("^## (.*)", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    if heading is None or not re.fullmatch(rf"{re.escape(number)}, \d{{4}}-\d\d-\d\d", heading[1]):
        yield f'CHANGELOG.md must begin with "## {number}, YYYY-MM-DD", the version of the package and the date'


def _problems_of_build(scratch: Path, pythons: Mapping[str, str]) -> Iterator[str]:
    first = _build(scratch / "first", {"TZ": "UTC"})
    second = _build(scratch / "second" / "a longer path", {"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "1"})
    for file in first:
        if file.read_bytes() != (second[0].parent / file.name).read_bytes():
            yield f"{file.name} is not the same when it is built again"
    if not pythons:
        yield "there is no Python to check with"
    [wheel] = (file for file in first if file.suffix == ".whl")
    for name, python in pythons.items():
        environment = scratch / f"python-{name}"
        _run([python, "-m", "venv", str(environment)])
        bin_folder = environment / ("Scripts" if os.name == "nt" else "bin")
        ours = str(bin_folder / "python")
        _run([ours, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)])
        commands = [
            [ours, "-m", "ytmusic_oauth"],
            [str(bin_folder / "ytmusic-oauth")],
            [ours, str(wheel.parent / _ZIPAPP)],
        ]
        for command in commands:
            if _run([*command, "--version"]).strip() != f"ytmusic_oauth {version()}":
                yield f"Python {name}: {' '.join(command[1:]) or command[0]} does not give its version"
        if tuple(map(int, name.split("."))) >= _KIT_NEEDS and not _run([ours, str(wheel.parent / _KIT), "--list"]):
            yield f"Python {name}: the kit has nothing to list"


def _build(clone: Path, environment: Mapping[str, str]) -> Sequence[Path]:
    """Build in a clone. Returns the files."""
    clone.parent.mkdir(parents=True, exist_ok=True)
    _run([_GIT, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)])
    for module, name in _BUILDS:
        _run([sys.executable, "-m", f"tests.tools.release.{module}", f"dist/{name}"], clone, environment)
    return sorted((clone / "dist").iterdir())


def _usable(pythons: Sequence[str]) -> Mapping[str, str]:
    """The Pythons that are installed, one for each version."""
    found: dict[str, str] = {}
    for python in pythons:
        script = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"
        try:
            done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            found.setdefault(done.stdout.strip(), python)
    return found


def _run(command: Sequence[str], folder: Path = ROOT, environment: Mapping[str, str] | None = None) -> str:
    whole = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(command, cwd=folder, env=whole, capture_output=True, text=True, check=True)
    except OSError as error:
        sys.exit(f"make release: {' '.join(command)} failed: {error.strerror}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"make release: {' '.join(command)} failed:\n{error.stdout}{error.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# SPDX-License-Identifier: MIT
"""Build and verify the sdist and the wheel: `make dist`. Needs flit_core, which the Makefile installs.

    python -m tests.tools.release.distribution dist

The wheel is built from the sdist, so an incomplete sdist shows in the wheel. The same sources always give the same
bytes, unless another version of zlib compresses them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from .package import PACKAGE, ROOT, runtime_files, version

# What an sdist has besides the package. Packagers of Linux distributions run the tests, too.
_ALSO_IN_SDIST: Final = (
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "pyproject.toml",
    "tests/",
    "typings/",
)
_BUILD: Final = """
import sys
from flit_core import buildapi
print(getattr(buildapi, "build_" + sys.argv[1])(sys.argv[2]))
"""
# The start of 1980, the earliest date that a zip file can have.
_EPOCH: Final = "315532800"


def main(argv: Sequence[str]) -> int:
    target = Path(*argv).absolute()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        sdist = _build("sdist", ROOT, scratch)
        shutil.unpack_archive(sdist, scratch / "sdist")
        [unpacked] = (scratch / "sdist").iterdir()
        wheel = _build("wheel", unpacked, scratch)
        problems = [*_problems_of_sdist(sdist), *_problems_of_wheel(wheel, scratch / "installed")]
        if problems:
            print(*(f"make dist: {problem}" for problem in problems), sep="\n", file=sys.stderr)
            return 1
        for file in (sdist, wheel):
            result = Path(shutil.copy(file, target))
            content = result.read_bytes()
            print(f"{os.path.relpath(result)}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    return 0


def _build(kind: str, source: Path, target: Path) -> Path:
    command = [sys.executable, "-c", _BUILD, kind, str(target)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _EPOCH}
    return target / subprocess.check_output(command, cwd=source, env=environment, text=True).strip()


def _problems_of_sdist(sdist: Path) -> Sequence[str]:
    with tarfile.open(sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    expected = {f"{PACKAGE.name}/{path.name}" for path in runtime_files()} | {"PKG-INFO"}
    expected |= {each for each in _tracked_files() or found if each.startswith(_ALSO_IN_SDIST)}
    return _differences("the sdist", found, expected)


def _tracked_files() -> Collection[str]:
    """The files in git. Empty if this is not a repository, or belongs to another user."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return ()
    return subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\0"
    )


def _problems_of_wheel(wheel: Path, folder: Path) -> Sequence[str]:
    name = f"{PACKAGE.name}-{version()}"
    info = {
        f"{name}.dist-info/{each}" for each in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    with zipfile.ZipFile(wheel) as archive:
        found = set(archive.namelist())
        metadata = archive.read(f"{name}.dist-info/METADATA").decode()
    shutil.unpack_archive(wheel, folder, "zip")
    problems = _differences("the wheel", found, info | {f"{PACKAGE.name}/{path.name}" for path in runtime_files()})
    problems += [f"the wheel requires {each}" for each in re.findall("^Requires-Dist: (.*)", metadata, re.MULTILINE)]
    # An installation unpacks it, and makes a script that does the same as this one.
    script = f"import sys; sys.path.insert(0, {str(folder)!r}); from ytmusic_oauth.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-IS", "-c", script, "--version"], capture_output=True, text=True, check=False
    )
    if done.stdout != f"ytmusic_oauth {version()}\n":
        problems.append(f"the wheel does not run: {done.stdout}{done.stderr}")
    return problems


def _differences(what: str, found: Collection[str], expected: Collection[str]) -> list[str]:
    missing = [f"{what} lacks {each}" for each in sorted(set(expected) - set(found))]
    return missing + [f"{what} has {each}, which does not belong there" for each in sorted(set(found) - set(expected))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

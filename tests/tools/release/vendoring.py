# SPDX-License-Identifier: MIT
"""Copy the package into another program: `make vendor DEST=path/to/app/_vendor`.

    python -m tests.tools.release.vendoring path/to/app/_vendor

makes or updates `path/to/app/_vendor/ytmusic_oauth`, or the folder itself if it is such a copy. The files are those of
the package, byte for byte. The file `VENDORED` has the version and the SHA-256 of each file:
`sha256sum --check VENDORED` shows what was changed.

A file is written completely before it replaces an old one, and `VENDORED` names it before that. So an interrupted copy
is repaired by the next one.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from .package import LICENSE, PACKAGE, runtime_files, version

__all__ = ["MANIFEST", "VendoringError", "vendor"]

MANIFEST: Final = "VENDORED"
_TEMPORARY: Final = ".vendoring-"
_USAGE: Final = "usage: make vendor DEST=path/to/app/_vendor"


class VendoringError(Exception):
    """Nothing was changed. The message says why."""


def vendor(destination: Path) -> Sequence[str]:
    """Make or update the copy in a folder. Returns lines that say what was done. Raises `VendoringError`."""
    target = destination if (destination / MANIFEST).is_file() else destination / PACKAGE.name
    if PACKAGE in (target.resolve(), *target.resolve().parents):
        raise VendoringError(f"{target} is the package itself, or a folder inside it")
    ours = {path.name: path.read_bytes() for path in (*runtime_files(), LICENSE)}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in ours.items()}
    before = _sums(target)
    for name in ours.keys() - before.keys():
        if (target / name).exists() and _sum(target / name) != sums[name]:
            raise VendoringError(f"{target / name} is not from `make vendor`, and would be overwritten")

    target.mkdir(parents=True, exist_ok=True)
    _write(target, MANIFEST, _manifest({**before, **sums}))
    for name, content in ours.items():
        _write(target, name, content)
    report = [f"{target}: ytmusic_oauth {version()}, {len(ours)} files"]
    for name in sorted(before.keys() - ours.keys()):
        if _sum(target / name) in {before[name], None}:
            (target / name).unlink(missing_ok=True)
        else:
            report.append(f"{target / name} is no longer part of the package, but has changes, and was kept")
    _write(target, MANIFEST, _manifest(sums))
    return report


def _sums(target: Path) -> Mapping[str, str]:
    """The files of an earlier run, with their SHA-256."""
    if not target.exists() or (target.is_dir() and all(path.name.startswith(_TEMPORARY) for path in target.iterdir())):
        return {}
    try:
        manifest = (target / MANIFEST).read_text("utf-8", "replace")
    except OSError:
        raise VendoringError(f"{target} exists, but is not from `make vendor`: it has no {MANIFEST}") from None
    # Only plain names: a file outside the folder is never removed.
    return {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\w[\w.]*)$", manifest, re.MULTILINE)}


def _sum(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _manifest(sums: Mapping[str, str]) -> bytes:
    head = f"# ytmusic_oauth {version()}, copied by its `make vendor`, which overwrites what is changed here.\n"
    return (head + "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))).encode()


def _write(target: Path, name: str, content: bytes) -> None:
    temporary = target / f"{_TEMPORARY}{os.getpid()}.tmp"
    try:
        temporary.write_bytes(content)
        os.replace(temporary, target / name)
    finally:
        temporary.unlink(missing_ok=True)


def main(argv: Sequence[str]) -> int:
    if len(argv) != 1 or not argv[0]:
        print(_USAGE, file=sys.stderr)
        return 2
    try:
        report = vendor(Path(argv[0]))
    except (VendoringError, OSError) as error:
        print(f"make vendor: {error}", file=sys.stderr)
        return 1
    print(*report, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

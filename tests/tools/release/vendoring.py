# SPDX-License-Identifier: MIT
"""Copy the package into another program: `make vendor DEST=path/to/app/_vendor`.

    python -m tests.tools.release.vendoring path/to/app/_vendor

makes or updates `path/to/app/_vendor/ytmusic_oauth`, or the folder itself if it is such a copy. Without an argument,
the folder is in the variable YTMUSIC_OAUTH_DEST. The files are those of the package, byte for byte. The file `VENDORED`
has the SHA-256 of each: `sha256sum -c VENDORED` shows what was changed.

An update refuses to overwrite changes, and to replace a newer version, unless FORCE=1 is in the environment.

A file is written completely before it replaces an old one, and `VENDORED` names the old and the new content before
that. So an interrupted copy is repaired by the next one.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from .package import LICENSE, PACKAGE, runtime_files, version

__all__ = ["MANIFEST", "VendoringError", "vendor"]

MANIFEST: Final = "VENDORED"
_TEMPORARY: Final = ".vendoring-"
_USAGE: Final = "usage: make vendor DEST=path/to/app/_vendor"


class VendoringError(Exception):
    """Nothing was changed. The message says why."""


def vendor(destination: Path, *, force: bool = False) -> Sequence[str]:
    """Make or update the copy in a folder. Returns lines that say what was done. Raises `VendoringError`."""
    target = destination if (destination / MANIFEST).is_file() else destination / PACKAGE.name
    if PACKAGE in (target.resolve(), *target.resolve().parents):
        raise VendoringError(f"{target} is the package itself, or a folder inside it")
    for folder in (destination, *destination.parents):
        if folder.exists() and not folder.is_dir():
            raise VendoringError(f"{folder} is a file: DEST is the folder to copy the package into")
    ours = {path.name: path.read_bytes() for path in (*runtime_files(), LICENSE)}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in ours.items()}
    before = _sums(target)
    for name in ours.keys() - before.keys():
        if _sum(target / name) not in {sums[name], None}:
            raise VendoringError(f"{target / name} is not from `make vendor`, and would be overwritten")
    changed = [name for name in sorted(before) if _sum(target / name) not in {*before[name], sums.get(name), None}]
    old, new = _version(target), version()
    if not force:
        _refuse(target, changed, old, new)

    target.mkdir(parents=True, exist_ok=True)
    _write(
        target, MANIFEST, _manifest({name: {*before.get(name, ()), sums.get(name, "")} for name in {*before, *sums}})
    )
    for name, content in ours.items():
        _write(target, name, content)
    report = [f"{target}: ytmusic_oauth {f'{old} -> ' if old else ''}{new}, {len(ours)} files"]
    for name in sorted(before.keys() - ours.keys()):
        if name in changed:
            report.append(f"{target / name} is no longer part of the package, but has changes, and was kept")
        else:
            (target / name).unlink(missing_ok=True)
    _write(target, MANIFEST, _manifest({name: {digest} for name, digest in sums.items()}))
    return report


def _refuse(target: Path, changed: Sequence[str], old: str, new: str) -> None:
    if changed:
        names = ", ".join(str(target / name) for name in changed)
        raise VendoringError(f"{names}: changed since `make vendor` copied it; FORCE=1 overwrites the changes")
    if old and _numbers(old) > _numbers(new):
        raise VendoringError(f"{target} has version {old}, which is newer than {new}; FORCE=1 replaces it")


def _version(target: Path) -> str:
    try:
        return version(target)
    except (OSError, ValueError):  # there is no copy yet, or only a part of one
        return ""


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _sums(target: Path) -> Mapping[str, Collection[str]]:
    """The files of an earlier run, and the SHA-256 that each may have: after an interrupted run, one of two."""
    if not target.exists() or (target.is_dir() and all(path.name.startswith(_TEMPORARY) for path in target.iterdir())):
        return {}
    try:
        manifest = (target / MANIFEST).read_text("utf-8", "replace")
    except OSError:
        raise VendoringError(f"{target} exists, but is not from `make vendor`: it has no {MANIFEST}") from None
    found: dict[str, set[str]] = {}
    # Only plain names: a file outside the folder is never removed.
    for digest, name in re.findall(r"^([0-9a-f]{64})  (\w[\w.]*)$", manifest, re.MULTILINE):
        found.setdefault(name, set()).add(digest)
    return found


def _sum(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _manifest(sums: Mapping[str, Collection[str]]) -> bytes:
    # No comment: BusyBox and BSD do not read one.
    return "".join(f"{digest}  {name}\n" for name in sorted(sums) for digest in sorted(sums[name]) if digest).encode()


def _write(target: Path, name: str, content: bytes) -> None:
    temporary = target / f"{_TEMPORARY}{os.getpid()}.tmp"
    try:
        temporary.write_bytes(content)
        os.replace(temporary, target / name)
    finally:
        temporary.unlink(missing_ok=True)


def main(argv: Sequence[str]) -> int:
    destination = " ".join(argv) or os.environ.get("YTMUSIC_OAUTH_DEST", "")
    if not destination or len(argv) > 1:
        print(_USAGE, file=sys.stderr)
        return 2
    if destination.startswith("~/"):  # not every shell expands it behind DEST=
        destination = os.path.expanduser(destination)
    try:
        report = vendor(Path(destination), force=os.environ.get("FORCE", "") not in {"", "0"})
    except (VendoringError, OSError) as error:
        print(f"make vendor: {error}", file=sys.stderr)
        return 1
    print(*report, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

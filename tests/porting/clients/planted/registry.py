# SPDX-License-Identifier: MIT
"""What a break in another language is: a piece of one function's source that is replaced by another one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["CLIENTS", "Language", "Planted"]

CLIENTS: Final = Path(__file__).parents[1]


@dataclass(frozen=True)
class Planted:
    """In the function of this name, `old` becomes `new`; `means` is what a user would suffer.

    `caught_by` is a pattern of ids: the vectors or scenarios that have to notice.
    """

    file: str
    function: str
    old: str
    new: str
    means: str
    caught_by: str


@dataclass(frozen=True)
class Language:
    """A client beside the kit, in the folder of this name, and how it is built and started."""

    name: str
    #: finds where a function of a name begins; the name is put into it
    declaration: str
    command: Sequence[str]
    build: Sequence[str] = ()

    @property
    def folder(self) -> Path:
        """The sources."""
        return CLIENTS / self.name

    @property
    def missing(self) -> bool:
        """Whether it cannot be run here."""
        return shutil.which(self.name) is None

    def broken(self, each: Planted) -> str:
        """Return the source with the break in it. Raises `LookupError` if what it replaces is not there once."""
        source = (self.folder / each.file).read_text("utf-8")
        pattern = self.declaration.replace("NAME", re.escape(each.function))
        found = list(re.finditer(pattern, source, re.MULTILINE))
        if len(found) != 1:
            raise LookupError(f"{each.file} has {len(found)} functions {each.function}: {each.means}")
        start, indent = found[0].start(), found[0]["indent"]
        line_end = source.index("\n", start)
        end = line_end
        if not source[start:line_end].endswith((";", "}")):  # it has more than one line
            closing = re.compile(rf"^{indent}[}})]", re.MULTILINE).search(source, line_end)
            end = len(source) if closing is None else closing.end()
        body = source[start:end]
        if body.count(each.old) != 1:
            raise LookupError(
                f"{each.file}, {each.function}, has {each.old!r} {body.count(each.old)} times: {each.means}"
            )
        return source[:start] + body.replace(each.old, each.new) + source[end:]

    def plant(self, each: Planted | None, folder: Path) -> list[str]:
        """Copy the client into a folder, with the break in it, and return the command of its driver.

        Raises `LookupError`, and `CalledProcessError` if it cannot be built.
        """
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        if each is not None:
            (folder / each.file).write_text(self.broken(each), "utf-8")
        if self.build:
            environment = {**os.environ, "CGO_ENABLED": "0"}
            subprocess.run(self.build, cwd=folder, env=environment, check=True, capture_output=True)
        return [word.replace("FOLDER", str(folder)) for word in self.command]

# SPDX-License-Identifier: MIT
"""What a scenario is, and the list of all of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from ..harness import Harness, Profile

__all__ = ["LEVELS", "SCENARIOS", "Scenario", "scenario"]

LEVELS: Final = ("wire", "expiry", "polling", "file", "concurrency", "hostile")


@dataclass(frozen=True)
class Scenario:
    """One scenario. Its id starts with its level."""

    id: str
    why: str
    run: Callable[[Harness], None]
    profile: Profile = "youtube"
    #: what the system must have
    needs: str = ""
    #: roughly how many seconds it waits: the longest are started first
    waits: float = 0

    @property
    def level(self) -> str:
        """What a port passes or fails."""
        return self.id.partition("/")[0]

    @property
    def required(self) -> bool:
        """Whether no port may skip it: https, no redirects, limits on time and size, and no secret shown."""
        return self.level == "hostile"

    @property
    def missing(self) -> str:
        """Why it cannot run on this system; "" if it can."""
        return f"this system has no {self.needs}" if self.needs and not _HAS[self.needs] else ""


_HAS: Final[Mapping[str, bool]] = {
    "file modes": os.name != "nt",
    "file locks": find_spec("fcntl") is not None,
    "folder that may not be written": sys.platform == "linux" or (hasattr(os, "geteuid") and os.geteuid() != 0),
    "hard links": hasattr(os, "link"),
    "named pipes": hasattr(os, "mkfifo"),
    "root": hasattr(os, "geteuid") and os.geteuid() == 0,
    "signals": os.name != "nt",
    "symbolic links": os.name != "nt",
    "limits on files": find_spec("resource") is not None,
    "limits on the files of another process": sys.platform == "linux",
}


SCENARIOS: Final[list[Scenario]] = []


def scenario(
    name: str, why: str, *, profile: Profile = "youtube", needs: str = "", waits: float = 0
) -> Callable[[Callable[[Harness], None]], None]:
    """Enter the decorated function into the list. Its id is `name`, which never changes."""

    def enter(run: Callable[[Harness], None]) -> None:
        SCENARIOS.append(Scenario(name, why, run, profile, needs, waits))

    return enter

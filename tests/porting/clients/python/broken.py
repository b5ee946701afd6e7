# SPDX-License-Identifier: MIT
"""The driver of our own library with one deliberate break in it, named by what it means.

python -m tests.porting.clients.python.broken "a Retry-After is ignored" COMMAND
"""

from __future__ import annotations

import sys

from .breaks import BREAKS

__all__: list[str] = []


def main(means: str, command: str) -> int:
    # "" breaks nothing.
    [*chosen] = (each for each in BREAKS if each.means == means)
    if means and len(chosen) != 1:
        raise LookupError(f"{len(chosen)} breaks have this name: {means}")
    for each in chosen:
        each.apply()
    from .__main__ import main as drive

    return drive(command)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

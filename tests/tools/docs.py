# SPDX-License-Identifier: MIT
"""The API reference as HTML, made by pdoc from the docstrings of the public modules: `make docs`.

    python -m tests.tools.docs build/docs

covers the package and its modules without a leading underscore.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tests.tools.release.package import PACKAGE, version

__all__ = ["main", "public_modules"]


def public_modules() -> Sequence[str]:
    """The modules without a leading underscore."""
    return [stem for stem in sorted(path.stem for path in PACKAGE.glob("*.py")) if not stem.startswith("_")]


def main(argv: Sequence[str]) -> int:
    """Write the reference into the given folder."""
    target = Path(*argv)
    package, pdoc, render = map(import_module, (PACKAGE.name, "pdoc", "pdoc.render"))
    # pdoc only documents what `__all__` lists.
    names = vars(package)
    names["__all__"] = [*names["__all__"], *public_modules()]
    # pdoc cannot find the source of a TypedDict's inherited keys, nor import what only type checkers know.
    for message in ("Cannot determine where", "Failed to run TYPE_CHECKING code"):
        warnings.filterwarnings("ignore", message)
    render.configure(docformat="markdown", footer_text=f"{PACKAGE.name} {version()}", show_source=False)
    pdoc.pdoc(PACKAGE.name, output_directory=target)
    print(target / "index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

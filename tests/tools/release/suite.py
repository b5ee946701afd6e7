# SPDX-License-Identifier: MIT
"""Copy the tests around a vendored copy of the package: `make test PACKAGE=path/to/the/copy`.

    python -m tests.tools.release.suite build/suite path/to/app/_vendor/oauth

makes a project like this one, in which `ytmusic_oauth` is that copy, whatever its own name is. There, the tests cannot
find another copy by mistake, neither in the processes that they start nor in the sources that they read. Without the
second argument, the copy is in the variable YTMUSIC_OAUTH_PACKAGE.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from .package import PACKAGE, ROOT, version
from .vendoring import MANIFEST

__all__ = ["lay_out"]

_CACHES = shutil.ignore_patterns("__pycache__")


def lay_out(package: Path, tree: Path) -> None:
    """Make the project, and delete an earlier one. Raises `ValueError` if `package` is not a copy of the package."""
    if not (package / "__init__.py").is_file():
        raise ValueError(f"{package} is not a copy of the package: it has no __init__.py")
    if tree.resolve() in package.resolve().parents:
        raise ValueError(f"{package} is inside {tree}, which is deleted first: name the copy that it was made from")
    if tree.exists():
        shutil.rmtree(tree)
    tree.mkdir(parents=True)
    for pattern in ("*.md", "LICENSE", "Makefile", "pyproject.toml"):
        for path in ROOT.glob(pattern):
            shutil.copy2(path, tree)
    for name in ("tests", "typings"):
        shutil.copytree(ROOT / name, tree / name, ignore=_CACHES)
    shutil.copytree(package, tree / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__", MANIFEST))


def main(argv: Sequence[str]) -> int:
    tree, package = Path(argv[0]), Path(*argv[1:] or [os.environ["YTMUSIC_OAUTH_PACKAGE"]])
    try:
        lay_out(package, tree)
        found = version(package)
    except (ValueError, OSError) as error:
        print(f"make test: {error}", file=sys.stderr)
        return 1
    print(f"make test: version {found} in {package}, with the tests of version {version()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

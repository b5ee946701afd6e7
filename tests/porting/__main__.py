# SPDX-License-Identifier: MIT
"""Certifies a port, in any language.

python -m tests.porting --client "node my_client.js"; or, wherever this folder is: python porting --client ...
"""

from __future__ import annotations

import sys
from importlib import import_module, util
from pathlib import Path
from typing import Final

__all__: list[str] = []

# When it is run as a folder, it is not a package yet.
FOLDER: Final = Path(__file__).resolve().parent
if not __package__:
    spec = util.spec_from_file_location("porting_kit", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)])
    assert spec is not None
    sys.modules["porting_kit"] = util.module_from_spec(spec)

if __name__ == "__main__":
    sys.exit(import_module(f"{__package__ or 'porting_kit'}.command").main())

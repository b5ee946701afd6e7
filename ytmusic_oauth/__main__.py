# SPDX-License-Identifier: MIT
"""`python -m ytmusic_oauth`: starts the command line. Python 2.7 can compile this file, too: see `__init__`."""

import sys

if __name__ == "__main__" and not __package__:  # `token.py` beside this file would hide the standard library's
    sys.stderr.write("ytmusic_oauth is a package: go to the folder that contains it, and run python -m ytmusic_oauth\n")
    sys.exit(2)

try:
    from ._command_line import main
except KeyboardInterrupt:  # from here on, `main` handles it
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())

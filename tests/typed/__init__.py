# SPDX-License-Identifier: MIT
"""Code that is type-checked and never run: the API as its users see it, and in `refused.py` what must be an error."""

# SPDX-License-Identifier: MIT
"""Types as a user meets them. Nothing here is run: it is checked, and `refused.py` must not check where it says so."""

# SPDX-License-Identifier: MIT
"""Beside what others wrote: `make interop` installs that, and runs these. `make test` knows nothing of them."""

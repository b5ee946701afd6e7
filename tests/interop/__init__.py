# SPDX-License-Identifier: MIT
"""Tests with third-party software, which `make interop` installs. `make test` leaves them out."""

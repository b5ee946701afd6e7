# SPDX-License-Identifier: MIT
"""Building and copying the package: `make zipapp`, `make vendor`, `make dist`, `make test PACKAGE=...`."""

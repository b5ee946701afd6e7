# SPDX-License-Identifier: MIT
"""What is handed out, and how it is made: `make zipapp`, `make vendor`, `make dist`, `make test PACKAGE=...`."""

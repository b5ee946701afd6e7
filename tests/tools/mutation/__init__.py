# SPDX-License-Identifier: MIT
"""What the tests would notice: `make mutants` breaks the package in thousands of small ways, one at a time."""

# SPDX-License-Identifier: MIT
"""What the tests would notice: the package is broken in thousands of small ways, one at a time. `make mutants` runs it."""

# SPDX-License-Identifier: MIT
"""Programs for contributors that are not tests. The Makefile runs them; each module says how to run it alone."""

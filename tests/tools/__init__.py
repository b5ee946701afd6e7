# SPDX-License-Identifier: MIT
"""Programs for contributors that are not tests. The Makefile runs them; each says how to run it without make."""

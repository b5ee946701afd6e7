# SPDX-License-Identifier: MIT
"""Recipes for token stores: each is a file to copy from, and `make engines` runs it against the real thing."""

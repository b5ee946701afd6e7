# SPDX-License-Identifier: MIT
"""Recipes to copy from, for programs with an event loop or many accounts. `tests/test_recipes.py` runs each of them."""

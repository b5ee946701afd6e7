# SPDX-License-Identifier: MIT
"""Recipes for programs that have a loop of their own: each is a file to copy from, and a test runs it."""

# SPDX-License-Identifier: MIT
"""The driver of our own library."""

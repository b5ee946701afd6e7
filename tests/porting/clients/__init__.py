# SPDX-License-Identifier: MIT
"""Drivers: what the kit runs to talk to an implementation."""

# SPDX-License-Identifier: MIT
"""What things cost, as ratios to what Python itself must spend: `make bench`."""

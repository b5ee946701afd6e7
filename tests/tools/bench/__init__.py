# SPDX-License-Identifier: MIT
"""What things cost, each as a ratio to what Python itself must spend: `make bench`."""

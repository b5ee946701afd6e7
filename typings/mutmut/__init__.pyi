# SPDX-License-Identifier: MIT
# What `make mutants` uses of mutmut.

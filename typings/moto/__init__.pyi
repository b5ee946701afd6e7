# SPDX-License-Identifier: MIT
# Nothing of it is used by itself.

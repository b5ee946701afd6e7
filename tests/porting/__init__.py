# SPDX-License-Identifier: MIT
"""The porting kit: certifies ports of this library to any language. It needs nothing but Python and this folder."""

# SPDX-License-Identifier: MIT
"""The porting kit: what certifies a port of this library to any language. This folder needs nothing but Python."""

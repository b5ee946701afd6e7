# SPDX-License-Identifier: MIT
from typing import Protocol

class SupportsRead(Protocol):
    def read(self, length: int = ..., /) -> bytes | str: ...

# SPDX-License-Identifier: MIT
from typing import final

from typing_extensions import Self

@final
class URL:
    def __new__(cls, val: str) -> Self: ...
    def origin(self) -> URL: ...

# SPDX-License-Identifier: MIT
from typing import Protocol

class _Record(Protocol):
    def __call__(self, name: str, caller: str | None = None) -> None: ...

record_trampoline_hit: _Record

def set_mutant_under_test(name: str | None) -> None: ...

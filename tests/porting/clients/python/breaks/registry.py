# SPDX-License-Identifier: MIT
"""What a deliberate break is, and the list of all of them.

A break names a function or a constant of the package by reference and replaces it in the running process. A function
that was moved or renamed is followed by changing one import; one that is gone is an `ImportError` or a
`LookupError` here, before any break is tried.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Final, ParamSpec, TypeAlias, TypeVar

import ytmusic_oauth

__all__ = ["BREAKS", "Break", "constant", "replaces"]

_P = ParamSpec("_P")
_Q = ParamSpec("_Q")
_R = TypeVar("_R")
_Owner: TypeAlias = ModuleType | type[object]


@dataclass(frozen=True)
class Break:
    """`new` takes the place of `old`; `means` is what a user would suffer.

    `caught_by` is a pattern of ids: the vectors or scenarios that have to notice.
    """

    target: str
    means: str
    caught_by: str
    old: object
    new: object
    #: for a constant, the module and the name that it is bound to: equal numbers are one object
    owner: ModuleType | None = None
    name: str = ""

    def places(self) -> list[tuple[_Owner, str]]:
        """Return every attribute of the package that refers to `old`: `from x import f` makes more than one."""
        return [
            (owner, name)
            for owner in _owners(self.owner)
            for name, value in vars(owner).items()
            if value is self.old and (not self.name or name == self.name)
        ]

    def check(self) -> None:
        """Raise `LookupError` if there is nothing to replace."""
        if not self.places():
            raise LookupError(f"{self.target} no longer exists, so it cannot be broken: {self.means}")

    def apply(self) -> None:
        """Break the package in this process, for good. Raises `LookupError` if there is nothing to replace."""
        self.check()
        for owner, name in self.places():
            setattr(owner, name, self.new)


BREAKS: Final[list[Break]] = []


def replaces(
    function: Callable[_P, _R], means: str, *, caught_by: str
) -> Callable[[Callable[_Q, _R]], Callable[_Q, _R]]:
    """Enter a break into the list: the decorated function is called in place of `function`.

    A module of breaks keeps its own references, so a function can be called there by the name it was imported under. A
    method cannot: bind it to a name first.
    """

    def enter(new: Callable[_Q, _R]) -> Callable[_Q, _R]:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"
        BREAKS.append(Break(name, means, caught_by, function, new))
        return new

    return enter


def constant(owner: ModuleType, name: str, new: object, means: str, *, caught_by: str) -> None:
    """Enter a break into the list: `name` becomes `new` in the module `owner`, and wherever it was imported from it."""
    old: object = getattr(owner, name, None)
    target = f"{owner.__name__.rpartition('.')[2]}.{name}"
    BREAKS.append(Break(target, means, caught_by, old, new, owner, name))


def _owners(module: ModuleType | None) -> Iterator[_Owner]:
    package = ytmusic_oauth.__name__
    for full_name, each in [*sys.modules.items()]:
        if each is module or f"{full_name}.".startswith(f"{package}."):
            yield each
            yield from (
                member
                for member in vars(each).values()
                if isinstance(member, type) and member.__module__ == each.__name__
            )

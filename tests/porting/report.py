# SPDX-License-Identifier: MIT
"""What came of it all: for a person, and for a machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import fill, indent
from typing import Final

from .runner import Outcome, Result, levels

__all__ = ["for_machines", "for_people", "is_passed"]

_WIDTH: Final = 110


def is_passed(results: Sequence[Result]) -> bool:
    """Whether nothing failed, and something passed."""
    return {"passed"} <= {result.outcome for result in results} <= {"passed", "skipped"}


def for_machines(client: str, results: Sequence[Result]) -> str:
    """Make a JSON object of it."""
    told = [asdict(result) for result in sorted(results, key=lambda result: result.id)]
    return json.dumps(
        {"client": client, "passed": is_passed(results), "levels": levels(results), "results": told}, indent=1
    )


def for_people(client: str, results: Sequence[Result], seconds: float) -> str:
    """Tell what failed and why it matters, what was skipped and why, and which levels are passed."""
    return "\n".join(_lines(client, results, seconds))


def _lines(client: str, results: Sequence[Result], seconds: float) -> Iterator[str]:
    awarded = levels(results)
    for level, verdict in awarded.items():
        failed = _those(results, level, "failed")
        if failed:
            yield f"{level}: {verdict}"
            yield ""
        for result in failed:
            yield f"  FAILED  {result.id}"
            yield _part("expected", result.expected)
            yield _part("came", result.came)
            yield _part("why", result.why)
            yield ""
    if skipped := list(_skipped(results)):
        yield from (*skipped, "")
    yield f"{client}: {len(results)} asked, in {seconds:.0f} s"
    yield ""
    yield f"  {'level':<13}{'':<13}{'passed':>7}{'failed':>8}{'skipped':>9}"
    for level, verdict in awarded.items():
        passed, wrong, left = (len(_those(results, level, each)) for each in _OUTCOMES)
        yield f"  {level:<13}{verdict:<13}{passed:>7}{wrong:>8}{left:>9}"


_OUTCOMES: Final[tuple[Outcome, ...]] = ("passed", "failed", "skipped")


def _skipped(results: Sequence[Result]) -> Iterator[str]:
    families: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda result: result.id):
        families.setdefault(result.id.partition("/")[0], []).append(result)
    for family, members in families.items():
        reasons = {member.reason for member in members if member.outcome == "skipped"}
        if len(members) > 1 and len(reasons) == 1 and all(member.outcome == "skipped" for member in members):
            yield f"  skipped  {family}/* (all {len(members)}): {reasons.pop()}"
        else:
            yield from (f"  skipped  {each.id}: {each.reason}" for each in members if each.outcome == "skipped")


def _those(results: Sequence[Result], level: str, outcome: Outcome) -> list[Result]:
    those = [result for result in results if result.level == level and result.outcome == outcome]
    return sorted(those, key=lambda result: result.id)


def _part(name: str, text: str) -> str:
    return indent(fill(text, _WIDTH, subsequent_indent=" " * 10, initial_indent=f"{name:<10}"), " " * 10)

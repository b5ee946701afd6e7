# SPDX-License-Identifier: MIT
"""The report: as text for people, as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import fill, indent
from typing import Final

from .runner import Result, Verdict, levels
from .vector import read_vectors
from .version import NAME, VERSION, hash_of

__all__ = ["declaration", "is_passed", "json_report", "text_report"]

_WIDTH: Final = 110
# Failures of one level in the text report. The rest would scroll these off the screen.
_MOST: Final = 20
_VERDICTS: Final[tuple[Verdict, ...]] = ("passed", "failed", "skipped")


def is_passed(results: Sequence[Result]) -> bool:
    """Whether nothing failed, and something passed."""
    return {"passed"} <= {result.verdict for result in results} <= {"passed", "skipped"}


def declaration(results: Sequence[Result]) -> str:
    """Return the line by which a port declares what it passed; "" if that is nothing."""
    words = {"passed": "{}", "passed in part": "{}(in-part)"}
    passed = [words[verdict].format(level) for level, verdict in levels(results).items() if verdict in words]
    return " ".join([f"{NAME}/{VERSION}", hash_of(read_vectors()), *passed]) if passed else ""


def json_report(client: str, results: Sequence[Result]) -> str:
    """Return the results as a JSON object, which `schemas/report.json` describes."""
    members = [
        {name: value for name, value in asdict(result).items() if value not in ("", ())}
        for result in sorted(results, key=lambda result: result.id)
    ]
    report = {
        "kit": {"name": NAME, "version": VERSION, "vectors": hash_of(read_vectors())},
        "client": client,
        "passed": is_passed(results),
        "levels": levels(results),
        "declaration": declaration(results),
        "results": members,
    }
    return json.dumps(report, indent=1)


def text_report(client: str, results: Sequence[Result], seconds: float) -> str:
    """Return what failed and why it matters, what was skipped and why, and which levels are passed."""
    return "\n".join(_lines(client, results, seconds))


def _lines(client: str, results: Sequence[Result], seconds: float) -> Iterator[str]:
    verdicts = levels(results)
    for level, verdict in verdicts.items():
        failed = _filtered(results, level, "failed")
        if failed:
            yield f"{level}: {verdict}"
            yield ""
        for result in failed[:_MOST]:
            yield f"  FAILED  {result.id}"
            for name, text in (
                ("given", result.given),
                ("expected", result.expected),
                ("actual", result.actual),
                ("differs", result.differs),
                ("file", result.file),
                ("folder", result.folder),
                ("why", result.why),
            ):
                if text:
                    yield _part(name, text)
            yield from (_part("" if n else "steps", step) for n, step in enumerate(result.steps))
            yield ""
        if len(failed) > _MOST:
            yield f"  and {len(failed) - _MOST} more of this level; --json has them all"
            yield ""
    if skipped := list(_skipped(results)):
        yield from (*skipped, "")
    verdict_of_all = "passed" if is_passed(results) else "failed"
    yield f"{client}: {verdict_of_all}, {len(results)} vectors and scenarios of {NAME} {VERSION}, in {seconds:.0f} s"
    yield ""
    yield f"  {'level':<13}{'':<16}{'passed':>7}{'failed':>8}{'skipped':>9}"
    for level, verdict in verdicts.items():
        passed, failures, skips = (len(_filtered(results, level, each)) for each in _VERDICTS)
        said = "not all run" if verdict == "not run" and passed else verdict
        yield f"  {level:<13}{said:<16}{passed:>7}{failures:>8}{skips:>9}"
    if declared := declaration(results):
        yield ""
        yield "What this port may declare, in one line:"
        yield f"  {declared}"


def _skipped(results: Sequence[Result]) -> Iterator[str]:
    families: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda result: result.id):
        families.setdefault(result.id.partition("/")[0], []).append(result)
    for family, members in families.items():
        reasons = {member.reason for member in members if member.verdict == "skipped"}
        if len(members) > 1 and len(reasons) == 1 and all(member.verdict == "skipped" for member in members):
            yield f"  skipped  {family}/* (all {len(members)}): {reasons.pop()}"
        else:
            yield from (f"  skipped  {each.id}: {each.reason}" for each in members if each.verdict == "skipped")


def _filtered(results: Sequence[Result], level: str, verdict: Verdict) -> list[Result]:
    filtered = [result for result in results if result.level == level and result.verdict == verdict]
    return sorted(filtered, key=lambda result: result.id)


def _part(name: str, text: str) -> str:
    return indent(fill(text, _WIDTH, subsequent_indent=" " * 10, initial_indent=f"{name:<10}"), " " * 10)

# SPDX-License-Identifier: MIT
"""`.ci/run` says of each part whether it passed, and why it did not run, and ends in time."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import pytest

from tests.tools import ci
from tests.tools.ci import PARTS, Part, main
from tests.tools.versions import DESELECTED, NOT_OLD, NOT_PYPY, SHORT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
ROOT: Final = Path(__file__).parent.parent
MAKEFILE: Final = (ROOT / "Makefile").read_text("utf-8")


def table(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *parts: Part, seconds: float = 60
) -> tuple[int, list[str]]:
    monkeypatch.setattr(ci, "PARTS", parts)
    monkeypatch.setattr(ci, "ALL", seconds)
    status = main([])
    return status, re.findall(r"^(.* +\d+ s  .*)$", capfd.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("decides", [True, False])
def test_a_part_that_decides_fails_everything_and_the_others_still_run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], decides: bool
) -> None:
    status, rows = table(monkeypatch, capfd, Part("false x", 10, decides=decides), Part("true x", 10))
    assert status == decides
    assert [row.split("  ")[-1] for row in rows] == ["FAILED", "passed"]


def test_a_part_that_decides_must_run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    status, _ = table(monkeypatch, capfd, Part("true x", 10, ["no-such-target"], decides=True))
    assert status == 1


def test_the_readme_names_the_parts_that_decide() -> None:
    *names, last = (part.name for part in PARTS if part.decides)
    readme = (ROOT / "tests" / "README.md").read_text("utf-8")
    assert f"only {', '.join(names)} and {last} decide its exit status" in readme


def test_what_cannot_be_installed_is_named_and_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lacking = Part("false x", 10, (), ["no-such-program"])
    broken = Part("false y", 10, ["no-such-target"])
    status, rows = table(monkeypatch, capfd, lacking, broken, Part("true z", 10))
    assert status == 0
    assert rows[0].endswith("not run: this machine has no no-such-program")
    assert rows[1].endswith("not run: no-such-target cannot be installed")
    assert rows[2].endswith("passed")


@pytest.mark.parametrize("child", ["sleep 30", 'sh -c "trap : TERM; while :; do sleep 1; done"'])
def test_a_part_that_takes_too_long_is_ended_with_its_children(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, child: str
) -> None:
    begun = monotonic()
    slow = Part(f"sh -c '{child} & echo $! >{tmp_path}/pid; wait'", 0.5, decides=True)
    status, rows = table(monkeypatch, capfd, slow, Part("true x", 10), seconds=0.4)
    assert monotonic() - begun < 20
    assert status == 1
    assert rows[0].endswith("FAILED: it took too long")
    assert rows[1].endswith("not run: no time was left")
    if sys.platform != "win32":
        process = (tmp_path / "pid").read_text().strip()
        while is_running(process):
            assert monotonic() - begun < 30
            sleep(0.01)


def is_running(process: str) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:  # it is gone, or this system has no /proc
        return False


def test_every_part_is_a_target_and_can_be_chosen() -> None:
    for part in PARTS:
        assert re.search(rf"^{part.name}:", MAKEFILE, re.MULTILINE)
    assert len({part.name for part in PARTS}) == len(PARTS)
    assert main(["no such part"]) == 1


def test_the_public_ci_runs_the_oldest_and_the_newest_python() -> None:
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    assert {"3.8", "3.14"} <= set(re.findall(r'"(3\.\d+)"', workflow))
    assert "python -m tests.tools.versions --here" in workflow


def test_what_some_pythons_leave_out_exists() -> None:
    """Pytest ignores the name of a test that is not there."""
    assert [each for each in {*NOT_OLD, *NOT_PYPY, *SHORT} if not (ROOT / f"tests/test_{each}.py").is_file()] == []
    for each in DESELECTED:
        path, _, name = each.partition("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / path).read_text("utf-8")

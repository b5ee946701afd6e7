# SPDX-License-Identifier: MIT
"""`make fuzz`, briefly and always with the same seed; and whether it would report a finding."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from tests.tools import fuzz
from ytmusic_oauth import _validation


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_the_invariants_hold(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for data in islice(fuzz.inputs(name, seed=1), 100):
        fuzz.check(name, data)


def test_a_finding_is_reported_with_a_command_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_validation, "json_object", json.loads)
    with pytest.raises(AssertionError):
        fuzz.fuzz("json", seconds=60, seed=1)
    command = capsys.readouterr().out.splitlines()[-1].removeprefix("Repeat with: python -m tests.tools.fuzz ").split()
    with pytest.raises(AssertionError):
        fuzz.main(command)
    monkeypatch.undo()
    assert fuzz.main(command) == 0

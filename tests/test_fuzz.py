# SPDX-License-Identifier: MIT
"""`make fuzz`, for a moment and always from the same seed; and that it would tell."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tests.tools import fuzz
from ytmusic_oauth import _validation


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_its_invariants_hold(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for data in islice(fuzz.inputs(name, seed=1), 100):
        fuzz.attempt(name, data)


def test_it_tells_which_input_a_target_does_not_stand_and_how_to_try_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_validation, "_MOST_BRACKETS", 10**9)
    monkeypatch.setattr(_validation, "_refuse_constant", float)
    with pytest.raises(AssertionError):
        fuzz.fuzz("json", seconds=60, seed=1)
    again = capsys.readouterr().out.splitlines()[-1].removeprefix("again: python -m tests.tools.fuzz ").split()
    with pytest.raises(AssertionError):
        fuzz.fuzz_all(again)
    monkeypatch.undo()
    assert fuzz.fuzz_all(again) == 0

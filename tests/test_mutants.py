# SPDX-License-Identifier: MIT
"""The names, the list and the verdict of `make mutants`. No mutant is made here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.tools.mutation.__main__ import Mutant, judge, known_survivors
from tests.tools.mutation.changes import changed, names
from tests.tools.mutation.selection import TESTS

ROOT: Final = Path(__file__).parents[1]


def name(before: str, after: str) -> str:
    [found] = names([changed(before, after)])
    return found


# ---- what a mutant is called -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('return data.decode("utf-8")', 'return data.decode("UTF-8")', '"utf-8" -> "UTF-8"'),
        ("return min(some, other)", "return min(some, )", ", other -> nothing"),
        ("return done", "return not done", "nothing -> not"),
        ("if done: return 1", "if (done) and False: return 1", "done -> (done) and False"),
        ("return owner._lock[key].held(1)", "return None", "owner._lock[key].held(1) -> None"),
        ('say(f"{left / 60:.0f} minutes")', 'say(f"{left * 60:.0f} minutes")', "{left / 60:.0f} -> {left * 60:.0f}"),
    ],
)
def test_a_mutant_is_named_by_the_tokens_that_it_changes(before: str, after: str, expected: str) -> None:
    assert name(f"def f(x):\n    {before}\n", f"def f(x):\n    {after}\n") == expected


def test_comments_docstring_and_layout_are_no_part_of_the_name() -> None:
    plain = 'def f(x):\n    """Say so."""\n    return g(x, first=1)  # why\n'
    laid_out = "def f(\n    x,\n):\n    # why\n    return g(\n        x,\n        first=1,\n    )\n"
    for source in (plain, laid_out):
        assert name(source, source.replace("=1", "=2")) == "1 -> 2"


def test_equal_changes_of_one_function_get_as_much_context_as_they_need() -> None:
    before = "def f():\n    first = g(None)\n    second = g(None)\n    third = 0\n"
    one, other = before.replace("None", "1", 1), before.replace("second = g(None", "second = g(1")
    some = [changed(before, each) for each in (one, other, before.replace("0", "1"))]
    assert names(some) == ["first = g(None -> first = g(1", "second = g(None -> second = g(1", "0 -> 1"]


def test_context_does_not_quote_sentences() -> None:
    before = 'def f():\n    g("Not there.", False)\n    h("Not here.", False)\n'
    some = [
        changed(before, before.replace(each, each.replace("False", "None")))
        for each in ('there.", False', ' here.", False')
    ]
    assert names(some) == ['g("...", False -> g("...", None', 'h("...", False -> h("...", None']


@pytest.mark.parametrize(
    ("after", "is_wording"),
    [
        ('"XXNot there, sorry.XX"', True),
        ('"NOT THERE, SORRY."', True),
        ('""', False),
        ("None", False),
        ('"Not there, sorry.", 1', False),
    ],
)
def test_a_change_of_wording_is_one_of_case_or_quotes_in_a_sentence(after: str, is_wording: bool) -> None:
    before = 'def f():\n    say("Not there, sorry.")\n'
    assert changed(before, before.replace('"Not there, sorry."', after)).is_wording == is_wording
    assert not changed('def f():\n    say("utf-8")\n', 'def f():\n    say("UTF-8")\n').is_wording


# ---- the list ------------------------------------------------------------------------------------


def test_every_survivor_in_the_list_has_a_reason_and_names_a_module() -> None:
    known = known_survivors()
    assert len(known) > 20
    assert {mutant.partition(".")[0] for mutant in known} <= set(TESTS)
    assert all(reason.endswith(".") for reason in known.values())


@pytest.mark.parametrize(
    "listed", ["_expiry.f: 1 -> 2\n_expiry.g: 1 -> 2", "A reason.\nno mutant", "\n\nA reason.\nf: 1 -> 2"]
)
def test_a_list_without_reasons_or_with_other_lines_is_an_error(listed: str) -> None:
    with pytest.raises(ValueError, match="a block is a reason and mutants"):
        known_survivors(listed)


def test_every_module_has_its_tests_in_one_table() -> None:
    modules = {path.stem for path in (ROOT / "ytmusic_oauth").glob("*.py")}
    assert modules - {"models"} == set(TESTS)
    for each in " ".join(TESTS.values()).split():
        assert (ROOT / "tests" / f"test_{each}.py").is_file(), each


# ---- the verdict ---------------------------------------------------------------------------------


def mutants(*survivors: str) -> list[Mutant]:
    caught = [Mutant("token", f"token.f: {number} -> 0", "killed") for number in range(1, 200)]
    return [*caught, *(Mutant("token", survivor, "survived") for survivor in survivors)]


@pytest.mark.parametrize(
    ("survivors", "known", "status"),
    [
        pytest.param(["token.f: a -> b"], ["token.f: a -> b"], 0, id="all-listed"),
        pytest.param(["token.f: a -> b"], [], 1, id="not-listed"),
        pytest.param([], ["token.f: a -> b"], 1, id="listed-and-caught"),
        pytest.param([], ["device.f: a -> b"], 0, id="listed-of-a-module-that-was-not-tried"),
        pytest.param(
            [f"token.g: {number} -> a" for number in range(9)],
            [f"token.g: {number} -> a" for number in range(9)],
            1,
            id="too-many",
        ),
    ],
)
def test_survivors_and_the_list_must_agree(survivors: list[str], known: list[str], status: int) -> None:
    assert judge(mutants(*survivors), dict.fromkeys(known, "It makes no difference."), ["token"], enough=98.0) == status


def test_changes_of_wording_are_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    wording = Mutant("token", 'token.f: "a b" -> "A B"', "survived", is_wording=True)
    assert judge([*mutants(), wording], {}, ["token"], enough=98.0) == 0
    assert "0 survivors" in capsys.readouterr().out

# SPDX-License-Identifier: MIT
"""The benchmarks run, and their verdicts are right. Nothing is timed here: `make bench` does that."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.bench import cases, table
from tests.tools.bench.cases import COMPARISONS, ZIPAPP, Comparison, Count, counts, zipapp
from tests.tools.bench.growth import GROWTHS, Growth, Spent, grown
from tests.tools.bench.measuring import compared
from tests.tools.bench.peers import PEERS
from tests.tools.bench.waiting import WAITINGS, Waiting, waited
from tests.tools.code_lines import code_lines


@pytest.mark.one_clock
@pytest.mark.parametrize("case", COMPARISONS, ids=lambda case: case.name)
def test_every_cost_and_its_floor_can_be_measured(
    case: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case.prepare is zipapp and not ZIPAPP.exists():
        pytest.skip("the zipapp is not built")
    monkeypatch.setattr(cases, "READS", 64)
    with case.prepare(tmp_path) as (cost, floor):
        assert cost() > 0
        assert floor() > 0


def test_the_import_loads_no_network_module_and_other_counts_are_positive() -> None:
    found = {(count.name, count.unit): count for count in counts(accounts=10)}
    assert len(found) >= 7
    network = found["the import loads: network modules", ""]
    assert (network.number, network.limit) == (0, 0)
    assert all(count.number > 0 for count in found.values() if count.limit is None)


SOURCE = '''# A license.
"""A docstring

over three lines."""

import os  # 1


class Plain:  # 2
    """Documented."""

    #: described
    size: int = 1  # 3
    """Documented, too."""

    def text(self) -> str:  # 4
        # why
        """Documented."""
        return """  # 5
6
"""  # 7
'''


def test_blank_lines_comments_and_docstrings_are_no_lines_of_code(tmp_path: Path) -> None:
    file = tmp_path / "plain.py"
    file.write_text(SOURCE)
    assert code_lines(file) == 7


@pytest.mark.parametrize("case", GROWTHS, ids=lambda case: case.name)
def test_every_growth_can_be_measured(case: Growth) -> None:
    small, large = itertools.starmap(case.prepare(), [(1,), (2,)])
    assert 0 < small.amount < large.amount


def test_it_needs_nothing_but_python() -> None:
    """Its environment has no pytest: what a test runner loads would be measured, too."""
    script = "import sys; sys.modules['pytest'] = sys.modules['hypothesis'] = None; import tests.tools.bench.table"
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parent.parent, check=True)


@pytest.mark.parametrize("case", WAITINGS, ids=lambda case: case.name)
def test_every_wait_can_be_measured(case: Waiting, tmp_path: Path) -> None:
    found = waited(case, tmp_path, delay=0.2, refreshes=1)
    assert found.reads > 0
    assert found.refreshes == 1


def test_the_code_for_other_libraries_compiles() -> None:
    for peer in PEERS:
        for code in (peer.imported, peer.make_token, peer.read):
            compile(code, peer.name, "exec")


# ---- the verdict ---------------------------------------------------------------------------------


def taking(*seconds: float) -> Callable[[], float]:
    """A measurement with these results. The first one is not counted."""
    return itertools.cycle(seconds).__next__


def test_a_ratio_is_the_median_of_pairs() -> None:
    found = compared(taking(9, 2, 4, 60), taking(9, 1, 2, 30), rounds=3)
    assert (found.median, found.low, found.high, found.best) == (2, 2, 2, 2)


@pytest.mark.parametrize(
    ("costs", "exceeds"),
    [
        pytest.param((2.0, 2.0, 2.1, 2.1), False, id="all-below"),
        pytest.param((2.0, 2.4, 2.7, 3.0), False, id="a-median-above-within-the-noise"),
        pytest.param((2.6, 2.6, 2.7, 3.0), True, id="all-above"),
    ],
)
def test_only_more_than_the_noise_exceeds_a_limit(costs: tuple[float, ...], exceeds: bool) -> None:
    assert compared(taking(9, *costs), taking(1), rounds=4).exceeds(2.5) == exceeds


@pytest.mark.parametrize(("power", "exponent"), [(1, 1.0), (2, 2.0), (0, 0.0)])
def test_growth_is_an_exponent(power: int, exponent: float) -> None:
    growth = Growth("some work", "unit", lambda: lambda size: Spent(size, 0.001 * size**power), (1, 10, 100), 3)
    found = grown(growth)
    assert found.median == pytest.approx(exponent)
    assert found.low == pytest.approx(exponent)


def test_the_worst_step_counts() -> None:
    seconds = {1: 1.0, 10: 10.0, 100: 10_000.0}
    assert grown(Growth("", "", lambda: lambda size: Spent(size, seconds[size]), (1, 10, 100), 3)).median > 2


@pytest.mark.parametrize(("number", "status"), [(3, 1), (2, 0)])
def test_the_exit_status_is_1_if_a_limit_is_exceeded(
    number: int, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "counts", lambda: iter([Count("the thing", number, limit=2)]))
    assert table.main(["the thing"]) == status
    shown = capsys.readouterr().out
    assert ("Over the limit: the thing." in shown) == bool(status)
    assert ("of fastest" in shown, "exponent" in shown, "Reads that took" in shown) == (False,) * 3, (
        "a heading of no row"
    )


@pytest.mark.parametrize("words", [["nonsense"], ["the thing", "nonsense"]])
def test_a_word_that_is_in_no_name_is_an_error(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "counts", lambda: iter([Count("the thing", 2, limit=2)]))
    assert table.main(words) == 2
    shown = capsys.readouterr().out
    assert shown.endswith("\nNo case has this in its name: nonsense.\n")
    assert "Everything" not in shown

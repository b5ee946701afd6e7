# SPDX-License-Identifier: MIT
"""The benchmarks run, and judge rightly. Nothing is timed here: `make bench` does that."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.bench import cases, table
from tests.tools.bench.cases import COMPARISONS, ZIPAPP, Comparison, Count, counts, zipapp
from tests.tools.bench.growth import GROWTHS, Growth, Spent, grown
from tests.tools.bench.measuring import compared
from tests.tools.bench.peers import PEERS


@pytest.mark.one_clock
@pytest.mark.parametrize("case", COMPARISONS, ids=lambda case: case.what)
def test_what_is_compared_can_be_done(case: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if case.prepared is zipapp and not ZIPAPP.exists():
        pytest.skip("no zipapp has been built here")
    monkeypatch.setattr(cases, "READS", 64)
    with case.prepared(tmp_path) as (cost, floor):
        assert cost() > 0
        assert floor() > 0


def test_what_is_counted_is_counted() -> None:
    found = {count.what: count for count in counts(accounts=10)}
    assert len(found) >= 5
    of_the_network = found["modules loaded by the import: of the network"]
    assert (of_the_network.number, of_the_network.at_most) == (0, 0)
    assert all(count.number > 0 for count in found.values() if count is not of_the_network)


@pytest.mark.parametrize("case", GROWTHS, ids=lambda case: case.what)
def test_what_grows_can_be_done(case: Growth) -> None:
    small, large = itertools.starmap(case.prepared(), [(1,), (2,)])
    assert 0 < small.much < large.much


def test_the_peers_are_written_as_python() -> None:
    for peer in PEERS:
        for text in (peer.imported, peer.make_token, peer.read):
            compile(text, peer.name, "exec")


# ---- the judgement -------------------------------------------------------------------------------


def taking(*seconds: float) -> Callable[[], float]:
    """What takes so long, one time after the other; the first does not count."""
    return itertools.cycle(seconds).__next__


def test_a_ratio_is_the_median_of_pairs() -> None:
    found = compared(taking(9, 2, 4, 60), taking(9, 1, 2, 30), rounds=3)
    assert (found.median, found.low, found.high, found.best) == (2, 2, 2, 2)


@pytest.mark.parametrize(
    ("costs", "misses"),
    [
        pytest.param((2.0, 2.0, 2.1, 2.1), False, id="reached"),
        pytest.param((2.0, 2.4, 2.7, 3.0), False, id="a-median-above-within-the-noise"),
        pytest.param((2.6, 2.6, 2.7, 3.0), True, id="all-above"),
    ],
)
def test_a_target_is_missed_beyond_the_noise_only(costs: tuple[float, ...], misses: bool) -> None:
    assert compared(taking(9, *costs), taking(1), rounds=4).misses(2.5) == misses


@pytest.mark.parametrize(("power", "exponent"), [(1, 1.0), (2, 2.0), (0, 0.0)])
def test_growth_is_an_exponent(power: int, exponent: float) -> None:
    growth = Growth("something", "thing", lambda: lambda size: Spent(size, 0.001 * size**power), (1, 10, 100), 3)
    found = grown(growth)
    assert found.median == pytest.approx(exponent)
    assert found.low == pytest.approx(exponent)


def test_the_worst_step_is_judged() -> None:
    spent = {1: 1.0, 10: 10.0, 100: 10_000.0}
    assert grown(Growth("", "", lambda: lambda size: Spent(size, spent[size]), (1, 10, 100), 3)).median > 2


@pytest.mark.parametrize(("number", "status"), [(3, 1), (2, 0)])
def test_whoever_misses_a_target_fails(
    number: int, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "counts", lambda: iter([Count("the thing", number, "", 2)]))
    assert table.main(["the thing"]) == status
    assert ("Missed: the thing." in capsys.readouterr().out) == bool(status)

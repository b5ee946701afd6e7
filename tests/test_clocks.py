# SPDX-License-Identifier: MIT
"""Clocks that lie: boards that boot in 1970, laptops that sleep, answers that take their time.

True time is the server's, and decides which token lives. The package sees a wall clock and a monotonic one, and each
test says how they go wrong.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, Authority, Exchange
from tests.support import NOON, Clock
from ytmusic_oauth import YOUTUBE, OAuthCredentials, OAuthToken, RefreshingToken, TransportError

LIFE: Final = 3599
DAY: Final = 86400
YEAR: Final = 365 * DAY
# The monotonic clock, whenever the machine has started.
BOOT: Final = 5.0
_PATHS: Final = {YOUTUBE.device_code_url: "/o/oauth2/device/code", YOUTUBE.token_url: "/token"}


@dataclass(frozen=True)
class Response:
    status_code: int
    body: object

    def json(self) -> object:
        return self.body


class Birth(NamedTuple):
    """When an access token was given, as the clocks had it."""

    true: float
    wall: float
    steady: float
    boot: int


class World(Clock):
    """A machine with its two clocks and a token file, and a server that knows the true time."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.true = 0.0
        self.boots = 0
        self.booted = 0.0  # by the wall clock
        self.asked = 0
        self.is_online = True
        self.latency = 0.0
        self.meanwhile: Callable[[], None] = lambda: None
        self.births: dict[str, Birth] = {}
        self.server = Authority(clock=lambda: self.true, token_lifetime=LIFE, approve_after=0)
        self.server.url = "https://fake.test"
        self.credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session=self)

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Response:
        """What the server does with a request, in the moment when it is sent; the answer takes its time."""
        self.asked += 1
        if not self.is_online:
            raise ConnectionError
        headers = {"content-type": "application/x-www-form-urlencoded"}
        reply = self.server.answer(Exchange(self.true, "POST", _PATHS[url], "", headers, data))
        assert isinstance(reply.body, Mapping)
        self.births[str(reply.body.get("access_token"))] = Birth(self.true, self.wall, self.steady, self.boots)
        self.meanwhile()
        self.advance(self.latency)
        return Response(reply.status, reply.body)

    def advance(self, seconds: float) -> None:
        self.true += seconds
        super().advance(seconds)

    def suspend(self, seconds: float) -> None:
        """The monotonic clock stands still."""
        self.true += seconds
        self.wall += seconds

    def set(self, wall: float) -> None:
        self.wall = wall

    def boot(self) -> RefreshingToken:
        """Start anew, with nothing but the file and what the wall clock says."""
        self.boots += 1
        self.booted, self.steady = self.wall, BOOT
        return RefreshingToken.load(self.credentials, self.path)

    def log_in(self) -> None:
        code = self.credentials.get_code()
        RefreshingToken(self.credentials, **self.credentials.wait_for_token(code)).store_token(str(self.path))
        self.asked = 0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An hour's token was just given, and is in the file."""
    world = World(tmp_path / "oauth.json")
    with world.installed():
        world.log_in()
        yield world


def test_a_board_that_boots_in_1970_has_a_live_token_before_and_after_it_learns_the_time(world: World) -> None:
    world.set(30)
    token = world.boot()
    assert world.server.is_live(token.access_token)
    world.advance(20)
    world.set(NOON + DAY)
    assert world.server.is_live(token.access_token)
    assert world.asked == 2
    assert OAuthToken.from_json(world.path).expires_at == NOON + DAY + LIFE


def test_a_first_login_in_1970_is_refreshed_once_the_time_is_known(tmp_path: Path) -> None:
    world = World(tmp_path / "oauth.json")
    with world.installed():
        world.set(30)
        world.log_in()
        token = world.boot()
        assert (token.is_expiring, world.asked) == (False, 0)
        world.set(NOON)
        assert world.server.is_live(token.access_token)
        assert world.asked == 1


@pytest.mark.parametrize("restarts", [False, True], ids=["still-running", "restarted"])
def test_a_clock_that_was_years_ahead_leaves_no_immortal_token(world: World, restarts: bool) -> None:
    world.set(NOON + 5 * YEAR)
    token = world.boot()
    assert world.server.is_live(token.access_token)
    world.set(NOON)
    world.advance(2 * LIFE)
    token = world.boot() if restarts else token
    assert world.server.is_live(token.access_token)
    assert world.asked == 2
    assert OAuthToken.from_json(world.path).expires_at == NOON + 3 * LIFE


def test_a_laptop_that_slept_for_a_night_wakes_up_to_one_refresh(world: World) -> None:
    token = world.boot()
    world.suspend(DAY / 3)
    assert world.server.is_live(token.access_token)
    assert token.access_token == token.access_token
    assert world.asked == 1


def test_a_clock_that_is_set_back_again_and_again_does_not_keep_a_dead_token(world: World) -> None:
    token = world.boot()
    for _ in range(12):
        world.advance(600)
        world.set(NOON + 5)
        assert world.server.is_live(token.access_token)


def test_a_token_does_not_live_longer_because_its_answer_was_slow(world: World) -> None:
    token = world.boot()
    world.advance(LIFE)
    world.latency = 20
    asked = world.wall
    assert world.server.is_live(token.access_token)
    assert (world.wall, token.expires_at) == (asked + 20, asked + LIFE)
    world.advance(LIFE - 61 - 20)
    assert not token.is_expiring
    world.advance(1)
    assert token.is_expiring


def test_a_clock_that_is_set_in_the_middle_of_a_refresh_costs_one_more(world: World) -> None:
    world.set(30)
    token = world.boot()
    world.meanwhile = lambda: world.set(NOON)
    reads = [token.access_token for _ in range(3)]
    assert [world.server.is_live(each) for each in reads] == [True] * 3
    assert world.asked == 2


@pytest.mark.parametrize("jump", [-NOON, -YEAR, YEAR], ids=["to-1970", "back", "ahead"])
def test_a_clock_that_is_set_in_the_middle_of_a_login_does_not_end_it(world: World, jump: float) -> None:
    world.server.approve_after = 1000
    code = world.credentials.get_code()
    world.advance(10)
    world.set(world.wall + jump)
    token = RefreshingToken(world.credentials, **world.credentials.wait_for_token(code))
    assert world.server.is_live(token.access_token)
    assert not token.is_expiring


def test_a_week_without_a_network_ends_as_it_began(world: World) -> None:
    token = world.boot()
    world.is_online = False
    world.advance(LIFE)
    for _ in range(0, 7 * DAY, 500):
        with pytest.raises(TransportError):
            _ = token.access_token
        world.advance(500)
    world.is_online = True
    assert world.server.is_live(token.access_token)


@pytest.mark.filterwarnings("ignore:.*No space left on device:RuntimeWarning")
def test_a_week_with_a_full_disk_ends_as_it_began(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    token = world.boot()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        for _ in range(0, 7 * DAY, 500):
            world.advance(500)
            assert world.server.is_live(token.access_token)
    world.advance(60)
    assert token.access_token == OAuthToken.from_json(world.path).access_token


# Round ones, so that a clock often goes back by as much as has passed; and any.
AMOUNTS: Final = st.sampled_from([LIFE // 3, LIFE - 60, LIFE, 2 * LIFE, 50 * YEAR]) | st.integers(0, 2 * LIFE)
KINDS: Final = ["advance", "advance", "suspend", "set back", "set back", "set forward", "boot", "offline", "online"]
# What happens, by how many seconds, and whether the token is read then.
STEPS: Final = st.lists(st.tuples(st.sampled_from(KINDS), AMOUNTS, st.booleans()), max_size=12)


@given(steps=STEPS, latency=st.integers(0, 20))
def test_no_dead_token_is_handed_out_that_a_clock_could_have_known_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int, bool]], latency: int
) -> None:
    """No access token is handed out whose age, as far as either clock can know it, is its lifetime or more.

    What the wall clock knows is what it says now, less what it said at the token's birth. What the monotonic clock
    knows is what has passed on it since then; or, for a token from before a restart, what has passed since the restart,
    on top of what the wall clock knew at that moment, unless that was less than nothing: then it has been set back, and
    the token is not handed out until the wall clock says that it is born.

    So a dead token is handed out only if both were fooled since its birth: the wall clock was set back, and the
    monotonic one was suspended or started anew. And one that is held is refused only without a network, and only if a
    clock tells that it is dead or not yet born.
    """
    monkeypatch.setattr(os, "fsync", lambda file: None)
    world = World(tmp_path / "oauth.json")
    with world.installed():
        world.log_in()
        world.latency = latency
        token = world.boot()
        for step, amount, reads in steps:
            if step == "advance":
                world.advance(amount)
            elif step == "suspend":
                world.suspend(amount)
            elif step == "set back":
                world.set(max(0.0, world.wall - amount))
            elif step == "set forward":
                world.set(world.wall + amount)
            elif step == "boot":
                token = world.boot()
            else:
                world.is_online = step == "online"
            if reads:
                check_read(world, token)


def check_read(world: World, token: RefreshingToken) -> None:
    held = token.as_dict()["access_token"]
    try:
        access_token = token.access_token
    except TransportError:
        assert not world.is_online
        assert not all(0 <= age < LIFE for age in ages(world, held))
        return
    birth = world.births[access_token]
    assert max(ages(world, access_token)) < LIFE
    assert birth.wall <= max(world.wall, world.booted) or birth.boot == world.boots
    was_set_back = world.wall - world.true < birth.wall - birth.true
    was_suspended = world.steady - world.true < birth.steady - birth.true
    assert world.server.is_live(access_token) or (was_set_back and (was_suspended or birth.boot < world.boots))


def ages(world: World, access_token: str) -> Iterator[float]:
    """As far as each clock knows."""
    birth = world.births[access_token]
    yield world.wall - birth.wall
    if birth.boot == world.boots:
        yield world.steady - birth.steady
    else:
        yield max(0.0, world.booted - birth.wall) + world.steady - BOOT

# SPDX-License-Identifier: MIT
"""Clocks that are wrong: boards that boot in 1970, laptops that sleep, responses that are slow.

The server has the true time, which decides whether a token is valid. The package sees a wall clock and a monotonic
clock, and each test says how they go wrong.
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
from ytmusic_oauth import YOUTUBE, OAuthCredentials, OAuthToken, RefreshingToken, TokenFileError, TransportError
from ytmusic_oauth._expiry import CLOCK_SKEW

LIFETIME: Final = 3599
DAY: Final = 86400
YEAR: Final = 365 * DAY
# The monotonic clock at each start of the machine.
BOOT: Final = 5.0
_PATHS: Final = {YOUTUBE.device_code_url: "/o/oauth2/device/code", YOUTUBE.token_url: "/token"}


@dataclass(frozen=True)
class Response:
    status_code: int
    body: object

    def json(self) -> object:
        return self.body


class Issued(NamedTuple):
    """When an access token was requested, by each clock."""

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
        self.requests = 0
        self.is_online = True
        self.failed_at = float("-inf")  # by the monotonic clock
        self.latency = 0.0
        self.meanwhile: Callable[[], None] = lambda: None
        self.issued: dict[str, Issued] = {}
        self.server = Authority(clock=lambda: self.true, token_lifetime=LIFETIME, approve_after=0)
        self.server.url = "https://fake.test"
        self.credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session=self)

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Response:
        """Serve the request at once; the response takes `latency` seconds."""
        self.requests += 1
        if not self.is_online:
            self.failed_at = self.steady
            raise ConnectionError
        headers = {"content-type": "application/x-www-form-urlencoded"}
        reply = self.server.answer(Exchange(self.true, "POST", _PATHS[url], "", headers, data))
        assert isinstance(reply.body, Mapping)
        self.issued[str(reply.body.get("access_token"))] = Issued(self.true, self.wall, self.steady, self.boots)
        self.meanwhile()
        self.advance(self.latency)
        return Response(reply.status, reply.body)

    def advance(self, seconds: float) -> None:
        self.true += seconds
        super().advance(seconds)

    def suspend(self, seconds: float) -> None:
        """Let time pass while the monotonic clock stands still."""
        self.true += seconds
        self.wall += seconds

    def set(self, wall: float) -> None:
        self.wall = wall

    def boot(self) -> RefreshingToken:
        """Restart, with nothing but the file and the wall clock."""
        self.boots += 1
        self.booted, self.steady, self.failed_at = self.wall, BOOT, float("-inf")
        return RefreshingToken.load(self.credentials, self.path)

    def log_in(self) -> None:
        code = self.credentials.get_code()
        RefreshingToken(self.credentials, **self.credentials.wait_for_token(code)).store_token(str(self.path))
        self.requests = 0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The file has a token that was issued just now, for an hour."""
    world = World(tmp_path / "oauth.json")
    with world.installed():
        world.log_in()
        yield world


def test_a_board_that_boots_in_1970_has_a_valid_token_before_and_after_its_clock_is_set(world: World) -> None:
    world.set(30)
    token = world.boot()
    assert world.server.is_live(token.access_token)
    world.advance(20)
    world.set(NOON + DAY)
    assert world.server.is_live(token.access_token)
    assert world.requests == 2
    assert OAuthToken.from_json(world.path).expires_at == NOON + DAY + LIFETIME


def test_a_token_from_a_login_in_1970_is_refreshed_once_the_clock_is_set(tmp_path: Path) -> None:
    world = World(tmp_path / "oauth.json")
    with world.installed():
        world.set(30)
        world.log_in()
        token = world.boot()
        assert (token.is_expiring, world.requests) == (False, 0)
        world.set(NOON)
        assert world.server.is_live(token.access_token)
        assert world.requests == 1


@pytest.mark.parametrize("restarts", [False, True], ids=["still-running", "restarted"])
def test_a_token_stored_while_the_clock_was_years_ahead_still_expires(world: World, restarts: bool) -> None:
    world.set(NOON + 5 * YEAR)
    token = world.boot()
    assert world.server.is_live(token.access_token)
    world.set(NOON)
    world.advance(2 * LIFETIME)
    token = world.boot() if restarts else token
    assert world.server.is_live(token.access_token)
    assert world.requests == 2
    assert OAuthToken.from_json(world.path).expires_at == NOON + 3 * LIFETIME


def test_a_laptop_refreshes_once_after_a_night_of_sleep(world: World) -> None:
    token = world.boot()
    world.suspend(DAY / 3)
    assert world.server.is_live(token.access_token)
    assert token.access_token == token.access_token
    assert world.requests == 1


def test_a_token_expires_even_if_the_clock_is_set_back_again_and_again(world: World) -> None:
    token = world.boot()
    for _ in range(12):
        world.advance(600)
        world.set(NOON + 5)
        assert world.server.is_live(token.access_token)


def test_a_slow_response_does_not_extend_the_lifetime(world: World) -> None:
    token = world.boot()
    world.advance(LIFETIME)
    world.latency = 20
    sent = world.wall
    assert world.server.is_live(token.access_token)
    assert (world.wall, token.expires_at) == (sent + 20, sent + LIFETIME)
    world.advance(LIFETIME - 61 - 20)
    assert not token.is_expiring
    world.advance(1)
    assert token.is_expiring


def test_a_clock_that_is_set_during_a_refresh_costs_one_more_refresh(world: World) -> None:
    world.set(30)
    token = world.boot()
    world.meanwhile = lambda: world.set(NOON)
    reads = [token.access_token for _ in range(3)]
    assert [world.server.is_live(each) for each in reads] == [True] * 3
    assert world.requests == 2


@pytest.mark.parametrize("jump", [-NOON, -YEAR, YEAR], ids=["to-1970", "back", "ahead"])
def test_a_clock_that_is_set_during_a_login_does_not_end_it(world: World, jump: float) -> None:
    world.server.approve_after = 1000
    code = world.credentials.get_code()
    world.advance(10)
    world.set(world.wall + jump)
    token = RefreshingToken(world.credentials, **world.credentials.wait_for_token(code))
    assert world.server.is_live(token.access_token)
    assert not token.is_expiring


def test_a_token_is_refreshed_after_a_week_without_a_network(world: World) -> None:
    token = world.boot()
    world.is_online = False
    world.advance(LIFETIME)
    for _ in range(0, 7 * DAY, 500):
        with pytest.raises(TransportError):
            _ = token.access_token
        world.advance(500)
    world.is_online = True
    assert world.server.is_live(token.access_token)


@pytest.mark.filterwarnings("ignore:.*No space left on device:RuntimeWarning")
def test_a_token_stays_usable_for_a_week_with_a_full_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize("text", ["", '{"access_'], ids=["empty", "half-written"])
def test_a_stopped_clock_does_not_make_a_broken_file_wait_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """As freezegun stops both clocks, while `sleep` still returns."""
    token = world.boot()
    world.advance(LIFETIME)
    world.path.write_text(text)
    monkeypatch.setattr(world, "advance", lambda _: None)
    with pytest.raises(TokenFileError):
        OAuthToken.from_json(world.path)
    with pytest.warns(RuntimeWarning, match="in memory only"):
        assert world.server.is_live(token.access_token)


# Round numbers, so that a clock often goes back by as much as has passed; and any others.
ROUND: Final = [LIFETIME // 3, LIFETIME - 60, LIFETIME, 2 * LIFETIME, 50 * YEAR]
AMOUNTS: Final = st.sampled_from(ROUND) | st.integers(0, 2 * LIFETIME)
ACTIONS: Final = ["advance", "advance", "suspend", "set back", "set back", "set forward", "boot", "offline", "online"]
# What happens, for or by how many seconds, and whether the token is read afterwards.
STEPS: Final = st.lists(st.tuples(st.sampled_from(ACTIONS), AMOUNTS, st.booleans()), max_size=12)


@given(steps=STEPS, latency=st.integers(0, 20))
def test_no_token_is_handed_out_that_has_expired_by_either_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int, bool]], latency: int
) -> None:
    """No access token is handed out once either clock can tell that its age has reached its lifetime.

    The wall clock tells the age as the time now less the time of the request, both as it showed them. The monotonic
    clock tells the time that has passed on it since the request. For a token from before a restart it tells the time
    since the restart, plus the age by the wall clock at the restart. If that age was negative (by more than the
    tolerance between two clocks), the wall clock has been set back, and the token is not handed out until the wall
    clock has passed the time of the request.

    So an expired token is handed out only if both clocks were wrong after the request: the wall clock was set back, and
    the monotonic clock was suspended or restarted. And a token is withheld only without a network, or for a minute
    after that, and only if a clock tells that it has expired or is not valid yet.
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
        assert not world.is_online or world.steady < world.failed_at + 60
        assert not all(-CLOCK_SKEW <= age < LIFETIME for age in ages(world, held))
        return
    issued = world.issued[access_token]
    assert max(ages(world, access_token)) < LIFETIME
    assert issued.wall <= max(world.wall, world.booted) + CLOCK_SKEW or issued.boot == world.boots
    was_set_back = world.wall - world.true < issued.wall - issued.true
    was_suspended = world.steady - world.true < issued.steady - issued.true
    assert world.server.is_live(access_token) or (was_set_back and (was_suspended or issued.boot < world.boots))


def ages(world: World, access_token: str) -> Iterator[float]:
    """Yield the age of a token by each clock."""
    issued = world.issued[access_token]
    yield world.wall - issued.wall
    if issued.boot == world.boots:
        yield world.steady - issued.steady
    else:
        yield max(0.0, world.booted - issued.wall) + world.steady - BOOT

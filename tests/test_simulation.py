# SPDX-License-Identifier: MIT
"""Threads and processes that want the token at once, in every order: the refresh protocol, model checked.

Real `RefreshingToken`s run on a simulated machine: their locks, file, clocks and server are those below. One actor (a
thread of a process) runs at a time, and before each step that others can notice the machine chooses who goes on.
`explore` plays every sequence of choices, up to a bound on how often somebody is stopped who could have gone on
(Musuvathi and Qadeer 2007, "Iterative context bounding for systematic testing of multithreaded programs"). A failure
shows its schedule, and the choices with which `Machine` plays it again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Final, NamedTuple, TypeAlias

import pytest

from tests.support import NOON, Clock
from ytmusic_oauth import _refresher, _single_flight, token
from ytmusic_oauth.credentials import Credentials
from ytmusic_oauth.exceptions import InvalidGrant, OAuthError, ServerError, TokenFileError
from ytmusic_oauth.models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict
from ytmusic_oauth.token import RefreshingToken

# How many preemptions more than `make test` has time for.
TORTURE: Final = int(os.environ.get("YTMUSIC_OAUTH_TORTURE", "0"))

LIFE: Final = 3600
DEAD: Final = LIFE + 400  # so many seconds after a refresh, the token is dead
EXPIRING: Final = LIFE - 30
YEAR: Final = 365 * 24 * 3600

FIRST: Final = BaseTokenDict(access_token="access-0", expires_in=LIFE, scope="youtube", token_type="Bearer")
LOGIN: Final[RefreshableTokenDict] = {**FIRST, "expires_at": NOON + LIFE, "refresh_token": "refresh-0"}

# ---- the machine ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setup:
    processes: int
    threads: int  # of each process; they share one token
    preemptions: int
    schedules: int  # at least so many are there to be played
    lives: Sequence[int] = (DEAD, DEAD)  # seconds that pass before everybody reads the token once
    rotates: bool = True  # the server takes a refresh token once: to use it again ends the login
    locks: bool = True
    loaded: bool = True  # from the file, not made by the constructor
    by_hand: bool = False  # refreshed whatever the clock says
    fault: Fault | None = None

    def __str__(self) -> str:
        return f"{self.processes}x{self.threads}"


class Fault(NamedTuple):
    """Strikes once, before any one of these steps."""

    strike: Callable[[Machine], None]
    steps: str = "read turn lock load ask answer write wrote unlock"


class Struck(NamedTuple):
    step: str
    name: str
    process: int
    life: int
    unsaved: bool  # the process had an answer that was not in the file yet


NEVER: Final = Struck("", "", -1, -1, False)


class Read(NamedTuple):
    name: str
    process: int
    life: int
    value: str | BaseException
    is_live: bool
    began: int  # after so many steps of the schedule
    ended: int


def taken_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False)
class Actor:
    name: str
    process: int
    token: RefreshingToken
    wake: Callable[[], object] = lambda: None
    turn: threading.Lock = field(default_factory=taken_lock)
    ready: Callable[[], bool] = lambda: True
    life: int = 0
    idle: bool = True  # between two reads
    done: bool = False
    killed: bool = False


class Killed(BaseException):
    """Takes a thread of a killed process off the stage."""


Crew: TypeAlias = "SimpleQueue[Callable[[], object] | None]"


class Machine:
    """One schedule: the first choices as given, then always the first option."""

    def __init__(self, setup: Setup, choices: Sequence[int], crew: Crew) -> None:
        self.setup = setup
        self.choices = choices
        self.trail: list[tuple[int, int]] = []  # what was chosen, out of how many
        self.schedule: list[str] = []
        self.preemptions = setup.preemptions + TORTURE
        self.clock = Clock()
        self.life = -1
        self.file = LOGIN
        self.locker: int | None = None
        self.server = Server(self)
        self.struck = NEVER
        self.reads: list[Read] = []
        self.memories: dict[int, str] = {}  # of processes that are idle
        self.over = taken_lock()
        with pytest.MonkeyPatch.context() as patch:
            for module in (token, _refresher):
                patch.setattr(module, "time", self.clock)
            patch.setattr(token, "read_token", lambda path: self.file)
            patch.setattr(_refresher, "read_token", self.read_token)
            patch.setattr(_refresher, "write_token", self.write_token)
            patch.setattr(_refresher, "locked", self.locked)
            simulated = SimpleNamespace(RLock=lambda: TurnLock(self), get_ident=threading.get_ident)
            patch.setattr(_single_flight, "threading", simulated)
            tokens = [self.new_token() for _ in range(setup.processes)]
            names = "abc"[: setup.threads]
            self.actors = [Actor(f"{i}{name}", i, shared) for i, shared in enumerate(tokens) for name in names]
            for actor in self.actors:
                actor.wake = partial(crew.put, partial(self.run, actor))
            self.running = self.actors[0]
            self.pass_on()
            self.over.acquire(timeout=60)

    def new_token(self) -> RefreshingToken:
        path = Path("oauth.json")
        if self.setup.loaded:
            return RefreshingToken.load(self.server, path)
        return RefreshingToken(self.server, path, **LOGIN)

    # who goes on

    def choose(self, options: int) -> int:
        if options == 1:
            return 0
        chosen = self.choices[len(self.trail)] if len(self.trail) < len(self.choices) else 0
        self.trail.append((chosen, options))
        return chosen

    def pass_on(self) -> None:
        """Let somebody go on, perhaps the one who did so far."""
        last = self.running
        ready = [actor for actor in self.actors if not actor.done and actor.ready()]
        could_go_on = last in ready and not last.idle
        if could_go_on:
            ready = [last, *(actor for actor in ready if actor is not last)] if self.preemptions else [last]
        options = list({self.alike(actor): actor for actor in ready}.values())
        if not options:
            self.over.release()
            return
        self.running = options[self.choose(len(options))]
        self.preemptions -= could_go_on and self.running is not last
        self.running.wake()

    def alike(self, actor: Actor) -> object:
        """What is equal for two actors of whom it does not matter which one goes first."""
        if not actor.idle:
            return actor
        if not all(other.idle for other in self.actors if other.process == actor.process):
            return actor.process
        if actor.process not in self.memories:
            self.memories[actor.process] = memory(actor.token)
        return self.memories[actor.process]

    def step(self, name: str, ready: Callable[[], bool] = lambda: True) -> None:
        """Let others go on; when chosen again, which takes that it is `ready`, take the step."""
        self.rest(self.running, ready)
        self.enter(name)

    def rest(self, actor: Actor, ready: Callable[[], bool]) -> None:
        actor.ready = ready
        self.pass_on()
        actor.turn.acquire()
        if actor.killed:
            raise Killed

    def enter(self, name: str) -> None:
        actor, fault = self.running, self.setup.fault
        self.schedule.append(f"{actor.name}.{name}")
        if fault is not None and self.struck is NEVER and name in fault.steps.split() and self.choose(2):
            self.schedule[-1] += "!"
            unsaved = self.locker == actor.process and self.file != self.server.current
            self.struck = Struck(name, actor.name, actor.process, actor.life, unsaved)
            fault.strike(self)

    # what an actor does

    def run(self, actor: Actor) -> None:
        actor.wake = actor.turn.release
        try:
            with suppress(Killed):
                while not actor.killed and actor.life < len(self.setup.lives):
                    self.live(actor)
                    actor.life += 1
        finally:
            actor.done = True
            if self.running is actor:
                self.pass_on()

    def live(self, actor: Actor) -> None:
        if actor.life:
            actor.idle = True
            self.rest(actor, lambda: all(other.done or other.life >= actor.life for other in self.actors))
        actor.idle = False
        self.memories.pop(actor.process, None)
        if self.life < actor.life:
            self.life = actor.life
            self.clock.advance(self.setup.lives[self.life])
        began = len(self.schedule)
        self.enter("read")
        value: str | BaseException
        try:
            if self.setup.by_hand:
                actor.token.refresh()
            value = actor.token.access_token
        except (OAuthError, RuntimeWarning, KeyboardInterrupt) as error:
            value = error
        is_live = isinstance(value, str) and self.clock.steady < self.server.ends[value]
        self.reads.append(Read(actor.name, actor.process, actor.life, value, is_live, began, len(self.schedule)))

    # what the package finds in the place of its own

    @contextmanager
    def locked(self, path: str, timeout: float) -> Iterator[bool]:
        actor = self.running
        if not self.setup.locks:
            yield False
            return
        self.step("lock", lambda: self.locker is None)
        self.locker = actor.process
        try:
            yield True
        finally:
            if not actor.killed:
                self.step("unlock")
                self.locker = None

    def read_token(self, path: str) -> RefreshableTokenDict:
        self.step("load")
        return self.file.copy()

    def write_token(self, path: str, token: RefreshableTokenDict, *, exclusive: bool) -> None:
        self.step("write")
        self.file = token.copy()
        self.step("wrote")


@dataclass
class TurnLock:
    machine: Machine = field(repr=False)
    taken: bool = False

    def __enter__(self) -> None:
        self.machine.step("turn", lambda: not self.taken)
        self.taken = True

    def __exit__(self, *exception: object) -> None:
        self.taken = False


class Server(Credentials):
    def __init__(self, machine: Machine) -> None:
        super().__init__("id", "secret")
        self.machine = machine
        self.current = LOGIN
        self.ends = {"access-0": machine.clock.steady + LIFE}
        self.refreshes: list[int] = []  # in which life
        self.refusals = 0

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        self.machine.step("ask")
        if self.refusals or refresh_token != self.current["refresh_token"]:
            self.refusals += 1
            raise InvalidGrant
        self.refreshes.append(self.machine.life)
        number, clock, rotates = len(self.refreshes), self.machine.clock, self.machine.setup.rotates
        access: BaseTokenDict = {**FIRST, "access_token": f"access-{number}"}
        refresh_token = f"refresh-{number}" if rotates else refresh_token
        self.current = {**access, "expires_at": int(clock.wall) + LIFE, "refresh_token": refresh_token}
        self.ends[access["access_token"]] = clock.steady + LIFE
        answer = self.current if rotates else access
        self.machine.step("answer")
        return answer

    def get_code(self) -> AuthCodeDict:
        raise NotImplementedError

    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        raise NotImplementedError


def memory(thing: object) -> str:
    """All that a token remembers."""
    names = [*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ())]
    if isinstance(thing, (Server, TurnLock)) or not names:
        return repr(thing)
    return f"{type(thing)}{[(name, memory(getattr(thing, name))) for name in names]}"


def work(jobs: Crew) -> None:
    while job := jobs.get():
        job()


def explore(setup: Setup, check: Callable[[Machine], None]) -> None:
    """Play every schedule, and check what came of each."""
    crew: Crew = SimpleQueue()  # to start a thread takes longer than to play a schedule
    for _ in range(setup.processes * setup.threads):
        threading.Thread(target=work, args=[crew], daemon=True).start()
    schedules = 0
    choices: list[int] | None = []
    while choices is not None:
        machine = Machine(setup, choices, crew)
        made = [chosen for chosen, _ in machine.trail]
        try:
            assert all(actor.done for actor in machine.actors), "somebody waits for ever"
            survivors = {actor.name for actor in machine.actors if not actor.killed}
            assert sum(read.name in survivors for read in machine.reads) == len(survivors) * len(setup.lives)
            check(machine)
        except AssertionError as error:
            pytest.fail(f"{error}\n{setup!r}\nschedule: {' '.join(machine.schedule)}\nchoices: {made}")
        schedules += 1
        last = max((at for at, (chosen, options) in enumerate(machine.trail) if chosen + 1 < options), default=None)
        choices = None if last is None else [*made[:last], made[last] + 1]
    for _ in range(setup.processes * setup.threads):
        crew.put(None)
    assert schedules >= setup.schedules


# ---- the faults ----------------------------------------------------------------------------------


def kill(machine: Machine) -> None:
    """SIGKILL: all threads of the process stop, and the kernel takes its lock back."""
    victim = machine.running
    if machine.locker == victim.process:
        machine.locker = None
    for actor in machine.actors:
        if actor.process == victim.process and not actor.done:
            actor.killed = actor.done = True
            if actor is not victim:
                actor.wake()
    raise Killed


def raise_it(error: BaseException, machine: Machine) -> None:
    raise error


def set_clock(seconds: int, machine: Machine) -> None:
    machine.clock.wall += seconds


CTRL_C: Final = Fault(partial(raise_it, KeyboardInterrupt()), "turn lock load ask answer write wrote")
DISK_FULL: Final = Fault(partial(raise_it, TokenFileError("No space left")), "write")
SERVER_DOWN: Final = Fault(partial(raise_it, ServerError(status=503, retryable=True)), "ask")
LOCK_HELD: Final = Fault(partial(raise_it, TokenFileError("It is locked", retryable=True)), "lock")

# ---- the promises --------------------------------------------------------------------------------


def current(machine: Machine, life: int) -> str:
    """The access token that the server had given last by the end of that life."""
    return f"access-{sum(refreshed_in <= life for refreshed_in in machine.server.refreshes)}"


@pytest.mark.parametrize(
    "setup",
    [
        Setup(2, 1, 3, 400, lives=(DEAD, EXPIRING)),
        Setup(2, 1, 2, 100, loaded=False),
        Setup(3, 1, 2, 1000),
        Setup(1, 3, 2, 900),
        Setup(2, 2, 1, 1000),
    ],
    ids=str,
)
def test_each_life_takes_one_refresh_and_everybody_gets_what_it_gave(setup: Setup) -> None:
    def check(machine: Machine) -> None:
        assert machine.server.refusals == 0
        assert machine.server.refreshes == list(range(len(setup.lives)))
        assert all(read.value == current(machine, read.life) for read in machine.reads)
        assert machine.file == machine.server.current

    explore(setup, check)


def test_without_a_lock_a_login_is_lost_only_to_a_server_that_rotates() -> None:
    """What is left where there is no lock to be had; and the proof that these schedules find what the lock prevents."""
    refusals: list[int] = []

    def check(machine: Machine) -> None:
        refusals.append(machine.server.refusals)
        assert machine.setup.rotates or all(read.is_live for read in machine.reads)

    explore(Setup(2, 1, 1, 15, locks=False, rotates=False), check)
    assert not any(refusals)
    explore(Setup(2, 1, 1, 15, locks=False), check)
    assert any(refusals)


@pytest.mark.parametrize("setup", [Setup(2, 1, 3, 20), Setup(2, 2, 1, 300)], ids=str)
def test_a_refresh_by_hand_gives_everybody_another_token_and_processes_share_it(setup: Setup) -> None:
    def check(machine: Machine) -> None:
        assert all(read.is_live and read.value != "access-0" for read in machine.reads)
        assert machine.server.refusals == 0
        assert len(machine.server.refreshes) <= 1 + setup.processes * (setup.threads - 1)
        assert machine.file == machine.server.current

    explore(replace(setup, lives=(1,), by_hand=True), check)


@pytest.mark.parametrize("rotates", [True, False], ids=["rotating", "not rotating"])
@pytest.mark.parametrize("setup", [Setup(2, 1, 1, 300), Setup(3, 1, 0, 35), Setup(2, 2, 0, 75)], ids=str)
def test_a_killed_process_ends_the_login_only_between_a_rotation_and_its_save(setup: Setup, rotates: bool) -> None:
    """No client can close that window. The others go on at once, or are told to log in, for which each asks once."""

    def check(machine: Machine) -> None:
        lost = rotates and machine.struck.unsaved
        for read in machine.reads:
            if lost and read.life >= machine.struck.life:
                assert isinstance(read.value, InvalidGrant)
            else:
                assert read.value == current(machine, read.life)
        assert machine.server.refusals == (setup.processes - 1 if lost else 0)
        assert lost or machine.file == machine.server.current
        assert lost or len(machine.server.refreshes) == len(setup.lives) + machine.struck.unsaved

    explore(replace(setup, rotates=rotates, fault=Fault(kill)), check)


@pytest.mark.parametrize("setup", [Setup(1, 2, 1, 200), Setup(2, 2, 0, 150, rotates=False)], ids=str)
def test_ctrl_c_in_one_thread_ends_nobody_elses_turn(setup: Setup) -> None:
    """A login that rotates is lost only with the answer; once that is in memory, the next in line saves it."""

    def check(machine: Machine) -> None:
        struck = machine.struck
        lost = setup.rotates and struck.step == "answer"
        for read in machine.reads:
            if (read.name, read.life) == (struck.name, struck.life):
                assert isinstance(read.value, KeyboardInterrupt)
            elif lost and read.life >= struck.life:
                assert isinstance(read.value, InvalidGrant)
            else:
                assert read.is_live
        assert machine.server.refusals == lost
        assert lost or machine.file == machine.server.current
        assert len(machine.server.refreshes) <= len(setup.lives) + (not setup.rotates)

    explore(replace(setup, fault=CTRL_C), check)


in_trouble = pytest.mark.parametrize(
    ("setup", "fault"),
    [
        pytest.param(setup, fault, id=f"{setup}, {what}")
        for setup in (Setup(2, 1, 1, 55), Setup(1, 3, 1, 120), Setup(2, 2, 0, 30))
        for what, fault in {"server down": SERVER_DOWN, "lock held": LOCK_HELD}.items()
    ],
)


@in_trouble
@pytest.mark.filterwarnings("ignore:.*Until then the old access token is used:RuntimeWarning")
def test_passing_trouble_goes_unnoticed_while_the_old_token_lives(setup: Setup, fault: Fault) -> None:
    def check(machine: Machine) -> None:
        for read in machine.reads:
            failed = (read.process, read.life) == (machine.struck.process, machine.struck.life)
            assert read.value == current(machine, read.life - failed)
            assert read.is_live
        assert len(set(machine.server.refreshes)) == len(machine.server.refreshes)

    explore(replace(setup, lives=(EXPIRING, EXPIRING), fault=fault), check)


@in_trouble
def test_an_error_is_for_those_who_waited_for_it_and_whoever_comes_later_tries_again(
    setup: Setup, fault: Fault
) -> None:
    def check(machine: Machine) -> None:
        struck = machine.struck
        there = [read for read in machine.reads if (read.process, read.life) == (struck.process, struck.life)]
        failed_at = max((read.ended for read in there if read.name == struck.name), default=0)
        mended_at = min((read.ended for read in there if read.began >= failed_at), default=inf)
        for read in machine.reads:
            if read in there and read.began < failed_at and read.ended < mended_at:
                assert isinstance(read.value, OAuthError)
            else:
                assert read.value == current(machine, read.life)
        assert len(set(machine.server.refreshes)) == len(machine.server.refreshes)

    explore(replace(setup, fault=fault), check)


@pytest.mark.parametrize(
    "setup", [Setup(2, 1, 3, 200, rotates=False), Setup(2, 2, 0, 20, rotates=False), Setup(1, 3, 1, 70)], ids=str
)
@pytest.mark.filterwarnings("ignore:.*until it can be saved:RuntimeWarning")
def test_a_token_that_could_not_be_saved_is_used_and_saved_later(setup: Setup) -> None:
    def check(machine: Machine) -> None:
        assert machine.server.refusals == 0
        assert len(machine.server.refreshes) <= (1 if machine.struck is NEVER else setup.processes)
        assert all(read.is_live for read in machine.reads)
        assert all(read.value == current(machine, 1) for read in machine.reads if read.life == 1)
        assert machine.file == machine.server.current

    explore(replace(setup, lives=(DEAD, 5), fault=DISK_FULL), check)


@pytest.mark.parametrize("seconds", [-YEAR, YEAR, -DEAD], ids=["back a year", "ahead a year", "back a life"])
def test_no_dead_token_is_used_and_no_login_lost_when_the_wall_clock_jumps(seconds: int) -> None:
    setup = Setup(2, 1, 1, 600, fault=Fault(partial(set_clock, seconds)))

    def check(machine: Machine) -> None:
        assert all(read.is_live for read in machine.reads)
        assert machine.server.refusals == 0
        assert len(machine.server.refreshes) <= len(setup.lives) + 1
        assert machine.file["refresh_token"] == machine.server.current["refresh_token"]

    explore(setup, check)

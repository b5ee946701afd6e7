# SPDX-License-Identifier: MIT
"""A simulated machine for model checking the refresh: `test_simulation` says what must hold on it.

Real `RefreshingToken`s run here, over a simulated store, server and clock. Nothing of the package is replaced but its
clocks and the lock of `_single_flight`. An actor is a thread of a process; one runs at a time, and before each step
that others can notice, the machine chooses which actor goes on. `explore` plays every sequence of choices, up to a
bound on how often an actor is preempted (Musuvathi and Qadeer 2007, "Iterative context bounding for systematic testing
of multithreaded programs"). A fault may strike once in a schedule, at any step.

Time passes between rounds, in pauses and through faults. A failure shows its schedule, which `replay` plays again.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from math import inf
from queue import SimpleQueue
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

import pytest

from tests.support import Clock
from ytmusic_oauth import Endpoints, OAuthCredentials, RefreshingToken, _refresher, _single_flight, _store_access, token
from ytmusic_oauth._token_text import parse_token_text
from ytmusic_oauth.exceptions import InvalidGrant, OAuthError, TokenStoreError
from ytmusic_oauth.models import BaseTokenDict, RefreshableTokenDict

if TYPE_CHECKING:
    from typing import TypeAlias  # Python 3.10

# How many preemptions more than `make test` has time for.
TORTURE: Final = int(os.environ.get("YTMUSIC_OAUTH_TORTURE", "0"))

LIFETIME: Final = 3600
#: Seconds between two rounds, after which the token has expired, or is due and valid for 30 s more.
EXPIRED: Final = LIFETIME + 400
DUE: Final = LIFETIME - 30
#: Seconds: long enough for one request, and shorter than the wait for the lock.
LEASE: Final = 35
SLOW: Final = 20

#: What the server does when a refresh token is used that was replaced already.
Reuse = Literal["revokes", "refuses", "tolerates", "never rotates"]
Locking = Literal["kernel lock", "lease", "no lock"]
#: How the store replaces a text: a file is compared and then renamed, and another program can write it in between.
Swap = Literal["compare-and-swap", "compare, then swap", "swap"]
Beginning = Literal["loaded", "constructed", "nothing stored"]

ENDPOINTS: Final = {
    rotates: Endpoints("https://as.example/code", "https://as.example/token", rotates_refresh_tokens=rotates)
    for rotates in (True, False)
}


# ---- what is played ------------------------------------------------------------------------------


class Fault(NamedTuple):
    """Strikes once, before any one of these steps; then before each of the `lasting` ones until the round ends."""

    name: str
    strike: Callable[[Machine], None]
    steps: str
    lasting: str = ""


@dataclass(frozen=True)
class Setup:
    #: what each process does: its threads apart by "|", what a thread does in one round after the other by ","
    processes: Sequence[str]
    reuse: Reuse = "revokes"
    lock: Locking = "kernel lock"
    #: the seconds that pass before each round, in which each actor does one thing; in the last one, nothing interferes
    rounds: Sequence[int] = (EXPIRED, EXPIRED)
    begins: Beginning = "loaded"
    preemptions: int = 1
    fault: Fault | None = None
    swap: Swap = "compare-and-swap"

    @property
    def rotates(self) -> bool:
        return self.reuse != "never rotates"


class Struck(NamedTuple):
    """What the fault met."""

    step: str
    actor: str
    process: int
    round: int
    #: whether the process had the lock, or looked into a store without locks, and had saved nothing since
    is_open: bool
    #: whether it had a new refresh token that is not stored
    is_unsaved: bool


class Outcome(NamedTuple):
    """What came of one action: of reading the token, if it is not something else."""

    actor: str
    process: int
    round: int
    action: str
    #: the access token that it got, or the error that it raised; None: it asked for none
    result: str | BaseException | None
    #: the access token that a server rejected before
    rejected: str
    #: whether that access token is valid; of an error, whether the token that the process had is valid still
    is_valid: bool


@dataclass(eq=False)
class Process:
    number: int
    actions: list[list[str]]  # of each thread, in each round
    store: Store
    token: RefreshingToken
    is_stopped: bool = False
    is_killed: bool = False
    has_looked: bool = False
    #: whether it has locked the store, or looked into one without locks, and has saved nothing since
    is_open: bool = False
    #: the refresh token that was in the store at the last look; None: there was none
    sight: str | None = None
    unsaved: str | None = None


def taken_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False)
class Actor:
    name: str
    process: Process
    actions: list[str]
    wake: Callable[[], object] = lambda: None
    turn: threading.Lock = field(default_factory=taken_lock)
    ready: Callable[[], bool] = lambda: True
    round: int = 0
    action: str = ""
    is_idle: bool = True  # between two actions
    is_yielding: bool = True  # another actor may go on at no cost
    paused_at: int = -1  # after so many steps
    is_careful: bool = False  # each look at the clock is a step
    is_done: bool = False


class Killed(BaseException):
    """Ends a thread of a killed process."""


class Replayed(NamedTuple):
    """Chooses what a schedule says."""

    entries: Sequence[str]

    def choose(self, made: Sequence[str], options: Sequence[str]) -> int:
        name = self.entries[len(made)].partition(".")[0] if len(made) < len(self.entries) else ""
        return options.index(name) if name in options else 0

    def strikes(self, made: Sequence[str]) -> bool:
        return len(made) <= len(self.entries) and self.entries[len(made) - 1].endswith("!")


class Explored:
    """Chooses as given, then always the first option, and notes out of how many."""

    def __init__(self, choices: Sequence[int]) -> None:
        self.choices = choices
        self.trail: list[tuple[int, int]] = []

    def choose(self, made: Sequence[str], options: Sequence[str]) -> int:
        if len(options) == 1:
            return 0
        at = len(self.trail)
        chosen = self.choices[at] if at < len(self.choices) else 0
        self.trail.append((chosen, len(options)))
        return chosen

    def strikes(self, made: Sequence[str]) -> bool:
        return self.choose(made, ("", "!")) == 1

    def next(self) -> list[int] | None:
        """The choices of the next schedule, if there is another one."""
        last = max((at for at, (chosen, options) in enumerate(self.trail) if chosen + 1 < options), default=None)
        return None if last is None else [*(chosen for chosen, _ in self.trail[:last]), self.trail[last][0] + 1]


class Chooser(Protocol):
    def choose(self, made: Sequence[str], options: Sequence[str]) -> int: ...
    def strikes(self, made: Sequence[str]) -> bool: ...


Crew: TypeAlias = "SimpleQueue[Callable[[], object] | None]"


# ---- the machine ---------------------------------------------------------------------------------


class Machine:
    """One schedule."""

    def __init__(self, stage: Stage, setup: Setup, chooser: Chooser) -> None:
        self.stage = stage
        stage.machine = self
        self.setup = setup
        self.chooser = chooser
        self.is_playing = False
        self.schedule: list[str] = []
        self.preemptions = setup.preemptions + TORTURE
        self.clock = SimulatedClock(self)
        self.round = -1
        self.holder: Process | None = None
        self.held_until = inf
        self.is_outlived = False  # a process lost its lock before it saved
        self.is_save_failed = False  # a store failed to save a new refresh token
        self.struck: Struck | None = None
        self.outcomes: list[Outcome] = []
        self.logins: dict[int, Process] = {}  # that were stored, or set by hand, and by which process
        self.newest_stored = 0
        self.rejected = ""
        self.violations: list[str] = []
        self.memories: dict[Process, str] = {}  # of processes that are idle
        self.over = taken_lock()
        self.server = Server(self)
        first = self.server.log_in()
        self.texts = [None if setup.begins == "nothing stored" else json.dumps(first), None]
        self.processes = [self._process(number, script, first) for number, script in enumerate(setup.processes)]
        self.actors = [
            Actor(f"{process.number}{name}", process, actions)
            for process in self.processes
            for name, actions in zip("abcd", process.actions)
        ]
        self.running = self.actors[0]

    def _process(self, number: int, script: str, first: RefreshableTokenDict) -> Process:
        actions = [[action.strip() for action in thread.split(",")] for thread in script.split("|")]
        store = Store(self)
        if self.setup.begins == "loaded":
            token = RefreshingToken.load(self.server, store)
        else:
            token = RefreshingToken(self.server, **first)
            token._connect(self.server, store)
        store.process = Process(number, actions, store, token)
        return store.process

    def play(self, crew: Crew) -> None:
        for actor in self.actors:
            actor.wake = partial(crew.put, partial(self.run, actor))
        self.is_playing = True
        self.pass_on()
        self.over.acquire(timeout=60)

    # ---- which actor goes on ----

    def pass_on(self) -> bool:
        """Let an actor go on. Returns whether it is the one that did so far."""
        last = self.running
        ready = self.ready()
        if not ready and any(process.is_stopped for process in self.processes):
            for process in self.processes:
                process.is_stopped = False
            ready = self.ready()
        ready = [actor for actor in ready if actor.paused_at < len(self.schedule)] or ready
        could_go_on = last in ready and not last.is_yielding
        if could_go_on:
            ready = [last, *(actor for actor in ready if actor is not last)] if self.may_preempt() else [last]
        options = list({self.alike(actor): actor for actor in reversed(ready)}.values())[::-1]
        if not options:
            self.over.release()
            return False
        self.running = options[self.chooser.choose(self.schedule, [actor.name for actor in options])]
        if self.running is last and not last.is_done and self.schedule:
            return True
        self.preemptions -= could_go_on
        self.running.wake()
        return False

    def ready(self) -> list[Actor]:
        return [actor for actor in self.actors if not actor.is_done and not actor.process.is_stopped and actor.ready()]

    def alike(self, actor: Actor) -> object:
        """What is equal for two actors of which it does not matter which one goes first."""
        process = actor.process
        if not actor.is_idle:
            return actor
        if not all(other.is_idle for other in self.actors if other.process is process):
            return process, str(actor.actions)
        if process not in self.memories:
            self.memories[process] = f"{process.actions} {memory(process)}"
        return self.memories[process], str(actor.actions)

    def may_preempt(self) -> bool:
        return self.preemptions > 0 and not self.is_last_round()

    def step(self, name: str, ready: Callable[[], bool] = lambda: True) -> None:
        """Let others go on; when chosen again, which takes that it is `ready`, take the step."""
        own = self.stage.own.actor
        if own is not None and own.process.is_killed:  # it cleans up nothing
            raise Killed
        self.wait(self.running, ready)
        self.enter(name)

    def wait(self, actor: Actor, ready: Callable[[], bool], *, yields: bool = False) -> None:
        if not yields and not self.may_preempt() and ready():
            return
        actor.ready, actor.is_yielding = ready, yields
        if not self.pass_on():
            actor.turn.acquire()
        actor.is_yielding = False
        if actor.process.is_killed:
            raise Killed

    def enter(self, name: str) -> None:
        actor, process, fault = self.running, self.running.process, self.setup.fault
        self.schedule.append(f"{actor.name}.{name}")
        if fault is None or self.is_last_round():
            return
        if self.struck is not None:
            if actor.round == self.struck.round and name in fault.lasting.split():
                fault.strike(self)
        elif name in fault.steps.split() and self.chooser.strikes(self.schedule):
            self.schedule[-1] += "!"
            is_unsaved = process.unsaved is not None
            self.struck = Struck(name, actor.name, process.number, actor.round, process.is_open, is_unsaved)
            fault.strike(self)

    def kill(self, victim: Process) -> None:
        """End all threads of a process."""
        victim.is_killed = True
        if self.setup.lock == "kernel lock" and self.holder is victim:
            self.holder = None
        for actor in self.actors:
            if actor.process is victim and not actor.is_done:
                actor.is_done = True
                if actor is not self.running:
                    actor.wake()
        raise Killed

    # ---- what an actor does ----

    def run(self, actor: Actor) -> None:
        actor.wake = actor.turn.release
        self.stage.own.actor = actor
        try:
            with suppress(Killed):
                while not actor.process.is_killed and actor.round < len(self.setup.rounds):
                    self.act(actor)
                    actor.round += 1
        finally:
            actor.is_done = True
            if self.running is actor:
                self.pass_on()

    def act(self, actor: Actor) -> None:
        if actor.round:
            actor.is_idle = True
            others = [other for other in self.actors if other is not actor]
            self.wait(actor, lambda: all(other.is_done or other.round >= actor.round for other in others), yields=True)
        actor.is_idle = actor.is_yielding = False
        process = actor.process
        self.memories.pop(process, None)
        if self.round < actor.round:
            self.round = actor.round
            self.clock.advance(self.setup.rounds[self.round])
            self.rejected = process.token.as_dict()["access_token"]
        action = actor.action = actor.actions[min(actor.round, len(actor.actions) - 1)]
        rejected = self.rejected if action == "retry" else ""
        self.enter("begin")
        result: str | BaseException | None
        try:
            result = ACTIONS[action](self, actor)
        except (OAuthError, RuntimeWarning, KeyboardInterrupt) as error:
            result = error
        finally:
            actor.is_careful = False
        current = process.token._state.snapshot.valid
        is_valid = current.covers(self.clock.wall, self.clock.steady) if isinstance(result, OAuthError) else True
        if isinstance(result, str):
            is_valid = self.clock.real < self.server.ends[result]
        self.outcomes.append(Outcome(actor.name, process.number, actor.round, action, result, rejected, is_valid))

    def note_login(self, login: RefreshableTokenDict) -> None:
        self.logins[self.server.grants[login["refresh_token"]].login] = self.running.process

    def stored(self) -> RefreshableTokenDict:
        token = parse(self.texts[0])
        assert token is not None
        return token

    def is_last_round(self) -> bool:
        return self.running.round == len(self.setup.rounds) - 1 > 0

    def is_locked(self) -> bool:
        return self.holder is not None and self.clock.steady < self.held_until

    def is_stuck(self) -> bool:
        """Whether the lock will not be released while others wait for it."""
        return self.holder is not None and (self.holder.is_killed or self.holder.is_stopped)


def memory(process: Process) -> str:
    """All that a token remembers, as text."""
    state = process.token._state
    ours, other = state.snapshot, state.alternative
    known = (
        ours.token, ours.valid.deadline, state.last_read, state.clean is ours.token, state.is_new_login,
        state.superseded, state.error, state.refused, state.server_backoff, state.store_backoff, other and other.token,
    )  # fmt: skip
    return repr(known)


def read(machine: Machine, actor: Actor) -> str:
    return actor.process.token.access_token


def refresh_after_rejection(machine: Machine, actor: Actor) -> str:
    """The server has rejected the access token that all had when the round began."""
    actor.process.token.refresh(rejected=machine.rejected)
    return read(machine, actor)


def refresh_ahead(machine: Machine, actor: Actor) -> str:
    actor.process.token.refresh_ahead(600)
    return read(machine, actor)


def store_by_hand(machine: Machine, actor: Actor) -> None:
    actor.process.token.store_token()


def set_a_field(machine: Machine, actor: Actor) -> str:
    actor.is_careful = True
    actor.process.token.scope = "set by hand"
    actor.is_careful = False
    return read(machine, actor)


def set_and_store(machine: Machine, actor: Actor) -> None:
    """Store a field that was set, without reading the access token."""
    actor.process.token.scope = "set by hand"
    actor.process.token.store_token()


def set_a_login(machine: Machine, actor: Actor) -> str:
    """Set the fields of a new login by hand, one after the other."""
    login = machine.server.log_in()
    actor.is_careful = True
    actor.process.token.refresh_token = login["refresh_token"]
    actor.process.token.access_token = login["access_token"]
    actor.process.token.expires_at = login["expires_at"]
    actor.is_careful = False
    machine.note_login(login)
    return read(machine, actor)


def update(machine: Machine, actor: Actor) -> str:
    """Refresh by hand, under no lock."""
    current = actor.process.token
    response = machine.server.respond(actor.process, current.refresh_token)
    actor.is_careful = True
    current.update(response)
    actor.is_careful = False
    return read(machine, actor)


def log_in(machine: Machine, actor: Actor) -> str:
    """Another program stores a new login, as this package does."""
    login = machine.server.log_in()
    actor.process.token = RefreshingToken(machine.server, **login)
    actor.process.token.keep_in(actor.process.store)
    machine.note_login(login)
    return read(machine, actor)


def write_in_place(machine: Machine, actor: Actor) -> None:
    """Another program writes a new login into the store, in place and without any lock."""
    login = machine.server.log_in()
    text = json.dumps(login)
    for part in (None, text[: len(text) // 2], text):
        machine.step("write")
        machine.texts[0] = part
    machine.note_login(login)
    machine.newest_stored = max(machine.newest_stored, *machine.logins)


def remove(machine: Machine, actor: Actor) -> None:
    """Another program removes the token, without any lock."""
    machine.step("write")
    machine.texts[0] = None


def hide(machine: Machine, actor: Actor) -> None:
    """Another program moves the token away, and back."""
    machine.step("write")
    hidden, machine.texts[0] = machine.texts[0], None
    machine.step("write")
    machine.texts[0] = hidden


def move(machine: Machine, actor: Actor) -> None:
    """Keep the token in another store from now on."""
    store = Store(machine, 1)
    store.process = actor.process
    actor.process.token.keep_in(store)


def move_in_vain(machine: Machine, actor: Actor) -> None:
    """Try to keep the token in a store that does not work, as by assigning `local_cache`."""

    class Broken(Store):
        def read(self) -> str | None:
            raise OSError

    store, current = Broken(machine, 1), actor.process.token
    store.process = actor.process
    with suppress(TokenStoreError):
        current._refresher.move(current.credentials, store, must_save=True)


def do_nothing(machine: Machine, actor: Actor) -> None:
    pass


ACTIONS: Final[dict[str, Callable[[Machine, Actor], str | None]]] = {
    "read": read,
    "retry": refresh_after_rejection,
    "ahead": refresh_ahead,
    "store": store_by_hand,
    "set": set_a_field,
    "set and store": set_and_store,
    "set login": set_a_login,
    "update": update,
    "log in": log_in,
    "write": write_in_place,
    "remove": remove,
    "hide": hide,
    "move": move,
    "move in vain": move_in_vain,
    "nothing": do_nothing,
}


# ---- what the package finds on it ----------------------------------------------------------------


class SimulatedClock(Clock):
    """What a program sees of the time, and how much has really passed."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine
        self.real = 0.0

    def time(self) -> float:
        if self.machine.is_playing and self.machine.running.is_careful:
            self.machine.step("clock")
        return self.wall

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self.real += seconds

    def sleep(self, seconds: float) -> None:
        """Not before another actor has done something, if there is one that can."""
        actor = self.machine.running
        actor.paused_at = len(self.machine.schedule)
        self.machine.wait(actor, lambda: True, yields=True)
        self.machine.enter("pause")
        self.advance(seconds)


@dataclass(eq=False)
class Grant:
    """A refresh token, as the server knows it."""

    login: int
    #: the refresh tokens that it comes from
    ancestors: frozenset[str]
    is_used: bool = False


class Server(OAuthCredentials):
    """An OAuth server, and the client that all processes use."""

    def __init__(self, machine: Machine) -> None:
        super().__init__("id", "secret", endpoints=ENDPOINTS[machine.setup.rotates])
        self.machine = machine
        self.grants: dict[str, Grant] = {}
        self.ends: dict[str, float] = {}  # of access tokens, in real time
        self.logins = 0
        self.revoked: set[int] = set()  # logins
        self.refreshes: list[int] = []  # in which round
        self.reuses: list[str] = []

    def log_in(self) -> RefreshableTokenDict:
        name = f"refresh-{len(self.grants)}"
        self.grants[name] = Grant(self.logins, frozenset())
        self.logins += 1
        return {**self._access(), "expires_at": int(self.machine.clock.wall) + LIFETIME, "refresh_token": name}

    def accepts(self, refresh_token: str) -> bool:
        grant = self.grants[refresh_token]
        return grant.login not in self.revoked and (not grant.is_used or self.machine.setup.reuse == "tolerates")

    def follows(self, later: str, earlier: str) -> bool:
        """Whether a refresh token may take the place of another one: the same, its successor, or a newer login."""
        new, old = self.grants[later], self.grants[earlier]
        return new.login > old.login or later == earlier or earlier in new.ancestors

    def refresh_within(self, refresh_token: str, *, tries: int = 3, seconds: float = 30.0) -> BaseTokenDict:
        process = self.machine.running.process
        if self.machine.setup.rotates:
            self._check_look(process, refresh_token)
        return self.respond(process, refresh_token)

    def respond(self, process: Process, refresh_token: str) -> BaseTokenDict:
        machine = self.machine
        machine.step("ask")
        grant = self.grants[refresh_token]
        if grant.is_used:
            self.reuses.append(refresh_token)
        if not self.accepts(refresh_token):
            if machine.setup.reuse == "revokes":
                self.revoked.add(grant.login)
            raise InvalidGrant
        self.refreshes.append(machine.running.round)
        response = self._access()
        if machine.setup.rotates:
            grant.is_used = True
            name = process.unsaved = f"refresh-{len(self.grants)}"
            self.grants[name] = Grant(grant.login, grant.ancestors | {refresh_token})
            full: RefreshableTokenDict = {**response, "expires_at": 0, "refresh_token": name}
            response = full
        machine.step("answer")
        return response

    def _access(self) -> BaseTokenDict:
        name = f"access-{len(self.ends)}"
        self.ends[name] = self.machine.clock.real + LIFETIME
        return {"access_token": name, "expires_in": LIFETIME, "scope": "", "token_type": "Bearer"}

    def _check_look(self, process: Process, refresh_token: str) -> None:
        if not process.has_looked:
            self.machine.violations.append(f"{refresh_token} is sent without a look into the store")
        elif process.sight is None:
            is_new = self.grants[refresh_token].login > self.machine.newest_stored
            if self.machine.setup.begins != "nothing stored" and not is_new:
                self.machine.violations.append(f"{refresh_token} is sent though it is gone from the store")
        elif self.machine.setup.begins == "loaded" and not self.follows(refresh_token, process.sight):
            self.machine.violations.append(f"{refresh_token} is sent though {process.sight} was seen in the store")


class Store:
    """What one process sees of the token store."""

    def __init__(self, machine: Machine, shelf: int = 0) -> None:
        self.machine = machine
        self.shelf = shelf
        self.process: Process | None = None  # while the machine is made

    @property
    def text(self) -> str | None:
        return self.machine.texts[self.shelf]

    def read(self) -> str | None:
        machine, process = self.machine, self.process
        if process is None:
            return self.text
        machine.step("read")
        found = parse(self.text)
        process.has_looked = self.text is None or found is not None
        process.sight = found and found["refresh_token"]
        return self.text

    def replace(self, before: str | None, after: str) -> bool:
        machine, process = self.machine, self.process
        assert process is not None
        machine.step("replace")
        if machine.setup.swap != "swap" and self.text != before:
            return False
        if machine.setup.swap == "compare, then swap":
            machine.step("rename")
        self._check(after)
        machine.texts[self.shelf] = after
        process.sight = json.loads(after)["refresh_token"]
        process.unsaved, process.is_open = None, False
        if machine.setup.lock == "kernel lock" and machine.holder is process:
            machine.holder = None  # it was on the old file
        machine.step("replaced")
        return True

    @contextmanager
    def lock(self, timeout: float) -> Iterator[float]:
        machine, process = self.machine, self.process
        assert process is not None
        kind, clock = machine.setup.lock, machine.clock

        def is_ready() -> bool:
            return timeout == 0 or kind == "no lock" or not machine.is_locked() or machine.is_stuck()

        machine.step("lock", is_ready)
        if not is_ready():  # after a stop
            machine.wait(machine.running, is_ready)
        process.has_looked = False
        if kind == "no lock":
            process.is_open = True
            try:
                yield inf
            finally:
                process.has_looked = process.is_open = False
            return
        if machine.is_locked():
            waited = min(timeout, machine.held_until - clock.steady)
            clock.advance(waited)
            if machine.is_locked():
                raise TimeoutError
        machine.holder, until = process, inf if kind == "kernel lock" else clock.steady + LEASE
        machine.held_until = until
        process.is_open = True
        try:
            yield until
        finally:
            if not process.is_killed:
                try:
                    machine.step("unlock")
                finally:
                    process.has_looked = process.is_open = False
                    if machine.holder is process and not process.is_killed:
                        machine.holder = None

    def _check(self, after: str) -> None:
        machine = self.machine
        old, new = parse(self.text), parse(after)
        assert new is not None
        login = machine.server.grants[new["refresh_token"]].login
        newest, machine.newest_stored = machine.newest_stored, max(machine.newest_stored, login)
        if old is None:
            is_removed = self.shelf == 0 and machine.setup.begins != "nothing stored"
            if is_removed and machine.running.action != "store" and login <= newest:
                machine.violations.append("a token is stored where it was removed")
        elif machine.setup.begins != "loaded" and new["expires_at"] > old["expires_at"]:
            pass  # of a token made by the constructor, it is only known when it was issued
        elif not machine.server.follows(new["refresh_token"], old["refresh_token"]):
            machine.violations.append(f"{new['refresh_token']} replaces {old['refresh_token']}")
        elif new["refresh_token"] == old["refresh_token"] and is_older(new, old):
            machine.violations.append(f"{new['access_token']} replaces {old['access_token']}")


def is_older(new: RefreshableTokenDict, old: RefreshableTokenDict) -> bool:
    """Whether an access token was issued earlier, as far as a client can know."""
    numbers = [int(token["access_token"].partition("-")[2]) for token in (new, old)]
    return numbers[0] < numbers[1] and new["expires_at"] < old["expires_at"]


class SimulatedLock:
    """The lock of the threads of a process. To wait for it is a step where another thread may have it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.owner: Actor | None = None
        self.depth = 0

    def acquire(self, blocking: bool = True) -> bool:
        actor = self.machine.running
        if len(actor.process.actions) > 1:
            self.machine.step("turn", lambda: not blocking or self.owner is None)
        if self.owner is not None:
            return False
        self.owner, self.depth = actor, 1
        return True

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1
        if self.depth == 0:
            self.owner = None


class MomentaryLock:
    """What guards the changes of tokens, in each process. To take it is a step only while another thread has it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.owners: dict[Process, Actor] = {}

    def __enter__(self) -> None:
        actor = self.stage.own.actor
        # The threads of a killed process end while others, or the next machine, go on.
        if actor is not None and not actor.process.is_killed:
            if self.owners.get(actor.process, actor) is not actor:
                self.stage.machine.step("mutex", lambda: actor.process not in self.owners)
            self.owners[actor.process] = actor

    def __exit__(self, *_: object) -> None:
        actor = self.stage.own.actor
        if actor is not None:
            self.owners.pop(actor.process, None)


@lru_cache(maxsize=None)
def parse(text: str | None) -> RefreshableTokenDict | None:
    """What the package would find in the store; None: no token."""
    with suppress(TokenStoreError):
        return None if text is None else parse_token_text(text)
    return None


# ---- every schedule ------------------------------------------------------------------------------


class OfThread(threading.local):
    actor: Actor | None = None


class Stage:
    """Plays schedules: has the threads, and replaces the clocks and the lock of the package."""

    machine: Machine

    def __init__(self) -> None:
        self.own = OfThread()

    def time(self) -> float:
        return self.machine.clock.time()

    def monotonic(self) -> float:
        return self.machine.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self.machine.clock.sleep(seconds)

    @contextmanager
    def set(self, setup: Setup) -> Iterator[Callable[[Chooser], Machine]]:
        crew: Crew = SimpleQueue()  # starting a thread takes longer than a schedule
        actors = sum(process.count("|") + 1 for process in setup.processes)
        for _ in range(actors):
            threading.Thread(target=work, args=[crew], daemon=True).start()

        def play(chooser: Chooser) -> Machine:
            machine = Machine(self, setup, chooser)
            machine.play(crew)
            return machine

        with pytest.MonkeyPatch.context() as patch:
            for module in (token, _refresher, _store_access):
                patch.setattr(module, "time", self)
            simulated = SimpleNamespace(RLock=lambda: SimulatedLock(self.machine), get_ident=threading.get_ident)
            patch.setattr(_single_flight, "threading", simulated)
            patch.setattr(_single_flight.CHANGES, "_locks", {_single_flight._process[0]: MomentaryLock(self)})
            try:
                yield play
            finally:
                for _ in range(actors):
                    crew.put(None)


def work(crew: Crew) -> None:
    while job := crew.get():
        job()


class Played(NamedTuple):
    """All schedules of a setup: how many there were, and before which steps the fault struck."""

    schedules: int
    struck: frozenset[str]


def explore(setup: Setup, check: Callable[[Machine], None]) -> Played:
    """Play every schedule, and check what came of each."""
    schedules = 0
    struck: set[str] = set()
    choices: list[int] | None = []
    with Stage().set(setup) as play:
        while choices is not None:
            chooser = Explored(choices)
            machine = play(chooser)
            examine(machine, check)
            schedules += 1
            if machine.struck is not None:
                struck.add(machine.struck.step)
            choices = chooser.next()
    return Played(schedules, frozenset(struck))


def replay(setup: Setup, schedule: str, check: Callable[[Machine], None]) -> Machine:
    """Play one schedule again, and check what comes of it."""
    with Stage().set(setup) as play:
        machine = play(Replayed(schedule.split()))
        examine(machine, check)
    assert machine.schedule == schedule.split(), f"the schedule is now {' '.join(machine.schedule)}"
    return machine


def examine(machine: Machine, check: Callable[[Machine], None]) -> None:
    try:
        assert all(actor.is_done for actor in machine.actors), "an actor waits forever"
        check(machine)
    except AssertionError as error:
        pytest.fail(f"{error}\n{machine.setup!r}\nschedule: {' '.join(machine.schedule)}")

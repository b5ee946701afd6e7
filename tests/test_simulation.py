# SPDX-License-Identifier: MIT
"""The refresh, model checked: what must hold after every schedule of threads, processes, other programs and faults.

`simulation` has the machine. A login may be lost only for a reason that `explanation` knows: those that no client can
prevent. SECURITY.md lists them, and `test_no_client_can_prevent` shows a schedule for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.simulation import DUE, EXPIRED, LEASE, SLOW, Fault, Locking, Machine, Reuse, Setup, explore, parse, replay
from ytmusic_oauth.exceptions import InvalidGrant, OAuthError, ServerError, TokenStoreError, TransportError

# A token that cannot be saved, or a store that cannot be read, is warned of.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

YEAR: Final = 365 * 24 * 3600

SECURITY: Final = Path(__file__).parents[1] / "SECURITY.md"
#: What no client can prevent, in the words of SECURITY.md.
KILLED: Final = "A process is killed between sending and saving"
OUTLIVED: Final = "A process outlives its lease, or loses its lock"
NO_RESPONSE: Final = "The response is lost"
NOT_SAVED: Final = "The store fails between the response and the save"
UNLOCKED: Final = "There is no lock"
NOT_COMPARED: Final = "A program without the lock writes the file between comparison and rename"

# ---- the faults ----------------------------------------------------------------------------------


def kill(machine: Machine) -> None:
    """SIGKILL: the kernel releases its lock; a lease stays until it ends."""
    machine.kill(machine.running.process)


def stop(machine: Machine) -> None:
    """SIGSTOP, a long garbage collection, a slow disk: past the end of a lease, or until others cannot go on."""
    if machine.setup.lock == "kernel lock":
        machine.running.process.is_stopped = True
    else:
        machine.is_outlived = machine.holder is not None and machine.holder.is_open and machine.holder.has_looked
        machine.clock.advance(LEASE + 1)
    machine.wait(machine.running, lambda: True, yields=True)


def lose_the_lock(machine: Machine) -> None:
    """The store forgets who has the lock: a failover, a lost connection."""
    if machine.holder is machine.running.process:
        machine.is_outlived = machine.holder.is_open
        machine.holder = None


def interrupt(machine: Machine) -> None:
    raise KeyboardInterrupt


def fail(machine: Machine) -> None:
    """The store fails."""
    machine.is_save_failed = machine.is_save_failed or machine.running.process.unsaved is not None
    raise OSError("a driver's message")


def fail_to_serve(machine: Machine) -> None:
    raise ServerError(status=503, retryable=True)


def fail_to_connect(machine: Machine) -> None:
    raise TransportError("connection refused", sent=False)


def answer_nothing(machine: Machine) -> None:
    machine.clock.advance(30)
    raise TransportError("timed out", sent=True)


def answer_slowly(machine: Machine) -> None:
    machine.clock.advance(SLOW)


def end_the_login(machine: Machine) -> None:
    """The user revokes it."""
    machine.server.revoked.add(0)


def set_clock(seconds: int, machine: Machine) -> None:
    machine.clock.wall += seconds


def suspend(machine: Machine) -> None:
    """The machine sleeps, and the monotonic clock with it."""
    machine.clock.wall += EXPIRED
    machine.clock.real += EXPIRED


INSIDE: Final = "turn lock read pause ask answer replace replaced unlock"
ANYWHERE: Final = f"begin {INSIDE}"
KILL: Final = Fault("a kill", kill, ANYWHERE)
STOP: Final = Fault("a stop", stop, ANYWHERE)
LOST_LOCK: Final = Fault("a lost lock", lose_the_lock, INSIDE)
INTERRUPT: Final = Fault("Ctrl-C", interrupt, INSIDE)
NO_STORE: Final = Fault("no store", fail, "lock read replace", "lock read replace")
NO_READ: Final = Fault("no read", fail, "read", "read")
ONE_READ_FAILS: Final = Fault("one read fails", fail, "read")
NO_SAVE: Final = Fault("no save", fail, "replace", "replace")
SAVED_AND_FAILED: Final = Fault("saved, but failed", fail, "replaced")
SAVED_AND_GONE: Final = Fault("saved, but failed, and no store", fail, "replaced", "lock read replace")
NO_LOCK: Final = Fault("no lock", fail, "lock", "lock")
NO_UNLOCK: Final = Fault("no unlock", fail, "unlock")
NO_SERVER: Final = Fault("no server", fail_to_serve, "ask", "ask")
NO_ROUTE: Final = Fault("no route", fail_to_connect, "ask")
NO_ANSWER: Final = Fault("no answer", answer_nothing, "ask answer")
SLOW_ANSWER: Final = Fault("a slow answer", answer_slowly, "ask answer")
SLEEP: Final = Fault("a suspended machine", suspend, ANYWHERE)
CLOCK_BACK: Final = Fault("a clock set back a year", partial(set_clock, -YEAR), ANYWHERE)
CLOCK_AHEAD: Final = Fault("a clock set ahead a year", partial(set_clock, YEAR), ANYWHERE)
LOGOUT: Final = Fault("a login that the user revokes", end_the_login, "ask")

STORE_FAULTS: Final = (
    NO_STORE, NO_READ, ONE_READ_FAILS, NO_SAVE, SAVED_AND_FAILED, SAVED_AND_GONE, NO_LOCK, NO_UNLOCK,
)  # fmt: skip
SERVER_FAULTS: Final = (NO_SERVER, NO_ROUTE, NO_ANSWER, SLOW_ANSWER)
CLOCK_FAULTS: Final = (SLEEP, CLOCK_BACK, CLOCK_AHEAD)

FAULTS: Final = (KILL, STOP, INTERRUPT, *STORE_FAULTS, *SERVER_FAULTS, *CLOCK_FAULTS)

# ---- what must hold ------------------------------------------------------------------------------


def explanation(machine: Machine) -> str:
    """Why no client could have kept a refresh token from being lost, or from being used twice; empty: no reason."""
    setup, struck, fault = machine.setup, machine.struck, machine.setup.fault
    if setup.swap == "compare, then swap" and machine.violations:
        return NOT_COMPARED
    if not setup.rotates:
        return ""
    if setup.lock == "no lock" and len(setup.processes) > 1:
        return UNLOCKED
    if machine.is_outlived:
        return OUTLIVED
    if machine.is_save_failed:
        return NOT_SAVED
    if struck is not None and fault is KILL and struck.is_unsaved:
        return KILLED
    if struck is not None and fault in {INTERRUPT, NO_ANSWER} and struck.step == "answer":
        return NO_RESPONSE
    if struck is not None and fault is LOGOUT:
        return "the user ended the login"
    return ""


def promises(machine: Machine) -> None:
    """What holds after every schedule, besides what `Server` and `Store` check at each step."""
    setup, server = machine.setup, machine.server
    assert not machine.violations, machine.violations
    for actor in machine.actors:
        acted = sum(outcome.actor == actor.name for outcome in machine.outcomes)
        assert acted == len(setup.rounds) or actor.process.is_killed, f"{actor.name} ended early"
    why = explanation(machine)
    check_outcomes(machine, why)
    assert why or not server.reuses, "a refresh token was used twice"
    token = parse(machine.texts[1] or machine.texts[0])
    if token is None:
        assert setup.begins == "nothing stored" or "remove" in str(setup.processes), "the token is gone"
        return
    if not server.accepts(token["refresh_token"]):
        assert why, "the login is lost"
        assert setup.reuse == "revokes" or setup.fault in {KILL, INTERRUPT, NO_ANSWER, LOGOUT}, "the login is lost"
    logins = [machine.newest_stored, *(login for login, owner in machine.logins.items() if not owner.is_killed)]
    assert server.grants[token["refresh_token"]].login == max(logins), "the new login is lost"


def check_outcomes(machine: Machine, why: str) -> None:
    setup, struck = machine.setup, machine.struck
    for outcome in machine.outcomes:
        error = outcome.result
        if error is None or isinstance(error, str):
            assert outcome.is_valid, f"an expired token: {outcome}"
            assert not outcome.rejected or error != outcome.rejected, f"the rejected token: {outcome}"
        elif isinstance(error, InvalidGrant):
            assert why, f"an InvalidGrant: {outcome}"
            assert setup.reuse in {"revokes", "refuses"} or setup.fault is LOGOUT
        elif isinstance(error, KeyboardInterrupt):
            assert struck is not None
            assert (struck.actor, struck.round) == (outcome.actor, outcome.round)
        else:
            assert isinstance(error, OAuthError)
            assert error.retryable, f"an error that cannot pass: {outcome}"
            is_removed = isinstance(error, TokenStoreError) and "remove" in str(setup.processes)
            assert is_removed or (struck is not None and outcome.round == struck.round), f"an error: {outcome}"
            if outcome.action in {"read", "ahead"}:
                assert not outcome.is_valid, f"an error, though the token is valid: {outcome}"


def economy(machine: Machine) -> None:
    """Where nothing fails: one request for each expiry, or rejection, and all end on the same token."""
    promises(machine)
    setup, server = machine.setup, machine.server
    is_due = [seconds >= DUE or "retry" in str(setup.processes) for seconds in setup.rounds]
    assert sorted(server.refreshes) == [at for at, due in enumerate(is_due) if due], f"requests: {server.refreshes}"
    for process in machine.processes:
        assert process.token.as_dict() == parse(machine.texts[0]), f"process {process.number} has another token"


# ---- where nothing fails -------------------------------------------------------------------------

LOCKS: Final[Sequence[Locking]] = ("kernel lock", "lease", "no lock")
REUSES: Final[Sequence[Reuse]] = ("revokes", "refuses", "tolerates", "never rotates")


def named(value: object) -> str:
    """The name of a parameter."""
    if isinstance(value, Setup):
        parts = [" / ".join(value.processes), value.lock, value.reuse, value.fault.name if value.fault else ""]
        return ", ".join(part for part in parts if part)
    return value.name if isinstance(value, Fault) else str(value)


each_lock = pytest.mark.parametrize("lock", LOCKS)
each_reuse = pytest.mark.parametrize("reuse", REUSES)


@pytest.mark.parametrize(
    "setup",
    [
        Setup(["read"] * 2, preemptions=3, rounds=[EXPIRED]),
        Setup(["read"] * 2, preemptions=2, rounds=[DUE, EXPIRED]),
        Setup(["read"] * 2, lock="lease", preemptions=2, rounds=[DUE, EXPIRED]),
        Setup(["read"] * 3, preemptions=2, rounds=[EXPIRED]),
        Setup(["read | read | read"], preemptions=2),
        Setup(["read | read"] * 2, preemptions=0),
        Setup(["read | read", "read"]),
        Setup(["ahead | read", "read"], rounds=[EXPIRED]),
        Setup(["read"] * 3, begins="constructed"),
        Setup(["read"] * 3, begins="nothing stored", reuse="never rotates"),
        Setup(["retry"] * 2, preemptions=2, rounds=[1, 1]),
        Setup(["retry | retry", "retry"], rounds=[1]),
        Setup(["retry, read | read", "read"], rounds=[1, EXPIRED]),
    ],
    ids=named,
)
def test_one_request_is_sent_for_each_expiry(setup: Setup) -> None:
    """Otherwise a server that rotates revokes the login, and one that counts requests limits them."""
    explore(setup, economy)


@each_reuse
def test_without_a_lock_only_a_server_that_revokes_ends_the_login(reuse: Reuse) -> None:
    """And the schedules find it: this is what the lock prevents."""
    lost: list[bool] = []

    def check(machine: Machine) -> None:
        promises(machine)
        lost.append(not machine.server.accepts(machine.stored()["refresh_token"]))

    explore(Setup(["read"] * 2, reuse, "no lock", preemptions=2), check)
    assert any(lost) == (reuse == "revokes")


# ---- where something fails ----------------------------------------------------------------------


def faulty(
    processes: Sequence[str], faults: Sequence[Fault], lock: Locking, *reuses: Reuse, preemptions: int = 1
) -> list[Setup]:
    return [
        Setup(processes, reuse, lock, preemptions=0 if fault in CLOCK_FAULTS else preemptions, fault=fault)
        for reuse in reuses
        for fault in faults
    ]


@pytest.mark.parametrize(
    "setup",
    [
        *faulty(["read"] * 2, FAULTS, "kernel lock", "revokes", "never rotates"),
        *faulty(["read"] * 2, [KILL, STOP, INTERRUPT, NO_SAVE, NO_ANSWER], "kernel lock", "refuses", "tolerates"),
        *faulty(["read"] * 2, [KILL, STOP, LOST_LOCK, INTERRUPT, NO_STORE, SLOW_ANSWER], "lease", "revokes"),
        *faulty(["read"] * 2, [STOP, LOST_LOCK], "lease", "refuses", "tolerates", "never rotates", preemptions=0),
        *faulty(["read"] * 2, [KILL, NO_SAVE], "no lock", *REUSES),
        *faulty(["read | read"], [KILL, INTERRUPT, NO_STORE, NO_SAVE, NO_LOCK, NO_SERVER], "kernel lock", "revokes"),
        *faulty(["read | read", "read"], [KILL, INTERRUPT, NO_SERVER], "kernel lock", "revokes", preemptions=0),
        *faulty(
            ["read", "log in, read"],
            [each for each in FAULTS if each is not SAVED_AND_GONE],
            "kernel lock",
            "revokes",
            preemptions=0,
        ),
        *faulty(["read", "log in, read"], [KILL, STOP, LOST_LOCK], "lease", "revokes", preemptions=0),
        *faulty(["read", "write, read"], FAULTS, "kernel lock", "revokes", preemptions=0),
    ],
    ids=named,
)
def test_no_login_is_lost_without_a_reason(setup: Setup) -> None:
    """Nor is an expired token handed out, nor does an error outlast what has caused it."""
    assert explore(setup, promises).struck


def test_a_token_that_is_saved_before_it_is_refreshed_is_refreshed_once() -> None:
    """A save of the file releases its lock: another process may refresh before this one sends its request."""
    explore(Setup(["set, read", "read"], preemptions=2), promises)


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_a_failure_goes_unnoticed_while_the_token_is_valid(fault: Fault) -> None:
    rounds = [DUE, EXPIRED]
    preemptions = 0 if fault in {*CLOCK_FAULTS, KILL, STOP} else 1
    assert explore(Setup(["read"] * 2, rounds=rounds, preemptions=preemptions, fault=fault), promises).struck
    explore(Setup(["read | read"], rounds=rounds, preemptions=0, fault=fault), promises)


# ---- a new login ---------------------------------------------------------------------------------


@pytest.mark.parametrize("arrives", ["log in", "write"])
@each_lock
@each_reuse
def test_a_new_login_is_never_overwritten(arrives: str, lock: Locking, reuse: Reuse) -> None:
    """Another program stores it at any moment of a refresh: as this package does, or in place and without a lock."""
    explore(Setup(["read", f"{arrives}, read"], reuse, lock), promises)
    explore(Setup(["read | read", f"{arrives}, read"], reuse, lock, preemptions=0), promises)


def test_a_file_that_is_compared_and_then_renamed_keeps_a_new_login_that_is_stored_under_the_lock() -> None:
    explore(Setup(["read", "log in, read"], swap="compare, then swap", preemptions=2), promises)


def test_a_store_that_does_not_compare_loses_a_new_login() -> None:
    """The schedules find what compare-and-swap prevents."""
    with pytest.raises(pytest.fail.Exception, match="refresh-1 replaces refresh-2"):
        explore(Setup(["read", "write, read"], swap="swap"), promises)


@each_lock
def test_a_new_login_is_taken_up_after_the_old_one_was_removed(lock: Locking) -> None:
    """Where tokens rotate, nothing is sent while there is no token; a token that was removed is not put back."""
    rounds = [EXPIRED] * 3
    explore(Setup(["read", "remove, log in, read"], "revokes", lock, rounds, preemptions=0), promises)
    explore(Setup(["read", "remove, write, read"], "never rotates", lock, rounds, preemptions=0), promises)


def test_a_token_that_is_moved_away_and_back_loses_no_rotation() -> None:
    """Between the response and the save, by a program that takes no lock."""
    explore(Setup(["read", "hide, read", "read"], preemptions=2), promises)


def test_a_login_that_the_user_ended_is_refused_once_and_a_new_one_taken_up() -> None:
    def check(machine: Machine) -> None:
        promises(machine)
        refused = [entry for entry in machine.schedule if entry.endswith("ask")]
        assert len(refused) <= 2 * len(machine.setup.processes), "a refused token is sent again"

    rounds = [EXPIRED, 60, EXPIRED]
    explore(Setup(["read", "read", "nothing, log in, read"], rounds=rounds, preemptions=0, fault=LOGOUT), check)
    explore(Setup(["read", "nothing, log in, read"], rounds=rounds, fault=LOGOUT), check)


# ---- by hand -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setup",
    [
        Setup(["read | store", "read"], rounds=[EXPIRED]),
        Setup(["read | set"], preemptions=2),
        Setup(["read | set", "read"], preemptions=0),
        Setup(["read | set login"], preemptions=2),
        Setup(["read | set login", "read"]),
        Setup(["read | set login, read", "read"], lock="no lock", reuse="tolerates", preemptions=0),
        Setup(["read | update, read"], rounds=[1, EXPIRED]),
        Setup(["read", "update, read"], rounds=[1, EXPIRED]),
        Setup(["read", "update, read"], rounds=[1, EXPIRED], reuse="never rotates"),
        Setup(["read | move"]),
        Setup(["set | move"]),
        Setup(["retry | move"], rounds=[1, EXPIRED]),
        Setup(["read | move in vain"]),
    ],
    ids=named,
)
def test_what_is_done_by_hand_loses_nothing(setup: Setup) -> None:
    """A field that is set, an update or a store does not bring back an older token, nor lose a newer one."""

    def check(machine: Machine) -> None:
        promises(machine)
        if len(machine.processes) == 1 and "set" in machine.processes[0].actions[-1]:
            assert machine.processes[0].token.scope == "set by hand", "the field is lost"

    explore(setup, check)


#: What is done to a token. (After an update without the lock, or two logins, it depends on the order what is left.)
DONE: Final = ("read", "retry", "ahead", "store", "set", "set and store", "move in vain")
LOGINS: Final = ("log in", "write", "set login")


@pytest.mark.parametrize("one", [*DONE, *LOGINS, "hide"])
@pytest.mark.parametrize("other", DONE)
def test_any_two_things_that_are_done_at_once_lose_nothing(one: str, other: str) -> None:
    """By two threads of a process, or by two processes; while the token is valid, due or expired."""
    for seconds in (1, DUE, EXPIRED):
        for processes in ([f"{one}, read", f"{other}, read"], [f"{one}, read | {other}, read"]):
            explore(Setup(processes, rounds=[seconds, EXPIRED], preemptions=0), promises)


# ---- what no client can prevent ------------------------------------------------------------------

ONCE: Final = [EXPIRED]
LOSSES: Final[Mapping[str, tuple[Setup, str]]] = {
    KILLED: (
        Setup(["read"] * 2, rounds=ONCE, fault=KILL),
        "0a.begin 0a.lock 0a.read 0a.ask 0a.answer! 1a.begin 1a.lock 1a.read 1a.ask 1a.read 1a.unlock",
    ),
    OUTLIVED: (
        Setup(["read"] * 2, lock="lease", rounds=ONCE, fault=STOP),
        """0a.begin 0a.lock 0a.read 0a.ask 0a.answer! 1a.begin 1a.lock 1a.read 1a.ask 1a.read 1a.unlock
        0a.replace 0a.replaced 0a.unlock""",
    ),
    NO_RESPONSE: (
        Setup(["read"] * 2, rounds=ONCE, fault=NO_ANSWER),
        "0a.begin 0a.lock 0a.read 0a.ask 0a.answer! 0a.unlock 1a.begin 1a.lock 1a.read 1a.ask 1a.read 1a.unlock",
    ),
    NOT_SAVED: (
        Setup(["read"] * 2, rounds=ONCE, fault=NO_SAVE),
        """0a.begin 0a.lock 0a.read 0a.ask 0a.answer 0a.replace! 0a.read 0a.unlock
        1a.begin 1a.lock 1a.read 1a.ask 1a.read 1a.unlock""",
    ),
    UNLOCKED: (
        Setup(["read"] * 2, lock="no lock", rounds=ONCE),
        "0a.begin 0a.lock 0a.read 0a.ask 0a.answer 1a.begin 1a.lock 1a.read 1a.ask 1a.read 0a.replace 0a.replaced",
    ),
    NOT_COMPARED: (
        Setup(["read", "write"], swap="compare, then swap", rounds=ONCE),
        """0a.begin 0a.lock 0a.read 0a.ask 0a.answer 0a.replace 1a.begin 1a.write 1a.write 1a.write
        0a.rename 0a.replaced 0a.unlock""",
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_no_client_can_prevent(loss: str) -> None:
    """SECURITY.md tells each of these schedules in words."""

    def is_lost(machine: Machine) -> None:
        stored = machine.stored()["refresh_token"]
        newest = max(machine.logins, default=0)
        assert not machine.server.accepts(stored) or machine.server.grants[stored].login < newest
        assert explanation(machine) == loss

    replay(*LOSSES[loss], is_lost)
    assert f"- **{loss}.**" in SECURITY.read_text("utf-8")


# ---- schedules to remember -----------------------------------------------------------------------

# By the mistake that each of them finds: it fails if the refresh cycle makes it.
FOUND: Final[Mapping[str, tuple[Setup, str]]] = {
    "a process that does not get the lock goes on without it": (
        Setup(["read"] * 2, rounds=ONCE, fault=STOP),
        "0a.begin 0a.lock 0a.read 0a.ask 0a.answer 0a.replace! 1a.begin 1a.lock 0a.replaced 0a.unlock",
    ),
    "the store is not read before the refresh token is sent": (
        Setup(["read"] * 2, rounds=ONCE),
        """0a.begin 0a.lock 0a.read 0a.ask 0a.answer 0a.replace 0a.replaced 0a.unlock 1a.begin 1a.lock 1a.read
        1a.unlock""",
    ),
    "a refresh token that rotates is sent although the store cannot be read": (
        Setup(["read"] * 2, rounds=ONCE, fault=NO_READ),
        """0a.begin 0a.lock 0a.read 0a.ask 0a.answer 0a.replace 0a.replaced 0a.unlock 1a.begin 1a.lock 1a.read!
        1a.pause 1a.read 1a.pause 1a.read 1a.pause 1a.read 1a.pause 1a.read 1a.pause 1a.read 1a.pause 1a.read
        1a.pause 1a.read 1a.pause 1a.read 1a.pause 1a.read 1a.pause 1a.read 1a.unlock""",
    ),
    "a token that is gone counts as one that was never there": (
        Setup(["read", "remove"], rounds=ONCE),
        """0a.begin 0a.lock 1a.begin 1a.write 0a.read 0a.pause 0a.read 0a.pause 0a.read 0a.pause 0a.read 0a.pause
        0a.read 0a.pause 0a.read 0a.pause 0a.read 0a.pause 0a.read 0a.pause 0a.read 0a.pause 0a.read 0a.pause
        0a.read 0a.unlock""",
    ),
    "a request is sent although the lease ends before it could": (
        Setup(["read"] * 2, lock="lease", rounds=ONCE, fault=STOP),
        """0a.begin 0a.lock 0a.read! 0a.unlock 1a.begin 1a.lock 1a.read 1a.ask 1a.answer 1a.replace 1a.replaced
        1a.unlock""",
    ),
    "a request is sent under a lock that the save before it has released": (
        Setup(["set, read", "read"]),
        """0a.begin 0a.clock 0a.lock 0a.read 0a.replace 0a.replaced 1a.begin 1a.lock 1a.read 1a.ask 1a.answer
        1a.replace 1a.replaced 1a.unlock 0a.unlock 0a.lock 0a.read 0a.unlock 0a.begin 0a.lock 0a.read 0a.ask
        0a.answer 0a.replace 0a.replaced 0a.unlock 1a.begin 1a.lock 1a.read 1a.unlock""",
    ),
    "Ctrl-C during the save takes the only copy of the new token with it": (
        Setup(["read"] * 2, rounds=ONCE, fault=INTERRUPT),
        """0a.begin 0a.lock 0a.read 0a.ask 0a.answer 0a.replace! 0a.read 0a.replace 0a.replaced 0a.unlock 1a.begin
        1a.lock 1a.read 1a.unlock""",
    ),
    "the store is not read again after a refusal": (
        Setup(["read"] * 2, "refuses", "no lock", rounds=ONCE),
        "0a.begin 0a.lock 0a.read 1a.begin 1a.lock 1a.read 1a.ask 1a.answer 1a.replace 1a.replaced 0a.ask 0a.read",
    ),
    "a machine that slept hands out what has expired meanwhile": (
        Setup(["read"], rounds=ONCE, fault=SLEEP),
        """0a.begin 0a.lock 0a.read 0a.ask 0a.answer 0a.replace 0a.replaced! 0a.unlock 0a.lock 0a.read 0a.ask
        0a.answer 0a.replace 0a.replaced 0a.unlock""",
    ),
    "a store that another program is writing is read only once": (
        Setup(["read", "write"], rounds=ONCE),
        "1a.begin 1a.write 1a.write 0a.begin 0a.lock 0a.read 1a.write 0a.pause 0a.read 0a.unlock",
    ),
    "a response replaces the login that was set during the request": (
        Setup(["read | set login, read"]),
        """0a.begin 0a.turn 0a.lock 0a.read 0a.ask 0b.begin 0b.clock 0b.clock 0b.clock 0b.turn 0a.answer 0a.replace
        0a.replaced 0a.unlock 0a.begin 0a.turn 0a.lock 0a.read 0a.ask 0a.answer 0a.replace 0a.replaced 0a.unlock
        0b.begin""",
    ),
    "a new login is not looked for during the backoff": (
        Setup(["read", "nothing, log in"], rounds=[EXPIRED, 0], fault=NO_SERVER),
        """0a.begin 0a.lock 0a.read 0a.ask! 0a.unlock 1a.begin 1a.begin 1a.lock 1a.read 1a.replace 1a.replaced
        1a.unlock 0a.begin 0a.read""",
    ),
    "a server that fails makes a valid token an error": (
        Setup(["read"], rounds=[DUE], fault=NO_SERVER),
        "0a.begin 0a.lock 0a.read 0a.ask! 0a.unlock",
    ),
    "a login that could not be saved yet gives way to the refresh of the old one": (
        Setup(["read", "log in, read"], fault=NO_SAVE),
        """0a.begin 0a.lock 0a.read 0a.ask 0a.answer 0a.replace! 0a.read 0a.unlock 1a.begin 1a.lock 1a.read
        1a.replace 1a.read 1a.unlock 0a.begin 0a.lock 0a.read 0a.replace 0a.replaced 0a.unlock 0a.lock 0a.read
        0a.ask 0a.answer 0a.replace 0a.replaced 0a.unlock 1a.begin 1a.lock 1a.read 1a.replace 1a.replaced
        1a.unlock 1a.lock 1a.read 1a.ask 1a.answer 1a.replace 1a.replaced 1a.unlock""",
    ),
    "a refresh token that ours replaced is adopted, because another process stored it again": (
        Setup(["read", "nothing, set and store, read"], rounds=[EXPIRED, 1, EXPIRED], fault=NO_SAVE),
        """0a.begin 0a.lock 0a.read 0a.ask 0a.answer 0a.replace! 0a.read 0a.unlock 1a.begin 0a.begin 1a.begin
        1a.lock 1a.read 1a.replace 1a.replaced 1a.unlock 0a.lock 0a.read 0a.replace 0a.replaced 0a.unlock
        0a.begin 0a.lock 0a.read 0a.ask 0a.answer 0a.replace 0a.replaced 0a.unlock 1a.begin 1a.lock 1a.read
        1a.unlock""",
    ),
    "a conflict with the rotation of another process is won": (
        Setup(["read"] * 2, "tolerates", "no lock", rounds=ONCE),
        """0a.begin 0a.lock 0a.read 0a.ask 0a.answer 1a.begin 1a.lock 1a.read 1a.ask 1a.answer 1a.replace
        1a.replaced 0a.replace 0a.read""",
    ),
    "an access token replaces one that was issued later": (
        Setup(["read"] * 2, "never rotates", "no lock", rounds=ONCE),
        "0a.begin 0a.lock 0a.read 0a.ask 0a.answer 0a.replace 0a.replaced 1a.begin 1a.lock 1a.read",
    ),
    "a login that was set by hand gives way to the refresh of the old one": (
        Setup(["read", "set login"]),
        """0a.begin 0a.lock 0a.read 0a.ask 0a.answer 1a.begin 1a.clock 1a.clock 1a.clock 1a.lock 0a.replace
        0a.replaced 0a.unlock 0a.begin 0a.lock 0a.read 0a.ask 0a.answer 0a.replace 0a.replaced 0a.unlock
        1a.begin 1a.clock 1a.clock 1a.clock 1a.lock 1a.read 1a.replace 1a.replaced 1a.unlock""",
    ),
    "a field that is set while a refresh ends brings back the old token": (
        Setup(["read | set"], rounds=ONCE),
        """0b.begin 0a.begin 0a.turn 0b.clock 0a.mutex 0a.lock 0a.read 0a.replace 0a.replaced 0a.unlock 0a.lock
        0a.read 0a.ask 0a.answer 0a.replace 0a.replaced 0a.unlock 0b.turn""",
    ),
}


@pytest.mark.parametrize("mistake", FOUND)
def test_a_schedule_that_finds_a_mistake(mistake: str) -> None:
    """Without the search, which finds it only in some of its setups."""

    def is_served(machine: Machine) -> None:
        promises(machine)
        errors = [each for each in machine.outcomes if isinstance(each.result, InvalidGrant)]
        assert not errors, f"a login is lost: {errors}"

    replay(*FOUND[mistake], is_served)

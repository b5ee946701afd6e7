# SPDX-License-Identifier: MIT
"""What happens to the processes of an account. Each scenario leaves the account as it ends, for `verdict`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from tests.porting.fake_google import FAULTS
from tests.tools.engines.account import Account, wait_for
from tests.tools.engines.worker import LEASE, STEPS

__all__ = ["OUTAGES", "SCENARIOS", "after_outage", "before_outage"]

#: Seconds from the answer of the server to its arrival, where a process is to be killed in between.
_SLOW: Final = 0.15
#: Seconds for which a child reads.
_CHILD: Final = 3


def ten_expiries(account: Account, short: bool) -> None:
    """Eight processes read: five times while the token is valid, five times when it has expired."""
    times = 3 if short else 5
    account.hire()
    account.switch_on()
    account.wait_for_refreshes(times)
    account.switch_off()
    account.server.token_lifetime = 3
    for _ in range(times):
        account.wait_until_expired()
        before = account.refreshes()
        # More than one, if reading takes longer than the new token is fresh: `verdict` looks at that.
        served = account.read_all()
        if account.refreshes() == before or not any(account.server.is_live(each) for each in served):
            account.problems.append(f"after the token had expired, the processes got {sorted(set(served))}")
    if any(each.step == "failed for good" for each in account.records()):
        account.problems.append("a process gave up")


def forks(account: Account, short: bool) -> None:
    """All processes fork in the middle of a refresh; then the one that refreshes is killed, and its child is not."""
    account.hire()
    for _ in range(1 if short else 3):
        account.wait_until_due()
        asked = len(account.requests())
        with account.server.hold("token"):
            account.switch_on()
            account.wait_for_request(asked)
            for worker in account.crew:
                worker.tell("fork", str(_CHILD))
            for worker in account.crew:
                worker.hear()
        time.sleep(_CHILD)
        account.switch_off()
    account.wait_until_expired()
    account.server.script("token", FAULTS["stall"])
    before, asked = account.refreshes(), len(account.requests())
    account.switch_on()
    holder = account.wait_for_request(asked)
    if holder is not None:
        seconds = LEASE + 4
        holder.tell("fork", str(seconds))
        end = time.monotonic() + seconds
        holder.hear()
        account.dismiss(holder)
        if not account.wait_for_refreshes(before + 1, seconds - 1):
            account.problems.append("after the holder was killed, its child kept the lock")
        time.sleep(max(0.0, end + 0.5 - time.monotonic()))
    account.switch_off()


def random_kills(account: Account, short: bool) -> None:
    """A process is killed every quarter of a second, and another one takes its place."""
    dice = random.Random(account.name)
    account.server.log = lambda _: time.sleep(_SLOW)
    account.hire()
    account.switch_on()
    deadline = time.monotonic() + (15 if short else 40)
    refused = 0
    while account.refreshes() < (5 if short else 20) and time.monotonic() < deadline:
        time.sleep(dice.uniform(0.05, 0.4))
        account.dismiss(dice.choice(account.crew))
        account.hire(1)
        account.switch_on()
        refusals = [each for each in account.requests() if each.status == 400]
        if len(refusals) > refused:
            account.log_in()
            refused = sum(each.status == 400 for each in account.requests())
    time.sleep(1)
    account.switch_off()


def holder_killed(account: Account, short: bool) -> None:
    """The process that refreshes is killed before the server has acted."""
    account.hire()
    for expired in (False, True) if short else (False, True, False, True):
        if expired:
            account.wait_until_expired()
        else:
            account.wait_until_due()
        account.server.script("token", FAULTS["stall"])
        before, asked = account.refreshes(), len(account.requests())
        account.switch_on()
        holder = account.wait_for_request(asked)
        if holder is not None:
            account.dismiss(holder)
        if not account.wait_for_refreshes(before + 1, 3 * LEASE):
            account.problems.append("no other process refreshed after the holder was killed")
        account.switch_off()
        account.hire(1)


def stopped(account: Account, short: bool, step: str) -> None:
    """The process that refreshes is stopped for longer than its lease, at one step of the cycle."""
    holder, *others = account.hire()
    account.wait_until_due()
    asked = len(account.requests())
    if step == "in flight":
        with account.server.hold("token"):
            holder.tell("read")
            account.wait_for_request(asked)
            holder.send_signal("SIGSTOP")
            account.note(holder, "stop")
    else:
        holder.tell("stop at", step)
        holder.tell("read")
        if not wait_for(lambda: any(each.step == "stop" for each in account.records()), 10):
            account.problems.append(f"no process came to the step: {step}")
    for other in others:
        other.tell("on")
    time.sleep(LEASE + 2.5)
    if step == "in flight":
        account.note(holder, "go on")
    holder.send_signal("SIGCONT")
    holder.hear()
    account.switch_on()
    time.sleep(2)
    account.switch_off()


#: Those that need a running engine, and can happen to different accounts at the same time.
SCENARIOS: Final[Mapping[str, Callable[[Account, bool], None]]] = {
    "10 expiries": ten_expiries,
    "forks": forks,
    "random kills": random_kills,
    "holder killed": holder_killed,
    **{f"stopped: {step}": partial(stopped, step=step) for step in (*STEPS, "in flight")},
}


#: The states of a token in which the engine is stopped, with its lifetime in seconds.
OUTAGES: Final[Mapping[str, int]] = {"fresh": 3600, "due": 4, "expired": 4, "unsaved": 4}


def before_outage(accounts: Mapping[str, Account]) -> Callable[[], None]:
    """Bring accounts into the state in which the engine stops; the rest is for when it has stopped."""
    for account in accounts.values():
        account.hire()
    accounts["expired"].wait_until_expired()
    for state in ("fresh", "due"):
        accounts[state].switch_on()
    unsaved = accounts["unsaved"]
    unsaved.wait_until_due()
    hold = unsaved.server.hold("token")
    asked = len(unsaved.requests())
    hold.__enter__()
    unsaved.crew[0].tell("read")
    unsaved.wait_for_request(asked)

    def respond() -> None:
        hold.__exit__(None, None, None)
        unsaved.crew[0].hear()
        unsaved.switch_on()
        accounts["expired"].switch_on()

    return respond


def after_outage(accounts: Mapping[str, Account]) -> None:
    """Let the processes go on, and check that they do."""
    time.sleep(5)
    for account in accounts.values():
        account.switch_off()
    fresh = accounts["fresh"]
    for record in fresh.records():
        if record.step in {"failed", "failed for good", "warned"}:
            fresh.problems.append(f"with a fresh token, a process saw: {record.value}")
    for account in accounts.values():
        served = account.read_all()
        if account.is_logged_in():  # else `verdict` looks for the event that explains it
            account.problems += [
                f"a process gave up: {each.value}" for each in account.records() if each.step == "failed for good"
            ]
            if any(each.endswith("?") for each in served):
                account.problems.append(f"after the engine has come back, the processes got {sorted(set(served))}")

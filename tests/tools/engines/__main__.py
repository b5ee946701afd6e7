# SPDX-License-Identifier: MIT
"""Run the scenarios on each engine, and print a table. Ends with 1 if something is lost that no event explains.

`python -m tests.tools.engines [--short] [NAME ...]`: only the engines whose name has one of the words.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeAlias

from tests.tools.engines.account import Account
from tests.tools.engines.contract import check_contract
from tests.tools.engines.others import OTHERS
from tests.tools.engines.scenarios import OUTAGES, SCENARIOS, after_outage, before_outage
from tests.tools.engines.servers import ENGINES, Engine
from tests.tools.engines.verdict import Verdict, judge

#: What came of an engine, by scenario.
Verdicts: TypeAlias = "Mapping[str, Verdict]"

#: Seconds for which an engine is down: longer than a token that is due has left.
_OUTAGE: Final = 3.5
#: The columns of the table, and what the names of their scenarios begin with.
_COLUMNS: Final[Mapping[str, str]] = {
    "10 expiries": "10 expiries",
    "forks": "forks",
    "killed at random": "random kills",
    "holder killed": "holder killed",
    "holder stopped": "stopped",
    "engine stopped": "outage",
}


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="make engines", description=__doc__)
    parser.add_argument("--short", action="store_true", help="less of each, for CI")
    parser.add_argument("words", nargs="*", metavar="NAME", help="only the engines whose name has one of the words")
    options = parser.parse_args(arguments)
    words: list[str] = options.words
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    began = time.monotonic()
    tried: dict[Engine, Verdicts] = {}
    bad: list[str] = []
    for kind in ENGINES:
        if words and not any(word.lower() in kind.name.lower() for word in words):
            continue
        folder = Path(tempfile.mkdtemp(prefix="engines-"))
        folder.chmod(0o711)  # PostgreSQL runs as another user
        engine = kind(folder)
        if engine.is_missing:
            bad.append(f"{engine.name} was not tried: it is not installed (apt-get install {engine.package})")
        else:
            verdicts = tried[engine] = try_engine(engine, short=options.short)
            for name, verdict in verdicts.items():
                faults = dict.fromkeys(verdict.faults)
                bad += [f"{engine.name}, {name}: {fault} (logs: {folder})" for fault in faults]
        if not any(str(folder) in each for each in bad):
            shutil.rmtree(folder)
    kept = [] if words else try_others()
    print(table(tried))
    for each in kept:
        print(f"{each}: keeps the contract of a store")
    print(f"\n{time.monotonic() - began:.0f} s. {'; '.join(bad) or 'Each loss is explained.'}")
    return 1 if bad else 0


def try_engine(engine: Engine, *, short: bool) -> Verdicts:
    """Run everything on one engine."""
    began = time.monotonic()
    print(f"{engine.name} ...", end=" ", flush=True)
    engine.start()
    try:
        check_contract(engine.store("contract"), is_atomic=engine.is_atomic)
        with ThreadPoolExecutor(len(SCENARIOS)) as threads:
            running = {name: threads.submit(run_scenario, engine, name, short) for name in SCENARIOS}
            verdicts = {name: each.result() for name, each in running.items()}
        for number in range((1 if short else 3) if engine.package else 0):
            verdicts |= run_outage(engine, number)
    finally:
        engine.stop()
    print(f"{time.monotonic() - began:.0f} s", flush=True)
    for verdict in verdicts.values():
        for line in verdict.explained:
            print(f"  {line}", flush=True)
    return verdicts


def try_others() -> list[str]:
    """Try the recipes that have no engine."""
    folder = Path(tempfile.mkdtemp(prefix="engines-"))
    for attempt in OTHERS.values():
        attempt(folder)
    shutil.rmtree(folder)
    return list(OTHERS)


def run_scenario(engine: Engine, name: str, short: bool) -> Verdict:
    """Run one scenario with an account of its own."""
    with account_on(engine, name) as account:
        SCENARIOS[name](account, short)
        return judge(account)


def run_outage(engine: Engine, number: int) -> Verdicts:
    """Stop the engine, and start it again, with an account in each state."""
    with ExitStack() as stack:
        accounts = {
            state: stack.enter_context(account_on(engine, f"outage {number}: {state}", lifetime))
            for state, lifetime in OUTAGES.items()
        }
        respond = before_outage(accounts)
        down = time.monotonic()
        engine.stop()
        respond()
        time.sleep(_OUTAGE)
        engine.start()
        for account in accounts.values():
            account.outages.append((down, time.monotonic()))
        after_outage(accounts)
        return {account.name: judge(account) for account in accounts.values()}


def account_on(engine: Engine, name: str, lifetime: int = 4) -> Account:
    """Return a new account on an engine."""
    plain = name.replace(": ", "-").replace(" ", "-")
    return Account(name, engine.store(plain), engine.folder / plain, lifetime=lifetime)


def table(tried: Mapping[Engine, Verdicts]) -> str:
    """Return the table, in Markdown."""
    rows = [["store", "its lock", *_COLUMNS]]
    for engine, verdicts in tried.items():
        lock = "ends with its holder" if engine.releases_lock else "a lease"
        rows.append([engine.name, lock, *(cell(verdicts, start) for start in _COLUMNS.values())])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    expired = sum(verdict.expired for verdicts in tried.values() for verdict in verdicts.values())
    legend = f"Logins lost, and of how many refreshes and kills. Expired tokens handed out: {expired}."
    return "\n".join(["", lines[0], rule, *lines[1:], "", legend])


def cell(verdicts: Verdicts, start: str) -> str:
    """Return what came of the scenarios of a column."""
    chosen = [verdict for name, verdict in verdicts.items() if name.startswith(start)]
    if not chosen:
        return "no server"
    lost, refreshes = sum(each.lost for each in chosen), sum(each.refreshes for each in chosen)
    kills = sum(each.kills for each in chosen)
    return f"{lost} of {refreshes}" + (f", {kills} kill{'s' * (kills > 1)}" if kills else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

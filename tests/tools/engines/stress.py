# SPDX-License-Identifier: MIT
"""Threads, processes and everything that can be done to a token file, at random, on a server that rotates.

The server revokes the login if a refresh token is used twice. `test_stress` says what must hold.
"""

from __future__ import annotations

import os
import random
import stat
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.tools.engines.account import Account, Worker
from tests.tools.engines.worker import TIMEOUT
from ytmusic_oauth import TokenStoreError
from ytmusic_oauth._token_text import parse_token_text

__all__ = ["Stress"]

_PROCESSES: Final = 6
_THREADS: Final = 3
#: Seconds: the most that the server takes to respond, and that a process is stopped for.
_SLOW: Final = 0.15
_STOP: Final = 2.5
#: What happens, and how often.
_EVENTS: Final = {
    "store": 6,
    "refresh": 4,
    "reject": 3,
    "ahead": 4,
    "set": 4,
    "update": 4,
    "move": 4,
    "kill": 4,
    "stop": 4,
    "remove": 1,
    "log in": 1,
    "move away": 3,
}


class Stress:
    """What happens to one file. `other_name` leads to the same file."""

    def __init__(self, account: Account, path: Path, other_name: Path, seed: int) -> None:
        self.account: Final = account
        self.path: Final = path
        self.happened: Final[Counter[str]] = Counter()
        self._names: Final = (str(path), str(other_name))
        self._dice: Final = random.Random(seed)
        self._busy: Final[set[Worker]] = set()
        self._stopped: Final[dict[Worker, float]] = {}
        # Odd while the file may be gone.
        self._absences = 0
        self._refused = 0

    def run(self, seconds: float) -> None:
        """Let it happen."""
        account = self.account
        account.is_paced = False
        account.server.log = lambda _: time.sleep(self._dice.uniform(0, _SLOW))
        is_over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(is_over,))
        watcher.start()
        deadline = time.monotonic() + seconds
        try:
            self._hire(_PROCESSES)
            while time.monotonic() < deadline:
                [event] = self._dice.choices([*_EVENTS], [*_EVENTS.values()])
                self._do(event)
                self.happened[event] += 1
                self._go_on()
                self._log_in_again()
                time.sleep(self._dice.uniform(0.02, 0.2))
            self._wait_for_all()
            account.switch_off()
            account.server.token_lifetime = 3600
            time.sleep(TIMEOUT)
            account.read_all()  # shows whether the last kill has cost the login
            self._log_in_again()
        finally:
            is_over.set()
            watcher.join()

    # ---- what happens ----

    def _do(self, event: str) -> None:
        if event == "kill":
            victim = self._dice.choice(self.account.crew)
            self._stopped.pop(victim, None)
            self._busy.discard(victim)
            self.account.dismiss(victim)
            self._hire(1)
        elif event == "stop":
            worker = self._dice.choice(self.account.crew)
            if worker not in self._stopped:
                self._stopped[worker] = time.monotonic() + self._dice.uniform(0.1, _STOP)
                self.account.note(worker, "stop")
                worker.send_signal("SIGSTOP")
        elif event == "remove":
            # What a process is told to store is stored, also where the file was removed.
            self._wait_for_all()
            self._absences += 1
            self.path.unlink()
            time.sleep(self._dice.uniform(0, 0.5))
            self.account.log_in()
            self._absences += 1
        elif event == "log in":
            self.account.log_in()
        elif event == "move away":
            self._wait_for_all()
            self._absences += 1
            moved = self.path.with_suffix(".moved")
            self.path.rename(moved)
            time.sleep(self._dice.uniform(0, 0.02))
            with suppress(FileExistsError):
                os.link(moved, self.path)
            moved.unlink()
            self._absences += 1
        else:
            idle = [each for each in self.account.crew if each not in self._busy and each not in self._stopped]
            if idle:
                worker = self._dice.choice(idle)
                worker.tell("use", self._dice.choice(self._names) if event == "move" else event)
                self._busy.add(worker)

    def _hire(self, count: int) -> None:
        for worker in self.account.hire(count, _THREADS):
            worker.tell("on")

    def _log_in_again(self) -> None:
        """As the user does who is told to."""
        refused = sum(each.status == 400 for each in self.account.requests())
        if refused > self._refused:
            if not self.account.is_logged_in():
                self.account.log_in()
            self._refused = sum(each.status == 400 for each in self.account.requests())

    def _go_on(self, *, at_once: bool = False) -> None:
        for worker, end in [*self._stopped.items()]:
            if at_once or time.monotonic() > end:
                self.account.note(worker, "go on")
                worker.send_signal("SIGCONT")
                del self._stopped[worker]
        for worker in [*self._busy]:
            if worker not in self._stopped and worker.has_responded():
                worker.hear()
                self._busy.remove(worker)

    def _wait_for_all(self) -> None:
        self._go_on(at_once=True)
        for worker in self._busy:
            worker.hear()
        self._busy.clear()

    # ---- what must hold at every moment ----

    def _watch(self, is_over: threading.Event) -> None:
        while not is_over.wait(0.003):
            before = self._absences
            try:
                with self.path.open(encoding="utf-8") as file:
                    mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                    text = file.read()
                if mode != 0o600:
                    self.account.problems.append(f"the file had mode {mode:o}")
                parse_token_text(text)
            except FileNotFoundError:
                if before % 2 == 0 and before == self._absences:
                    self.account.problems.append("the file was gone")
            except TokenStoreError as error:
                self.account.problems.append(f"the file was not a token: {error}")

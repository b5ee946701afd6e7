# SPDX-License-Identifier: MIT
"""Logs what happens in a refresh cycle, without secrets, if the program itself has imported `logging`."""

from __future__ import annotations

import sys
from contextlib import suppress

from ._state import State
from ._steps import Event, Lock, Read, Replace, Step, Steps
from ._token_text import READ_INTERVAL
from .exceptions import OAuthError


class Log:
    """Collects the events of one cycle. `emit` logs them after it: a handler may be slow, or use the token.

    The docstring of `RefreshingToken` lists the events and their parts.
    """

    __slots__ = ("_backoffs", "_events", "_now", "_state", "_store")

    def __init__(self, state: State, store: str) -> None:
        self._state, self._store, self._now = state, store, float("inf")
        self._backoffs = {"server": state.server_backoff, "store": state.store_backoff}
        self._events: list[dict[str, object]] = []

    def send(self, steps: Steps, step: Step, began: float, event: Event) -> Step:
        """Send the cycle the event of a step that began at `began` (monotonic), and note what came of it."""
        state, self._now, seconds = self._state, event.monotonic, event.monotonic - began
        snapshot, refreshes, error = state.snapshot, state.refreshes, state.error
        try:
            return steps.send(event)
        finally:
            failure = event.error or (None if state.error is error else state.error)
            if isinstance(step, Lock) and event.error is None and (event.taken or seconds >= READ_INTERVAL):
                self._note("waited_for_lock", seconds=round(seconds, 3), taken=event.taken)
            elif isinstance(step, Replace) and not event.swapped:
                self._note("save_failed" if event.error else "conflict", event.error)
            elif isinstance(step, (Lock, Read)) and event.error is not None:
                self._note("store_failed", event.error)
            elif failure is not None:
                self._note("failed" if failure.retryable else "refused", failure)
            if state.refreshes != refreshes:
                rotated = state.snapshot.refresh_token != snapshot.refresh_token
                self._note("refreshed", seconds=round(seconds, 3), rotated=rotated)
            elif isinstance(step, Read) and state.snapshot is not snapshot:
                self._note("adopted")

    def _note(self, event: str, error: OAuthError | None = None, **parts: object) -> None:
        details = {} if error is None else {"error": type(error).__name__, "reason": error.reason}
        entry = {"event": event, "store": self._store, **details, **parts}
        if entry not in self._events:  # a store that is down is read many times
            self._events.append(entry)

    def emit(self) -> None:
        """Log the events, if the program has loaded `logging` and set up a handler."""
        for what, backoff in {"server": self._state.server_backoff, "store": self._state.store_backoff}.items():
            if backoff != self._backoffs[what] and backoff.until > self._now:
                self._note("will_retry", what=what, seconds=round(backoff.until - self._now, 3))
        if self._events and sys.modules.get("logging"):
            with suppress(Exception):  # what a handler raises, or a stand-in for `logging`
                import logging

                logger = logging.getLogger(__package__)
                for event in self._events if logger.hasHandlers() else ():  # without one, warnings would be printed
                    level = logging.WARNING if "error" in event else logging.INFO
                    logger.log(level, ", ".join(f"{name}={part}" for name, part in event.items()), extra=event)

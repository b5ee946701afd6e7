# SPDX-License-Identifier: MIT
"""The results of our own library for the vectors of the refresh cycle: a transcript is played to the real `Cycle`."""

from __future__ import annotations

import math
from typing import Final

from ytmusic_oauth._cycle import Cycle, decide
from ytmusic_oauth._snapshot import Snapshot
from ytmusic_oauth._state import Backoff, State
from ytmusic_oauth._steps import Event, Goal, Replace, Step, Wait, Warn
from ytmusic_oauth._token_text import parse_token_text, token_text
from ytmusic_oauth._validation import token_dict
from ytmusic_oauth.exceptions import OAuthError, TokenStoreError
from ytmusic_oauth.models import RefreshableTokenDict

from .errors import Object, described, made_from
from .reading import NOW, TOKEN, as_list, as_object, as_seconds, text_at, whole_at

__all__ = ["cycle_result", "decide_result"]

# Both clocks at the beginning.
CLOCKS: Final = [NOW, 1000]


def _token_dict(given: Object) -> RefreshableTokenDict:
    return token_dict({**TOKEN, **given})


def _changes(token: RefreshableTokenDict) -> Object:
    return {key: value for key, value in token.items() if value != TOKEN[key]}


def _event(value: object) -> Event:
    wall, monotonic = map(as_seconds, as_list(value))
    return Event(wall, monotonic)


def _goal(given: Object) -> Goal:
    goal = as_object(given.get("goal", {}))
    return Goal(as_seconds(goal.get("ahead", 0)), text_at(goal, "rejected", "") if "rejected" in goal else None)


def _backoff(given: Object, key: str) -> Backoff:
    backoff = as_object(given.get(key, {}))
    return Backoff(whole_at(backoff, "failures", 0), as_seconds(backoff.get("until", -math.inf)))


def _state(given: Object, now: Event, *, has_store: bool) -> State:
    loaded = _event(given["loaded_at"]) if "loaded_at" in given else now
    snapshot = Snapshot(loaded.wall, loaded.monotonic, _token_dict(as_object(given.get("token", {}))))
    seen = snapshot.token if has_store else None
    if "seen" in given:
        seen = None if given["seen"] is None else _token_dict(as_object(given["seen"]))
    state = State(
        snapshot,
        seen,
        None if given.get("unsaved") else snapshot.token,
        bool(given.get("new_login")),
    )
    state.superseded = tuple(map(str, as_list(given.get("superseded", []))))
    if "other" in given:
        state.alternative = Snapshot(now.wall, now.monotonic, _token_dict(as_object(given["other"])))
    state.error = made_from(as_object(given["error"])) if "error" in given else None
    state.refused = text_at(given, "refused", "") if "refused" in given else None
    state.server_backoff = _backoff(given, "server_backoff")
    state.store_backoff = _backoff(given, "store_backoff")
    state.looked_at = as_seconds(given.get("looked_at", -math.inf))
    return state


def _remembered(state: State, *, has_store: bool) -> Object:
    """Return what is remembered, without what has its default."""
    token = state.snapshot.token
    remembered: dict[str, object] = {"token": _changes(token)}
    if has_store and state.last_read != token:
        remembered["seen"] = None if state.last_read is None else _changes(state.last_read)
    flags = {"unsaved": state.is_dirty, "new_login": state.is_new_login}
    remembered.update({name: True for name, value in flags.items() if value and has_store})
    if state.superseded and has_store:
        remembered["superseded"] = [*state.superseded]
    if state.alternative is not None:
        remembered["other"] = _changes(state.alternative.token)
    if state.error is not None:
        remembered["error"] = described(state.error)
    if state.refused is not None:
        remembered["refused"] = state.refused
    for name, backoff in (("server_backoff", state.server_backoff), ("store_backoff", state.store_backoff)):
        if backoff != Backoff():
            remembered[name] = {"failures": backoff.failures, "until": round(backoff.until, 3)}
    if state.looked_at > -math.inf:
        remembered["looked_at"] = round(state.looked_at, 3)
    return remembered


def _in_store(text: str | None) -> object:
    """Return the token that a text means, without its defaults; the text itself if it is not a token."""
    try:
        return None if text is None else _changes(parse_token_text(text))
    except TokenStoreError:
        return text


def _as_step(step: Step) -> list[object]:
    name = type(step).__name__.lower()
    if isinstance(step, Replace):
        return [name, _in_store(step.before), _in_store(step.after)]
    if isinstance(step, Warn):
        return [name, described(step.error)]
    return [name, *(round(part, 3) if isinstance(part, float) else part for part in step)]


def _after(step: Step, now: Event, given: Object, state: State) -> Event:
    """Return the event after a step, and do what the caller does meanwhile."""
    seconds = as_seconds(given.get("took", step.seconds if isinstance(step, Wait) else 0))
    wall, monotonic = now.wall + seconds + as_seconds(given.get("clock_change", 0)), now.monotonic + seconds
    for name, value in as_object(given.get("set_meanwhile", {})).items():
        state.set_by_hand(state.snapshot.changed(wall, monotonic, name, value))
    found = given.get("found")
    return Event(
        wall,
        monotonic,
        error=made_from(as_object(given["failed"])) if "failed" in given else None,
        taken=bool(given.get("taken")),
        until=as_seconds(given.get("locked_until", math.inf)),
        text=token_text(_token_dict(found)) if isinstance(found, dict) else None if found is None else str(found),
        swapped=bool(given.get("replaced")),
        response=as_object(given.get("response", {})),
    )


def cycle_result(given: Object) -> object:
    now, has_store = _event(given.get("now", CLOCKS)), bool(given.get("store", True))
    state = _state(as_object(given.get("remembered", {})), now, has_store=has_store)
    cycle = Cycle(state, now, rotates=bool(given.get("rotates", True)), has_store=has_store, goal=_goal(given))
    ways = {"refresh": cycle.refresh, "save": cycle.save, "store": cycle.store, "look": cycle.look}
    steps, events = ways[text_at(given, "call", "refresh")](), iter(as_list(given["events"]))
    taken: list[object] = []
    outcome: object = "unfinished"
    try:
        step = next(steps)
        taken.append(_as_step(step))
        for each in events:
            now = _after(step, now, as_object(each), state)
            step = steps.send(now)
            taken.append(_as_step(step))
        if isinstance(step, Warn):
            outcome = "success"
    except StopIteration:
        outcome = "success"
    except OAuthError as error:
        outcome = described(error)
    return {"steps": taken, "outcome": outcome, "remembered": _remembered(state, has_store=has_store)}


def decide_result(given: Object) -> object:
    now, has_store = _event(given.get("now", CLOCKS)), bool(given.get("store", True))
    state = _state(as_object(given.get("remembered", {})), now, has_store=has_store)
    return decide(state, _goal(given), now, has_store=has_store)

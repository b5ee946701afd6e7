# SPDX-License-Identifier: MIT
"""How cost grows with the amount of work: linearly at worst.

Each step to a larger size gives an exponent: 1 if ten times the work costs ten times as much, 2 if it costs a hundred
times as much. The sizes take turns, as in `measuring`. The worst step counts.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from tests.tools.bench.cases import values
from tests.tools.bench.measuring import ROOT
from ytmusic_oauth import YOUTUBE, OAuthCredentials, OAuthError, RefreshingToken
from ytmusic_oauth._messages import HttpResponse
from ytmusic_oauth._validation import json_object
from ytmusic_oauth.models import BaseTokenDict
from ytmusic_oauth.protocol import (
    parse_device_authorization,
    parse_refresh,
    parse_revocation,
    parse_token,
    refresh_request,
)

__all__ = ["EXPONENT", "GROWTHS", "Grown", "Growth", "grown"]

#: Linear growth, and what more memory costs Python itself: from 1,000 to 10,000 small dictionaries, 1.19 was measured.
EXPONENT: Final = 1.2


class Spent(NamedTuple):
    """The amount of work, and the CPU time that it took."""

    amount: int
    seconds: float


class Growth(NamedTuple):
    """`prepare` returns a function that does as much work as it is told."""

    name: str
    unit: str
    prepare: Callable[[], Callable[[int], Spent]]
    sizes: Sequence[int]
    rounds: int


class Grown(NamedTuple):
    """The least cost per unit at each size; and the worst step: its exponents, and that of the least costs, `best`."""

    costs: Sequence[float]
    median: float
    low: float
    high: float
    best: float


def grown(growth: Growth) -> Grown:
    """Let the sizes take turns."""
    do = growth.prepare()
    for size in growth.sizes:
        do(size)
    rounds = [[do(size) for size in growth.sizes] for _ in range(growth.rounds)]
    least = [min(measured, key=lambda each: each.seconds) for measured in zip(*rounds, strict=True)]
    steps = []
    for step in itertools.pairwise(range(len(growth.sizes))):
        exponents = [_exponent(*(measured[number] for number in step)) for measured in rounds]
        low, median, high = statistics.quantiles(exponents, n=4) if len(exponents) > 1 else exponents * 3
        steps.append(Grown([], median, low, high, _exponent(*(least[number] for number in step))))
    return max(steps, key=lambda step: step.median)._replace(costs=[spent.seconds / spent.amount for spent in least])


def _exponent(small: Spent, large: Spent) -> float:
    return math.log(large.seconds / small.seconds) / math.log(large.amount / small.amount)


# ---- longer responses ----------------------------------------------------------------------------

VECTORS: Final = ROOT / "tests" / "porting" / "vectors"


class Document(NamedTuple):
    """The body of a vector, and which parser it is for."""

    to: str
    status: int
    content: Mapping[str, object]


def documents() -> list[Document]:
    """The responses of the porting kit, valid and invalid."""
    given = [
        vector["given"]
        for name in ("responses", "invalid-fields", "error-responses")
        for vector in json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["vectors"]
    ]
    return [
        Document(each["call"], each.get("status", 200), each["json"])
        for each in given
        if isinstance(each.get("json"), dict)
    ]


def longer(value: object, times: int) -> object:
    """Make every text and list `times` as long, and give every object `times` as many keys, most of them unknown."""
    if isinstance(value, str):
        return value * times
    if isinstance(value, list):
        return value * times
    if isinstance(value, dict):
        unknown = {f"{key}-{number}": each for number in range(1, times) for key, each in value.items()}
        return {**unknown, **{key: longer(each, times) for key, each in value.items()}}
    return value


def parsing() -> Callable[[int], Spent]:
    request = refresh_request(YOUTUBE, "the-id", "the-secret", "1//fake")
    known = documents()
    grown_to: dict[int, list[tuple[Document, str]]] = {}

    def parse(document: Document, body: str) -> None:
        content = None
        with suppress(ValueError):
            content = json_object(body)
        response = HttpResponse(document.status, content, "application/json")
        with suppress(OAuthError):
            if document.to == "device_authorization":
                parse_device_authorization(request, response)
            elif document.to == "token":
                parse_token(request, response, sent=0, scope="")
            elif document.to == "refresh":
                parse_refresh(request, response, sent=0)
            else:
                parse_revocation(request, response)

    def do(times: int) -> Spent:
        if times not in grown_to:
            grown_to[times] = [(each, json.dumps(longer(each.content, times))) for each in known]
        start = time.process_time()
        for document, body in grown_to[times]:
            parse(document, body)
        return Spent(sum(len(body) for _, body in grown_to[times]), time.process_time() - start)

    return do


# ---- threads that wait for one refresh -----------------------------------------------------------


class Slow(OAuthCredentials):
    """The server responds when `may_respond` is set."""

    def __init__(self) -> None:
        super().__init__("the-id", "the-secret")
        self.requests = threading.Semaphore(0)
        self.may_respond = threading.Event()

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        self.requests.release()
        self.may_respond.wait()
        return {"access_token": "ya29.fake-new", "expires_in": 3599, "scope": "", "token_type": "Bearer"}


def waiting() -> Callable[[int], Spent]:
    def do(threads: int) -> Spent:
        credentials = Slow()
        expired = values()
        expired["expires_at"] = int(time.time()) - 1
        token = RefreshingToken(credentials, **expired)
        got: list[str] = []
        running = [threading.Thread(target=lambda: got.append(token.as_auth())) for _ in range(threads)]
        for thread in running:
            thread.start()
        credentials.requests.acquire()
        time.sleep(0.02)  # now the others wait; a late thread finds a fresh token, which costs less
        start = time.process_time()
        credentials.may_respond.set()
        for thread in running:
            thread.join()
        spent = time.process_time() - start
        if got != ["Bearer ya29.fake-new"] * threads or credentials.requests.acquire(blocking=False):
            raise AssertionError("not exactly one refresh")
        return Spent(threads, spent)

    return do


# ---- accounts of one program ---------------------------------------------------------------------


def accounts() -> Callable[[int], Spent]:
    credentials = OAuthCredentials("the-id", "the-secret")
    given = [values(account) for account in range(10_000)]

    def do(number: int) -> Spent:
        repeats = 1000 // number or 1
        start = time.process_time()
        for _ in range(repeats):
            for token in [RefreshingToken(credentials, **each) for each in given[:number]]:
                token.as_auth()
        return Spent(number, (time.process_time() - start) / repeats)

    return do


GROWTHS: Final = (
    Growth("parsing the kit's responses, by length", "byte", parsing, (1, 10, 100), 10),
    Growth("threads that wait for one refresh", "thread", waiting, (1, 8, 64, 512), 10),
    Growth("accounts: created and read once", "account", accounts, (1, 10, 100, 1000, 10_000), 5),
)

# SPDX-License-Identifier: MIT
"""How cost grows with what there is to do: as fast as that, or slower.

Each step to a larger size gives an exponent: 1 where ten times as much costs ten times as much, 2 where it costs a
hundred times. The sizes take turns, as in `measuring`, and the worst step is judged.
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

#: Linear, and what larger memory costs Python itself: ten thousand small dictionaries, after a thousand, make 1.19.
EXPONENT: Final = 1.2


class Spent(NamedTuple):
    """How much was done, and the CPU time that it took."""

    much: int
    seconds: float


class Growth(NamedTuple):
    """`prepared` answers what does as much as it is told."""

    what: str
    one: str
    prepared: Callable[[], Callable[[int], Spent]]
    sizes: Sequence[int]
    rounds: int


class Grown(NamedTuple):
    """The least cost of one at each size, and the exponent of the worst step: median, quartiles, and of the least."""

    each: Sequence[float]
    median: float
    low: float
    high: float
    best: float


def grown(growth: Growth) -> Grown:
    """Let the sizes take turns."""
    do = growth.prepared()
    for size in growth.sizes:
        do(size)
    rounds = [[do(size) for size in growth.sizes] for _ in range(growth.rounds)]
    least = [min(measured, key=lambda each: each.seconds) for measured in zip(*rounds, strict=True)]
    steps = []
    for step in itertools.pairwise(range(len(growth.sizes))):
        exponents = [_exponent(*(measured[number] for number in step)) for measured in rounds]
        low, median, high = statistics.quantiles(exponents, n=4) if len(exponents) > 1 else exponents * 3
        steps.append(Grown([], median, low, high, _exponent(*(least[number] for number in step))))
    return max(steps, key=lambda step: step.median)._replace(each=[spent.seconds / spent.much for spent in least])


def _exponent(small: Spent, large: Spent) -> float:
    return math.log(large.seconds / small.seconds) / math.log(large.much / small.much)


# ---- answers that get longer ---------------------------------------------------------------------

VECTORS: Final = ROOT / "tests" / "porting" / "vectors"


class Document(NamedTuple):
    """A vector's body, and to whom it goes."""

    to: str
    status: int
    content: Mapping[str, object]


def documents() -> list[Document]:
    """The answers of the porting kit, right and wrong ones."""
    given = [
        vector["given"]
        for name in ("answers", "entries", "refusals")
        for vector in json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["vectors"]
    ]
    return [
        Document(each["to"], each.get("status", 200), each["json"])
        for each in given
        if isinstance(each.get("json"), dict)
    ]


def longer(value: object, times: int) -> object:
    """Every text and list so many times as long, and so many times as many keys, of which nobody knows most."""
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
        answer = HttpResponse(document.status, content, "application/json")
        with suppress(OAuthError):
            if document.to == "code":
                parse_device_authorization(request, answer)
            elif document.to == "token":
                parse_token(request, answer, sent=0, scope="")
            elif document.to == "refresh":
                parse_refresh(request, answer, sent=0)
            else:
                parse_revocation(request, answer)

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
    """Whose server answers when it is told to."""

    def __init__(self) -> None:
        super().__init__("the-id", "the-secret")
        self.asked = threading.Semaphore(0)
        self.may_answer = threading.Event()

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        self.asked.release()
        self.may_answer.wait()
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
        credentials.asked.acquire()
        time.sleep(0.02)  # by then they wait; one that does not yet will find a fresh token, and is no dearer
        start = time.process_time()
        credentials.may_answer.set()
        for thread in running:
            thread.join()
        spent = time.process_time() - start
        if got != ["Bearer ya29.fake-new"] * threads or credentials.asked.acquire(blocking=False):
            raise AssertionError("more than one refresh, or none")
        return Spent(threads, spent)

    return do


# ---- accounts of one program ---------------------------------------------------------------------


def accounts() -> Callable[[int], Spent]:
    credentials = OAuthCredentials("the-id", "the-secret")
    given = [values(account) for account in range(10_000)]

    def do(number: int) -> Spent:
        again = 1000 // number or 1
        start = time.process_time()
        for _ in range(again):
            for token in [RefreshingToken(credentials, **each) for each in given[:number]]:
                token.as_auth()
        return Spent(number, (time.process_time() - start) / again)

    return do


GROWTHS: Final = (
    Growth("the kit's answers, parsed: by their length", "byte", parsing, (1, 10, 100), 10),
    Growth("threads that wait for one refresh", "thread", waiting, (1, 8, 64, 512), 10),
    Growth("accounts: made, and read once", "account", accounts, (1, 10, 100, 1000, 10_000), 5),
)

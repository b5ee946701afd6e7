# SPDX-License-Identifier: MIT
"""Amazon S3 and what speaks its API, with boto3 and conditional writes.

Pitfalls:

- The lock is a lease. A process that is stopped for longer than its lease, between the request and the save, loses the
  login where refresh tokens rotate: use a store whose lock is released when its holder dies.
- S3 has no leases: this one is an object. Its age is the difference of two times of the server, to the second; the
  clocks of clients play no part.
- Not all that speak the API know `IfMatch` and `IfNoneMatch`, and some ignore them. Try it before you rely on it.
- boto3 repeats a request whose response was lost. A repeated save returns False, and the next read finds what we saved;
  a repeated lock is compared with what we wrote.
- Two conditional writes at once may both be refused (409).
- Switch off versioning, or old tokens stay readable.

boto3's clients are not for use after a fork: a child makes its own. Pickles: the credentials come from the environment.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache

import boto3
from botocore.exceptions import ClientError

__all__ = ["S3Store"]


@cache
def _client(process: int) -> boto3.S3Client:
    return boto3.client("s3")


@dataclass(frozen=True)
class S3Store:
    """The token in the object `key`; the lock is the object `key`.lock. `lease` is in seconds."""

    bucket: str
    key: str
    lease: float = 60

    def read(self) -> str | None:
        return self._get(self.key)[0]

    def replace(self, before: str | None, after: str) -> bool:
        text, etag, _ = self._get(self.key)
        return text == before and self._put(self.key, after, etag)

    @contextmanager
    def lock(self, timeout: float) -> Generator[float, None, None]:
        key, owner, deadline = f"{self.key}.lock", uuid.uuid4().hex, time.monotonic() + timeout
        while True:
            until = time.monotonic() + self.lease
            holder, etag, age = self._get(key)
            # 2: the server counts in whole seconds, twice.
            if (holder in {None, owner} or age > self.lease + 2) and self._put(key, owner, etag):
                break
            if time.monotonic() >= deadline:
                raise TimeoutError
            time.sleep(0.2)
        try:
            yield until
        finally:
            if time.monotonic() < until:
                _client(os.getpid()).delete_object(Bucket=self.bucket, Key=key)

    def _get(self, key: str) -> tuple[str | None, str, float]:
        try:
            found = _client(os.getpid()).get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None, "", 0.0
            raise
        now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
        return found["Body"].read().decode(), found["ETag"], (now - found["LastModified"]).total_seconds()

    def _put(self, key: str, text: str, etag: str) -> bool:
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        try:
            _client(os.getpid()).put_object(Bucket=self.bucket, Key=key, Body=text.encode(), **condition)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}:
                return False
            raise
        return True

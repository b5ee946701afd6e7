# SPDX-License-Identifier: MIT
"""Which tests are run for a mutant: `TESTS` is the one place that says so.

All tests that come through the changed function would be too many, and most of them by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["TESTS"]

# For each module of the package, its tests.
TESTS: Final[Mapping[str, str]] = {
    "__init__": "transport",
    "__main__": "command_line",
    "_client_file": "remembered command_line",
    "_command_line": "command_line login",
    "_commands": "command_line",
    "_login": "login command_line remembered",
    "_client_choice": "command_line remembered",
    "_options": "command_line",
    "_output": "command_line terminal prompt",
    "_cycle": "cycle vectors simulation",
    "_expiry": "expiry vectors cycle",
    "_file_kinds": "file_login",
    "_file_lock": "file_lock windows file_store sharing",
    "_file_owner": "windows file_store file_login login",
    "_file_store": "file_store file_lock file_login windows command_line prompt remembered",
    "_file_write": "file_store windows",
    "_http": "transport",
    "_log": "log",
    "_messages": "wire errors vectors credentials",
    "_redaction": "wire errors vectors credentials prompt",
    "_refresher": "stores sharing log store_locks interrupts token prompt file_store clocks simulation",
    "_retries": "retries wire vectors",
    "_single_flight": "sharing simulation stores",
    "_snapshot": "expiry vectors token refresh_tokens",
    "_state": "cycle vectors simulation file_store",
    "_steps": "cycle vectors",
    "_store_access": "stores file_store file_login remembered command_line clocks",
    "_keyboard": "terminal",
    "_terminal": "prompt command_line terminal",
    "_token_text": "cycle vectors file_login file_store",
    "_validation": "validation wire vectors",
    "credentials": "credentials retries wire",
    "device": "device vectors",
    "exceptions": "errors wire stores file_login cycle",
    "protocol": "wire vectors credentials errors",
    "session": "retries credentials wire transport",
    "store": "stores",
    "token": "token stores prompt api file_login sharing",
    "transport": "transport",
}

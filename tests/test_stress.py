# SPDX-License-Identifier: MIT
"""One token file, used by threads and processes that are killed and stopped, and changed by others at the same time.

YTMUSIC_OAUTH_STRESS is the number of seconds; `make torture` takes 600. YTMUSIC_OAUTH_SEED repeats what was done, but
not how the processes took turns.
"""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Final

import pytest

from ytmusic_oauth import FileStore, TokenStore

if os.name == "nt":
    pytest.skip("needs the signals of POSIX", allow_module_level=True)

SECONDS: Final = float(os.environ.get("YTMUSIC_OAUTH_STRESS", "4"))
SEED: Final = int(os.environ.get("YTMUSIC_OAUTH_SEED") or time.time_ns() % 10**6)


@pytest.mark.one_clock
def test_no_login_is_lost_but_by_a_process_that_was_killed_between_sending_and_saving(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No refresh token is used twice, no expired token handed out, and the file is always a token and private."""
    from tests.tools.engines.account import Account
    from tests.tools.engines.stress import Stress
    from tests.tools.engines.verdict import judge

    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    path = tmp_path / "folder" / "oauth.json"
    store: TokenStore = FileStore(path)
    with Account("stress", store, tmp_path / "log", lifetime=3) as account:
        stress = Stress(account, path, tmp_path / "link" / path.name, SEED)
        stress.run(SECONDS)
        served = account.read_all()
        is_live = account.server.is_live(served[0])
        verdict = judge(account)
    with capsys.disabled():
        print(
            f"\nseed {SEED}: {verdict.refreshes} refreshes, {len(account.logins)} logins, {verdict.lost} lost;",
            ", ".join(f"{name}: {times}" for name, times in stress.happened.items()),
            *verdict.explained,
            sep="\n  ",
        )
    gave_up = [each.value for each in account.records() if each.step == "failed for good"]
    assert not [*dict.fromkeys(verdict.faults)]
    assert verdict.expired == 0
    assert verdict.lost or not gave_up
    assert all("InvalidGrant" in each for each in gave_up)
    assert len(set(served)) == 1
    assert is_live
    check_room(path, store, verdict.kills)


def check_room(path: Path, store: TokenStore, kills: int) -> None:
    """What killed processes have left is private, and is removed by a later save."""
    left = [each for each in path.parent.iterdir() if each != path]
    assert len(left) <= kills
    for each in left:
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
        os.utime(each, (time.time() - 3600,) * 2)
    with store.lock(1):
        pass
    assert [*path.parent.iterdir()] == [path]

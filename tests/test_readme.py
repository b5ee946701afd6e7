# SPDX-License-Identifier: MIT
"""What the README says is true today: its code runs, and its map shows the whole house."""

from __future__ import annotations

import io
import re
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path

import pytest

import ytmusic_oauth
from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle
from tests.support import Clock
from tests.tools.release.single_file import single_file
from ytmusic_oauth import YOUTUBE
from ytmusic_oauth.__main__ import DONE, FIX_FIRST, INTERRUPTED, LOG_IN_AGAIN, TRY_LATER, main
from ytmusic_oauth.transport import UrllibResponse, UrllibSession

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGE = Path(ytmusic_oauth.__file__).parent


def test_its_code_runs_from_top_to_bottom(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) > 5
    with FakeGoogle(clock=clock.monotonic, approve_after=8) as server:
        lead_to(server, monkeypatch)
        opened: list[str] = []
        monkeypatch.setattr(webbrowser, "open", opened.append)
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
        monkeypatch.chdir(tmp_path)
        names: dict[str, object] = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        for block in blocks:
            exec(compile(block, "README.md", "exec"), names)
        assert server.is_live(str(names["header"]).removeprefix("Bearer "))
    assert len(opened) == 1
    assert opened[0] in capsys.readouterr().out


def lead_to(server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send to the fake what would go to YouTube."""
    post = UrllibSession.post
    places = {YOUTUBE.device_code_url: server.device_code_url, YOUTUBE.token_url: server.token_url}

    def redirected(
        self: UrllibSession, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float
    ) -> UrllibResponse:
        return post(self, places[url], data=data, headers=headers, timeout=timeout)

    monkeypatch.setattr(UrllibSession, "post", redirected)


def test_its_map_shows_every_module() -> None:
    the_map = README[README.index("## The map") :]
    assert {module.name for module in PACKAGE.glob("*.py")} == set(re.findall(r"`(\w+\.py)`", the_map))


def test_the_files_that_it_names_exist() -> None:
    for name in re.findall(r"`((?:tests|typings)/[\w/.]*)`", README):
        assert (ROOT / name).exists(), name
    section = README[README.index("**…run it in an event loop") : README.index("**…port it**")]
    recipes = {path.name for path in (ROOT / "tests" / "recipes").glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"`(\w+\.py)`", section)) == recipes


def test_its_single_file_is_as_small_as_it_says() -> None:
    told = re.search(r"the command line in less than (\d+) KB", README)
    assert told
    assert len(single_file()) / 1000 <= int(told[1])


def test_its_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"demo", "test"} <= named <= targets


def test_its_command_line_is_the_one_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    section = README[README.index("### From the command line") : README.index("### Without a terminal")]
    commands: set[str] = set(re.findall(r"`([a-z]+)`", "".join(re.findall(r"^\| (`[^|]*)\|", section, re.MULTILINE))))
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert commands == set(re.findall(r"^    ([a-z]+) ", told, re.MULTILINE))
    assert set(re.findall(r"\| (\d+) \|", section)) == {
        str(status) for status in (DONE, LOG_IN_AGAIN, FIX_FIRST, TRY_LATER, INTERRUPTED)
    }
    for command in commands:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        told += capsys.readouterr().out
    assert set(re.findall(r"--[a-z][a-z-]+", section)) <= set(re.findall(r"--[a-z-]+", told))

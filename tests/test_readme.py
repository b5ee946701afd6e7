# SPDX-License-Identifier: MIT
"""The documents are true: their code and their commands run, and their lists, counts and paths match the project."""

from __future__ import annotations

import ast
import io
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

import ytmusic_oauth
from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle
from tests.support import Clock
from ytmusic_oauth import YOUTUBE, OAuthCredentials, OAuthError
from ytmusic_oauth._command_line import DONE, FIX_FIRST, INTERRUPTED, LOG_IN_AGAIN, TRY_LATER, main
from ytmusic_oauth.transport import UrllibResponse, UrllibSession

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = Path(ytmusic_oauth.__file__).parent
DOCUMENTS: Final[Mapping[str, str]] = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "SECURITY.md", "CHANGELOG.md", "tests/README.md")
}
README: Final = DOCUMENTS["README.md"]
FOR_CONTRIBUTORS: Final = DOCUMENTS["tests/README.md"]


def section(title: str, *, of: str = README) -> str:
    """The text below a heading, up to the next one."""
    _, heading, rest = of.partition(f"\n## {title}\n")
    assert heading, title
    return rest.partition("\n## ")[0]


@pytest.fixture
def server(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGoogle]:
    """A fake server whose users confirm after 8 seconds. It receives what is sent to YouTube."""
    with FakeGoogle(clock=clock.monotonic, approve_after=8) as server:
        post = UrllibSession.post
        urls = {YOUTUBE.device_code_url: server.device_code_url, YOUTUBE.token_url: server.token_url}

        def redirected(
            self: UrllibSession, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float
        ) -> UrllibResponse:
            return post(self, urls[url], data=data, headers=headers, timeout=timeout)

        monkeypatch.setattr(UrllibSession, "post", redirected)
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the `client.json` that the Google console downloads, and a user who presses Enter."""
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    (tmp_path / "client.json").write_text(json.dumps({"installed": client}), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    return tmp_path


# ---- code ----------------------------------------------------------------------------------------


def ytmusicapi() -> ModuleType:
    """Stands in for ytmusicapi, which is not installed here: `make interop` runs the same code with the real one."""

    class YTMusic:
        def __init__(self, auth: str, *, oauth_credentials: OAuthCredentials) -> None:
            self._token = ytmusic_oauth.OAuthToken.from_json(Path(auth))

    module = ModuleType("ytmusicapi")
    vars(module)["YTMusic"] = YTMusic
    return module


def test_its_python_code_runs_from_top_to_bottom(
    server: FakeGoogle, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```py(?:thon)?\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 4
    assert README.count("```") == 2 * len(blocks), "a block in another language is not run"
    opened: list[str] = []
    monkeypatch.setattr("ytmusic_oauth._terminal.open_browser", lambda link, *_: opened.append(link))
    monkeypatch.setitem(sys.modules, "ytmusicapi", ytmusicapi())
    names: dict[str, object] = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    headers = names["headers"]
    assert isinstance(headers, dict)
    assert server.is_live(str(headers["Authorization"]).replace("Bearer ", "", 1))
    assert isinstance(vars(names["music"])["_token"], ytmusic_oauth.RefreshingToken)
    assert len(opened) == 1
    assert opened[0] in capsys.readouterr().out


def shell_commands() -> Iterator[list[str]]:
    """The words of each command in an indented block, without what comes after a pipe."""
    for block in re.findall(r"(?:^ {4}.*\n)+", re.sub(r"```.*?```", "", README, flags=re.DOTALL), re.MULTILINE):
        for line in re.sub(r"\|\n *", "| ", block).splitlines():
            yield shlex.split(line.partition("|")[0])


def test_its_shell_commands_run(server: FakeGoogle, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    headers = 0
    for program, *arguments in shell_commands():
        if program == "python":
            assert arguments[:2] == ["-m", "ytmusic_oauth"]
            assert main(arguments[2:]) == DONE
            if arguments[2] == "header":
                headers += 1
                assert server.is_live(capsys.readouterr().out.strip().replace("Authorization: Bearer ", "", 1))
        elif program == "make":
            assert arguments[0] in makefile()
            assert all(variable.partition("=")[0] in {"DEST", "CLIENT"} for variable in arguments[1:])
        else:
            assert [program, *arguments] in (["pip", "install", "."], ["apt", "install", "make", "python3-venv"])
    assert headers == 1


# ---- the command line ----------------------------------------------------------------------------


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit):
        main([*arguments, "--help"])
    return capsys.readouterr().out


def test_it_lists_the_commands_and_only_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    text = section("On the command line")
    commands: set[str] = set(re.findall(r"`([a-z]+)`", "".join(re.findall(r"^\| (`[^|]*)\|", text, re.MULTILINE))))
    help_text = told(capsys)
    assert commands == set(re.findall(r"^    ([a-z]+) ", help_text, re.MULTILINE))
    help_text += "".join(told(capsys, command) for command in sorted(commands))
    assert set(re.findall(r"--[a-z][a-z-]+", text)) <= set(re.findall(r"--[a-z-]+", help_text))
    assert set(re.findall(r"YTMUSIC_\w+", text)) == set(re.findall(r"YTMUSIC_\w+", help_text))


def test_it_lists_the_exit_statuses() -> None:
    [sentence] = re.findall(r"The exit status is ([^.]*)\.", section("On the command line"))
    assert {int(status) for status in re.findall(r"\b\d+\b", sentence)} == {
        DONE,
        LOG_IN_AGAIN,
        FIX_FIRST,
        TRY_LATER,
        INTERRUPTED,
    }


def test_it_lists_the_events_of_a_login_and_their_keys(
    server: FakeGoogle, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [sentence] = re.findall(r"prints one JSON event per line: (.*?)\.\n", section("On the command line"), re.DOTALL)
    listed = {
        event: set(re.findall(r"\w+", keys)) for event, keys in re.findall(r"`(\w+)`\s\(((?:`\w+`[,\s]*)+)\)", sentence)
    }
    login = ["login", "--json", "--client-secrets", "client.json"]
    assert main(login) == DONE
    (folder / "client.json").write_text("{}", encoding="utf-8")
    assert main(login) == FIX_FIRST
    printed: dict[str, set[str]] = {}
    for line in capsys.readouterr().out.splitlines():
        event: dict[str, object] = json.loads(line)
        name = str(event.pop("event"))
        assert printed.setdefault(name, set(event)) == set(event)
    assert listed == printed


# ---- lists and numbers ---------------------------------------------------------------------------


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.split()) <= 1800


def test_it_names_every_error_once() -> None:
    exported = {name: getattr(ytmusic_oauth, name) for name in ytmusic_oauth.__all__}
    errors = {name for name, value in exported.items() if isinstance(value, type) and issubclass(value, OAuthError)}
    table: list[str] = re.findall(r"^\| .* \|$", section("Errors"), re.MULTILINE)
    named: list[str] = re.findall(r"`([A-Z]\w+)`", "\n".join(table))
    assert sorted([*named, "OAuthError"]) == sorted([*errors, "FileNotFoundError"])


def test_it_names_every_public_module() -> None:
    [sentence] = re.findall(r"its modules (.*?)\.", README, re.DOTALL)
    public = {path.stem for path in PACKAGE.glob("[a-z]*.py")}
    assert set(re.findall(r"`(\w+)`", sentence)) == public


def test_it_names_every_recipe() -> None:
    recipes = {path.name for path in (ROOT / "tests" / "recipes").glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"^- `(\w+\.py)`", section("Recipes"), re.MULTILINE)) == recipes


def test_the_single_file_is_as_small_as_it_says(pyz: bytes) -> None:
    limit = re.search(r"in less than (\d+) KB", README)
    assert limit
    assert len(pyz) / 1000 <= int(limit[1])


# ---- all documents -------------------------------------------------------------------------------


def makefile() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_targets_and_paths_that_a_document_names_exist(name: str) -> None:
    text = DOCUMENTS[name]
    assert set(re.findall(r"(?:`|^ {4})make ([a-z-]+)", text, re.MULTILINE)) <= makefile()
    for path in re.findall(r"`((?:tests|typings)/[\w/.-]*|[A-Z]+\.md)`", text):
        assert (ROOT / path).exists(), path


def test_the_readme_shows_how_to_try_it() -> None:
    assert "    make demo\n    make test\n" in section("Try it")


def rows(title: str) -> list[str]:
    """The first column of a table in the README for contributors."""
    return re.findall(r"^\| (`.*?) \|", section(title, of=FOR_CONTRIBUTORS), re.MULTILINE)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            names = [alias.name for alias in node.names] if node.module is None else [node.module]
            yield from (f"{name}.py" for name in names if name != "__version__")


def test_the_map_shows_every_module_and_imports_point_downward() -> None:
    order = [row.strip("`") for row in rows("The package")]
    assert sorted(order) == sorted(path.name for path in PACKAGE.glob("*.py"))
    inner = [name for name in order if name not in {"__init__.py", "__main__.py"}]
    for name in inner:
        for other in imported(PACKAGE / name):
            assert inner.index(name) < inner.index(other), (name, other)


def test_the_map_shows_everything_in_the_folder_of_tests() -> None:
    listed = {name.rstrip("/") for row in rows("This folder") for name in re.findall(r"`(.*?)`", row)}
    found = {path.name for path in (ROOT / "tests").iterdir() if not path.name.startswith("_")}
    assert listed == {name for name in found if not name.startswith("test_")} - {"README.md"} | {"test_*.py"}

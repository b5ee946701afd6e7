# SPDX-License-Identifier: MIT
"""The shape of the house: who may know whom, and what may be done where. Read from the source, not from a run."""

from __future__ import annotations

import ast
import importlib
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = ROOT / "ytmusic_oauth"
SOURCES: Final[Mapping[str, Path]] = {path.stem: path for path in sorted(PACKAGE.glob("*.py"))}
TREES: Final[Mapping[str, ast.Module]] = {name: ast.parse(path.read_text("utf-8")) for name, path in SOURCES.items()}


class Room(NamedTuple):
    """What a module may import from the package, and from the standard library at its top besides `ANYWHERE`."""

    package: str = ""
    standard: str = ""


# fmt: off
# No clock, no file, no socket, and loaded by every program anyway, or nearly free.
ANYWHERE: Final = frozenset({
    "__future__", "abc", "collections.abc", "contextlib", "copy", "dataclasses", "errno", "json", "math", "re", "types",
    "typing",
})
# fmt: on
# From the ground up: nobody knows who lives above.
PLAN: Final[Mapping[str, Room]] = {
    "exceptions": Room(),
    "models": Room(),
    "_expiry": Room(),
    "_validation": Room("models"),
    "_messages": Room("exceptions _validation"),
    "protocol": Room("_validation _messages models"),
    "device": Room("exceptions models"),
    "_snapshot": Room("_expiry _validation"),
    "session": Room("exceptions _messages", "time"),
    "transport": Room(
        "exceptions _validation _messages session",
        "functools http.client io socket time urllib.error urllib.parse urllib.request",
    ),
    "credentials": Room("device _validation _messages models protocol session transport", "time"),
    "_file_store": Room("exceptions _validation models", "os stat sys"),
    "_file_lock": Room("exceptions", "os sys time"),
    "_single_flight": Room("exceptions", "os threading"),
    "_refresher": Room(
        "credentials exceptions _snapshot _validation _file_lock models _file_store _single_flight", "os time warnings"
    ),
    "_terminal": Room("credentials models protocol", "sys"),
    "token": Room("credentials _snapshot models _terminal _file_store _refresher", "os pathlib time"),
    "_commands": Room(
        "credentials exceptions _snapshot _validation _file_lock _messages _terminal protocol _file_store token",
        "os sys time",
    ),
}
DOORS: Final = frozenset({"__init__", "__main__"})
PURE: Final = ("exceptions", "models", "_validation", "_expiry", "_messages", "protocol", "device", "_snapshot")
# What is no secret from the pure half, once it is needed.
PURE_LAZILY: Final = ANYWHERE | {"email.utils", "ipaddress", "urllib.parse"}

OWNERS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("socket", "ssl", "http", "urllib.request", "urllib.error"), frozenset({"transport"})),
    "threading": frozenset({"_single_flight"}),
    **dict.fromkeys(("fcntl", "msvcrt"), frozenset({"_file_lock"})),
    "webbrowser": frozenset({"_terminal"}),
    "random": frozenset({"credentials"}),
    "warnings": frozenset({"_refresher", "__main__"}),
    "argparse": frozenset({"__main__"}),
    "subprocess": frozenset({"_commands"}),
    **dict.fromkeys(("logging", "tempfile", "asyncio"), frozenset()),
}
OPENING: Final = frozenset({"open", "io.open", "os.open", "os.fdopen", "os.replace", "os.rename", "os.unlink"})
OPENING_METHODS: Final = frozenset({"read_text", "read_bytes", "write_text", "write_bytes", "touch", "unlink"})


def imports(name: str, *, top_level: bool = False) -> Iterator[str]:
    """The modules that one imports, those of the package with a dot in front; at the top level, at run time only."""
    for node in TREES[name].body if top_level else ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield "." * node.level + node.module
        elif isinstance(node, ast.ImportFrom):
            yield from ("." * node.level + alias.name for alias in node.names)


def calls(name: str) -> Iterator[str]:
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.fixture(params=SOURCES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_module_has_a_room() -> None:
    assert SOURCES.keys() - DOORS == PLAN.keys()


@pytest.mark.parametrize("name", PLAN)
def test_a_module_knows_only_whom_the_plan_says_and_nobody_above(name: str) -> None:
    known = {each[1:] for each in imports(name) if each.startswith(".")}
    assert known == set(PLAN[name].package.split())
    assert known <= set(list(PLAN)[: list(PLAN).index(name)])


def test_every_import_inside_the_package_is_relative(name: str) -> None:
    assert not [each for each in imports(name) if each.startswith(("ytmusic_oauth", ".."))]


@pytest.mark.parametrize("name", PLAN)
def test_the_top_of_a_module_loads_only_what_the_plan_says(name: str) -> None:
    standard = {each for each in imports(name, top_level=True) if not each.startswith(".")} - ANYWHERE
    assert standard == set(PLAN[name].standard.split())


@pytest.mark.parametrize("name", PURE)
def test_the_pure_half_has_no_clock_no_file_no_socket_and_no_dice(name: str) -> None:
    assert {each for each in imports(name) if not each.startswith(".")} <= PURE_LAZILY
    assert not set(calls(name)) & {"open", "print", "input", "eval", "exec", "__import__"}
    assert set(PLAN[name].package.split()) <= set(PURE)


def test_each_power_has_its_one_place(name: str) -> None:
    standard = {each for each in imports(name) if not each.startswith(".")}
    for module, owners in OWNERS.items():
        if any(each == module or each.startswith(f"{module}.") for each in standard):
            assert name in owners, module


def test_only_storage_and_lock_open_files(name: str) -> None:
    touching = {each for each in calls(name) if each in OPENING or each.rpartition(".")[2] in OPENING_METHODS}
    assert not touching or name in {"_file_store", "_file_lock", "__main__"}


def test_the_front_door_only_shows_what_is_inside() -> None:
    made = {node.name for node in TREES["__init__"].body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    assert made <= {"__getattr__", "__dir__"}


def test_nothing_hangs_on_the_name_of_the_package_or_on_where_it_lies(name: str) -> None:
    names = {node.id for node in ast.walk(TREES[name]) if isinstance(node, ast.Name)}
    assert "__file__" not in names
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(TREES[name])), "python -O takes them out"


# ---- what a reader finds -------------------------------------------------------------------------


def test_a_module_starts_with_its_licence_and_what_it_is_for(name: str) -> None:
    assert SOURCES[name].read_text("utf-8").startswith('# SPDX-License-Identifier: MIT\n"""')


def test_a_module_is_read_in_one_sitting(name: str) -> None:
    assert len(SOURCES[name].read_text("utf-8").splitlines()) <= 250


def test_a_module_lists_what_it_offers(name: str) -> None:
    module = importlib.import_module("ytmusic_oauth" if name == "__init__" else f"ytmusic_oauth.{name}")
    offered: object = vars(module)["__all__"]
    assert isinstance(offered, list)
    assert offered
    assert [each for each in offered if not hasattr(module, each)] == []
    assert len(set(offered)) == len(offered)


def undocumented(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or node.name.startswith("_"):
            continue
        repeats = any(ast.unparse(each).endswith((".setter", "overload")) for each in node.decorator_list)
        if ast.get_docstring(node) is None and not repeats:
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body, f"{prefix}{node.name}.")


def test_everything_public_is_explained(name: str) -> None:
    assert list(undocumented(TREES[name].body, "")) == []


# ---- no way around the type checker --------------------------------------------------------------

CHECKED: Final = [
    path
    for folder in ("ytmusic_oauth", "tests", "typings")
    for kind in ("*.py", "*.pyi")
    for path in sorted((ROOT / folder).rglob(kind))
]


# As a comment, and as a name.
WAYS_OUT: Final = {
    tokenize.COMMENT: re.compile(r"type:\s*ignore|noqa|pragma|pyright:|mypy:"),
    tokenize.NAME: re.compile(r"\b(Any|cast|no_type_check)\b"),
}


def ways_out(source: bytes) -> Iterator[str]:
    # Strings are neither comments nor names, so these patterns do not find themselves.
    if any(pattern.search(source.decode()) for pattern in WAYS_OUT.values()):
        for token in tokenize.tokenize(io.BytesIO(source).readline):
            if token.type in WAYS_OUT and WAYS_OUT[token.type].search(token.string):
                yield token.line


def test_nobody_talks_the_checkers_out_of_it() -> None:
    found = {str(path.relative_to(ROOT)): list(ways_out(path.read_bytes())) for path in CHECKED}
    assert {path: lines for path, lines in found.items() if lines} == {}
    for way in ("x = 1  # noqa: E501", "from typing import Any", "x = cast(int, y)"):
        assert list(ways_out(way.encode())) == [way]


def test_what_needs_packages_from_outside_is_no_part_of_the_tests(request: pytest.FixtureRequest) -> None:
    apart = ROOT / "tests" / "interop"
    assert list(apart.glob("test_*.py"))
    assert not [item for item in request.session.items if apart in item.path.parents]


def test_the_scans_have_something_to_scan() -> None:
    assert len(SOURCES) >= 18
    assert {path.name for path in CHECKED} >= {"token.py", Path(__file__).name, "__init__.pyi"}
    assert set(calls("_file_store")) & OPENING

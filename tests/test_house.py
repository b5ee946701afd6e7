# SPDX-License-Identifier: MIT
"""The architecture: which module may import which, and where I/O may happen. The tests read the source."""

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

from tests.tools.code_lines import code_lines

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = ROOT / "ytmusic_oauth"
SOURCES: Final[Mapping[str, Path]] = {path.stem: path for path in sorted(PACKAGE.glob("*.py"))}
TREES: Final[Mapping[str, ast.Module]] = {name: ast.parse(path.read_text("utf-8")) for name, path in SOURCES.items()}


class Imports(NamedTuple):
    """What a module imports from the package; and from the standard library at its top level, besides `ANYWHERE`."""

    package: str = ""
    standard: str = ""


# fmt: off
# No clock, file or socket; and loaded by every program anyway, or cheap.
ANYWHERE: Final = frozenset({
    "__future__", "abc", "collections.abc", "contextlib", "copy", "dataclasses", "enum", "errno", "json", "math", "re",
    "types", "typing",
})
# fmt: on
# From the bottom up: a module imports only from those above it in this list.
PLAN: Final[Mapping[str, Imports]] = {
    "exceptions": Imports(),
    "models": Imports(),
    "_expiry": Imports(),
    "_redaction": Imports(),
    "_validation": Imports("models", "functools"),
    "_snapshot": Imports("_expiry _validation exceptions models"),
    "_messages": Imports("_redaction _validation exceptions"),
    "_retries": Imports("exceptions"),
    "protocol": Imports("_expiry _messages _redaction _validation models", "sys"),
    "device": Imports("exceptions models"),
    "_single_flight": Imports("exceptions", "os threading"),
    "session": Imports("_messages _retries _single_flight _validation exceptions", "time"),
    "_http": Imports(
        "_messages _redaction _single_flight _validation exceptions session",
        "functools http.client io socket time urllib.parse urllib.request",
    ),
    "transport": Imports("_http _single_flight _validation session", "sys"),
    "credentials": Imports(
        "_messages _retries _single_flight _validation device models protocol session transport", "collections time"
    ),
    "store": Imports(),
    "_file_kinds": Imports("_validation"),
    "_token_text": Imports("_file_kinds _validation exceptions models"),
    "_state": Imports("_expiry _snapshot exceptions models"),
    "_steps": Imports("_snapshot exceptions"),
    "_cycle": Imports("_retries _snapshot _state _steps _token_text _validation exceptions"),
    "_file_lock": Imports("_single_flight", "os stat sys time weakref"),
    "_file_owner": Imports("", "os stat sys"),
    "_file_write": Imports("_file_owner", "os stat sys time"),
    "_client_file": Imports("_validation protocol"),
    "_file_store": Imports(
        "_client_file _file_kinds _file_lock _file_owner _file_write _single_flight exceptions", "os stat"
    ),
    "_store_access": Imports("_file_store _token_text exceptions models store", "sys time warnings"),
    "_log": Imports("_state _steps _token_text exceptions", "sys"),
    "_refresher": Imports(
        "_cycle _file_lock _file_store _log _single_flight _snapshot _state _steps _store_access _token_text "
        "_validation credentials exceptions store",
        "atexit time",
    ),
    "_options": Imports("models"),
    "_output": Imports("", "os sys time"),
    "_keyboard": Imports("", "os sys time"),
    "_terminal": Imports(
        "_keyboard _output _redaction credentials device exceptions models protocol", "os signal sys time"
    ),
    "token": Imports(
        "_file_store _refresher _single_flight _snapshot _state _steps _store_access _terminal _token_text _validation "
        "credentials exceptions models session store",
        "os pathlib sys time",
    ),
    "_client_choice": Imports(
        "_client_file _file_store _options _retries _store_access _terminal _validation credentials exceptions models "
        "protocol",
        "os",
    ),
    "_login": Imports(
        "_client_choice _client_file _cycle _file_owner _file_store _keyboard _options _output _store_access _terminal "
        "_token_text credentials exceptions models protocol token",
        "os time",
    ),
    "_commands": Imports(
        "_client_choice _cycle _file_store _login _options _output _snapshot _store_access _terminal exceptions models "
        "token",
        "time",
    ),
    "_command_line": Imports("_commands _file_kinds _options _output exceptions", "argparse functools os sys warnings"),
}
ENTRY_POINTS: Final = frozenset({"__init__", "__main__"})
PURE: Final = (
    "exceptions", "models", "_expiry", "_redaction", "_validation", "_snapshot", "_messages", "_retries", "protocol",
    "device", "store", "_file_kinds", "_token_text", "_state", "_steps", "_cycle", "_client_file",
)  # fmt: skip
# What pure modules may import inside functions: it does not affect anything outside the process.
# `sys`: for its version.
PURE_LAZILY: Final = ANYWHERE | {
    "base64",
    "email.utils",
    "functools",
    "html",
    "ipaddress",
    "sys",
    "unicodedata",
    "urllib.parse",
}

# Module of the standard library -> the modules of the package that may import it.
ALLOWED_IN: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("socket", "http", "urllib.request", "urllib.error"), frozenset({"_http"})),
    "ssl": frozenset({"_http", "transport"}),  # `transport`: for a type
    "threading": frozenset({"_single_flight"}),
    "fcntl": frozenset({"_file_lock"}),
    "msvcrt": frozenset({"_file_lock", "_keyboard"}),
    "webbrowser": frozenset(),
    "random": frozenset({"credentials"}),
    "warnings": frozenset({"_store_access", "_command_line"}),
    "argparse": frozenset({"_command_line"}),
    "subprocess": frozenset({"_terminal"}),
    "logging": frozenset({"_log"}),
    **dict.fromkeys(("tempfile", "asyncio"), frozenset()),
}
OPENING: Final = frozenset({"open", "io.open", "os.open", "os.fdopen", "os.replace", "os.rename", "os.unlink"})
OPENING_METHODS: Final = frozenset({"read_text", "read_bytes", "write_text", "write_bytes", "touch", "unlink"})


def imports(name: str, *, top_level: bool = False) -> Iterator[str]:
    """Yield what a module imports, with a dot before modules of the package. `top_level` leaves out `TYPE_CHECKING`."""
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


def test_every_module_is_in_the_plan() -> None:
    assert SOURCES.keys() - ENTRY_POINTS == PLAN.keys()


@pytest.mark.parametrize("name", PLAN)
def test_a_module_imports_from_the_package_what_the_plan_says(name: str) -> None:
    imported = {each[1:] for each in imports(name) if each.startswith(".")} - {"__version__"}
    assert imported == set(PLAN[name].package.split())
    assert imported <= set(list(PLAN)[: list(PLAN).index(name)])


def test_every_import_inside_the_package_is_relative(name: str) -> None:
    assert not [each for each in imports(name) if each.startswith(("ytmusic_oauth", ".."))]


@pytest.mark.parametrize("name", PLAN)
def test_a_module_imports_from_the_standard_library_what_the_plan_says(name: str) -> None:
    standard = {each for each in imports(name, top_level=True) if not each.startswith(".")} - ANYWHERE
    assert standard == set(PLAN[name].standard.split())


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_uses_no_clock_file_socket_or_randomness(name: str) -> None:
    assert {each for each in imports(name) if not each.startswith(".")} <= PURE_LAZILY
    assert not set(calls(name)) & {"open", "print", "input", "eval", "exec", "__import__"}
    assert set(PLAN[name].package.split()) <= set(PURE)


def test_a_restricted_module_is_imported_only_where_allowed(name: str) -> None:
    standard = {each for each in imports(name) if not each.startswith(".")}
    for module, allowed in ALLOWED_IN.items():
        if any(each == module or each.startswith(f"{module}.") for each in standard):
            assert name in allowed, module


def test_only_the_file_modules_open_files(name: str) -> None:
    opening = {each for each in calls(name) if each in OPENING or each.rpartition(".")[2] in OPENING_METHODS}
    assert not opening or name in {"_file_store", "_file_write", "_file_lock", "_client_choice", "_command_line"}


def test_the_package_module_only_re_exports() -> None:
    defined = [node.name for node in ast.walk(TREES["__init__"]) if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    assert defined == ["__getattr__", "__dir__"]


def test_a_module_uses_neither_its_path_nor_assert(name: str) -> None:
    names = {node.id for node in ast.walk(TREES[name]) if isinstance(node, ast.Name)}
    assert "__file__" not in names
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(TREES[name])), "python -O removes them"


# ---- readability ---------------------------------------------------------------------------------


def test_a_public_field_has_a_docstring_which_tools_read_and_no_comment(name: str) -> None:
    assert name.startswith("_") or "#:" not in SOURCES[name].read_text("utf-8")


def test_a_module_starts_with_its_license_and_a_docstring(name: str) -> None:
    assert (
        SOURCES[name]
        .read_text("utf-8")
        .startswith(('# SPDX-License-Identifier: MIT\n"""', '# SPDX-License-Identifier: MIT\nr"""'))
    )


# Of the whole package. A larger number needs a reason in the commit that changes it.
MOST_LINES_OF_CODE: Final = 4401


def test_the_package_stays_small() -> None:
    assert sum(map(code_lines, SOURCES.values())) <= MOST_LINES_OF_CODE


def test_a_module_has_at_most_250_lines_of_code(name: str) -> None:
    assert code_lines(SOURCES[name]) <= 250


def test_a_public_module_has_a_correct_all(name: str) -> None:
    if name.startswith("_") and name != "__init__":
        assert "__all__" not in SOURCES[name].read_text("utf-8"), "its names without an underscore are its interface"
        return
    module = importlib.import_module("ytmusic_oauth" if name == "__init__" else f"ytmusic_oauth.{name}")
    exported: object = vars(module)["__all__"]
    assert isinstance(exported, list)
    assert exported
    assert [each for each in exported if not hasattr(module, each)] == []
    assert len(set(exported)) == len(exported)


def undocumented(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or node.name.startswith("_"):
            continue
        repeats = any(ast.unparse(each).endswith((".setter", "overload")) for each in node.decorator_list)
        if ast.get_docstring(node) is None and not repeats:
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body, f"{prefix}{node.name}.")


def test_everything_public_has_a_docstring(name: str) -> None:
    assert list(undocumented(TREES[name].body, "")) == []


# ---- no suppressed checks ------------------------------------------------------------------------

CHECKED: Final = [
    path
    for folder in ("ytmusic_oauth", "tests", "typings")
    for kind in ("*.py", "*.pyi")
    for path in sorted((ROOT / folder).rglob(kind))
]


# Comments and names that switch off a check.
SUPPRESSIONS: Final = {
    tokenize.COMMENT: re.compile(r"type:\s*ignore|noqa|pragma|pyright:|mypy:"),
    tokenize.NAME: re.compile(r"\b(Any|cast|no_type_check)\b"),
}


def suppressions(source: bytes) -> Iterator[str]:
    # Strings are neither comments nor names, so these patterns do not find themselves.
    if any(pattern.search(source.decode()) for pattern in SUPPRESSIONS.values()):
        for token in tokenize.tokenize(io.BytesIO(source).readline):
            if token.type in SUPPRESSIONS and SUPPRESSIONS[token.type].search(token.string):
                yield token.line


def test_no_check_is_suppressed() -> None:
    found = {str(path.relative_to(ROOT)): list(suppressions(path.read_bytes())) for path in CHECKED}
    assert {path: lines for path, lines in found.items() if lines} == {}
    for line in ("x = 1  # noqa: E501", "from typing import Any", "x = cast(int, y)"):
        assert list(suppressions(line.encode())) == [line]


def test_the_interop_tests_are_not_collected(request: pytest.FixtureRequest) -> None:
    interop = ROOT / "tests" / "interop"
    assert list(interop.glob("test_*.py"))
    assert not [item for item in request.session.items if interop in item.path.parents]


def test_the_tests_above_have_something_to_check() -> None:
    assert len(SOURCES) >= 18
    assert {path.name for path in CHECKED} >= {"token.py", Path(__file__).name, "__init__.pyi"}
    assert set(calls("_file_store")) & OPENING

# SPDX-License-Identifier: MIT
"""`make zipapp`, `make vendor` and `make dist` give the whole package and nothing else.

`test_embedding` shows that it works there.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import ytmusic_oauth
from tests.tools.release.package import LICENSE, PACKAGE, ROOT, runtime_files, version
from tests.tools.release.release import problems_of_tree
from tests.tools.release.single_file import is_docstring, without_comments
from tests.tools.release.vendoring import MANIFEST, vendor
from ytmusic_oauth._command_line import main

NAMES: Final = {path.name for path in runtime_files()}
VENDORED: Final = NAMES | {"LICENSE", MANIFEST}


def checkout(folder: Path) -> Path:
    """Copy what the tools need of the sources."""
    for name in ("ytmusic_oauth", "tests/tools/release"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("tests", "tests/tools"):
        shutil.copy(ROOT / name / "__init__.py", folder / name)
    shutil.copy(LICENSE, folder)
    return folder


def script(name: str, *arguments: object, tree: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", f"tests.tools.release.{name}", *map(str, arguments)]
    return subprocess.run(
        command, cwd=tree, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120, check=False
    )


def contents(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- one file: make zipapp -----------------------------------------------------------------------


def years_later(tree: Path) -> None:
    """A folder with new dates and modes, caches and editors' files."""
    for path in [*tree.rglob("*.py"), tree / "LICENSE"]:
        os.utime(path, (2**31, 2**31))
        path.chmod(0o700)
    (tree / "ytmusic_oauth" / "__pycache__").mkdir()
    (tree / "ytmusic_oauth" / "__pycache__" / "token.cpython-310.pyc").write_bytes(b"cache")
    for name in ("oauth.json", "token.py.orig", ".token.py.swp"):
        (tree / "ytmusic_oauth" / name).write_text("not part of it")


def with_windows_line_ends(tree: Path) -> None:
    for path in [*tree.rglob("*.py"), tree / "LICENSE"]:
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


@pytest.mark.parametrize(
    ("change", "umask", "variables"),
    [
        pytest.param(
            years_later,
            0o077,
            {"TZ": "Pacific/Kiritimati", "SOURCE_DATE_EPOCH": "2000000000", "PYTHONHASHSEED": "1", "LC_ALL": "C"},
            id="years-later",
        ),
        pytest.param(with_windows_line_ends, 0, {"PYTHONUTF8": "0"}, id="with-windows-line-ends"),
    ],
)
def test_every_build_gives_the_same_bytes(
    tmp_path: Path, pyz: bytes, change: Callable[[Path], None], umask: int, variables: Mapping[str, str]
) -> None:
    tree = checkout(tmp_path / "some where")
    change(tree)
    built = tmp_path / "built" / "oauth.pyz"
    command = [sys.executable, "-m", "tests.tools.release.single_file", str(built)]
    subprocess.run(command, cwd=tree, env={**os.environ, **variables}, umask=umask, timeout=120, check=True)
    assert built.read_bytes() == pyz
    if os.name != "nt":
        assert stat.S_IMODE(built.stat().st_mode) == 0o755


def test_the_zipapp_has_the_package_its_license_and_nothing_else(pyz: bytes) -> None:
    assert pyz.startswith(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(io.BytesIO(pyz)) as file:
        assert file.testzip() is None
        assert set(file.namelist()) == {
            "__main__.py",
            "LICENSE",
            *(f"ytmusic_oauth/{name}" for name in NAMES - {"py.typed"}),
        }
        assert file.read("LICENSE").decode() == LICENSE.read_text("utf-8")
        assert len(file.read("__main__.py").decode().strip().splitlines()) <= 9


def code(source: str) -> tuple[str, list[tuple[str, object]]]:
    """The syntax tree without docstrings, and the position of each node."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            node.body = [statement for statement in node.body if not is_docstring(statement)]
    positions = [
        (type(node).__name__, vars(node).get("lineno"), vars(node).get("col_offset")) for node in ast.walk(tree)
    ]
    return ast.dump(tree), [(kind, (line, column)) for kind, line, column in positions]


@pytest.mark.parametrize("name", sorted(NAMES - {"py.typed"}))
def test_the_zipapp_runs_the_code_of_the_package_line_by_line(pyz: bytes, name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(pyz)) as file:
        packed = file.read(f"ytmusic_oauth/{name}").decode()
    assert code(packed) == code((PACKAGE / name).read_text("utf-8"))
    assert packed.startswith("# SPDX-License-Identifier: MIT\n")


def test_what_only_looks_like_a_comment_or_a_docstring_is_kept() -> None:
    source = '''
def shout(text: str = "# no comment") -> str:  # höher
    """Höher,

    and louder."""  # here, too
    field = 1
    """höher, or not"""
    return f"""
{text}  # part of it
"""
'''
    kept = without_comments(source)
    assert code(kept) == code(source)
    assert "Höher" not in kept
    assert "höher" not in kept
    assert "here, too" not in kept


# ---- a copy for another program: make vendor -----------------------------------------------------


def test_a_copy_is_the_package_byte_for_byte_and_names_its_version(tmp_path: Path) -> None:
    done = script("vendoring", tmp_path / "app" / "_vendor")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"ytmusic_oauth {version()}" in done.stdout
    copied = contents(tmp_path / "app" / "_vendor" / "ytmusic_oauth")
    assert set(copied) == VENDORED
    assert {name: copied[name] for name in NAMES} == {path.name: path.read_bytes() for path in runtime_files()}
    assert copied["LICENSE"] == LICENSE.read_bytes()
    assert copied[MANIFEST].decode().splitlines() == [
        f"{hashlib.sha256(copied[name]).hexdigest()}  {name}" for name in sorted(VENDORED - {MANIFEST})
    ]


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A copy of an older version, with a module that has been removed since."""
    tree = checkout(tmp_path / "older")
    front = tree / "ytmusic_oauth" / "__init__.py"
    front.write_text(front.read_text("utf-8").replace(f'"{version()}"', '"0.0.9"'), "utf-8")
    (tree / "ytmusic_oauth" / "gone.py").write_text("# gone\n")
    assert script("vendoring", tmp_path, tree=tree).returncode == 0
    assert (tmp_path / "ytmusic_oauth" / "gone.py").exists()
    return tmp_path / "ytmusic_oauth"


def test_a_second_run_updates_the_copy_and_removes_only_its_own_files(older: Path, tmp_path: Path) -> None:
    (older / "mine.py").write_text("# mine\n")
    assert vendor(older.parent) == [f"{older}: ytmusic_oauth 0.0.9 -> {version()}, {len(VENDORED) - 1} files"]
    (older / "mine.py").unlink()
    vendor(tmp_path / "new")
    assert contents(older) == contents(tmp_path / "new" / "ytmusic_oauth")


def test_a_changed_file_that_is_no_longer_part_of_the_package_is_kept_and_named(older: Path) -> None:
    (older / "gone.py").write_text("# gone, but patched\n")
    report = vendor(older.parent, force=True)
    assert any(line.startswith(f"{older / 'gone.py'} ") and line.endswith("was kept") for line in report)
    assert (older / "gone.py").read_text() == "# gone, but patched\n"
    assert len(vendor(older.parent)) == 1, "it is not a file of the copy any more"


def test_an_update_refuses_to_overwrite_changes_and_names_them(older: Path) -> None:
    for name in ("gone.py", "token.py"):
        (older / name).write_text("# patched\n")
    (older / "store.py").unlink()
    before = contents(older)
    done = script("vendoring", older.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"make vendor: {older / 'gone.py'}, {older / 'token.py'}: changed since `make vendor` copied it; FORCE=1 "
        "overwrites the changes\n"
    )
    assert contents(older) == before
    done = script("vendoring", older.parent, FORCE="1")
    assert done.returncode == 0, done.stderr
    assert {name: content for name, content in contents(older).items() if name != "gone.py"} == contents(
        new_copy(older.parent / "new")
    )


def new_copy(folder: Path) -> Path:
    vendor(folder)
    return folder / "ytmusic_oauth"


def test_a_newer_version_is_replaced_only_by_force(tmp_path: Path) -> None:
    copy = new_copy(tmp_path)
    tree = checkout(tmp_path / "older")
    front = tree / "ytmusic_oauth" / "__init__.py"
    front.write_text(front.read_text("utf-8").replace(f'"{version()}"', '"0.0.9"'), "utf-8")
    done = script("vendoring", tmp_path, tree=tree)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"make vendor: {copy} has version {version()}, which is newer than 0.0.9; FORCE=1 replaces it\n"
    )
    done = script("vendoring", tmp_path, tree=tree, FORCE="1")
    assert done.stdout.startswith(f"{copy}: ytmusic_oauth {version()} -> 0.0.9, ")
    assert version(copy) == "0.0.9"


@pytest.mark.parametrize("command", [["sha256sum"], ["busybox", "sha256sum"], ["shasum", "-a", "256"]], ids=" ".join)
def test_the_sums_can_be_checked_with_the_tool_of_the_system(tmp_path: Path, command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} on this machine")
    copy = new_copy(tmp_path)

    def check() -> int:
        return subprocess.run([*command, "-c", MANIFEST], cwd=copy, capture_output=True, check=False).returncode

    assert check() == 0
    (copy / "token.py").write_text("# patched\n")
    assert check() != 0


MAKE: Final = pytest.mark.skipif(os.name == "nt" or shutil.which("make") is None, reason="needs make and a shell")
ODD: Final = (
    "a b", "x'; touch pwned; '", 'x"; touch pwned; "', "$(shell touch pwned)", "$$(touch pwned)", "`touch pwned`",
    "$HOME", "a~b", "~", "höhe", "a,b)", "a#b", "-n", "a\\b",
)  # fmt: skip


def make(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    outside_make = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", *map(str, arguments), f"PYTHON={sys.executable}"]
    return subprocess.run(command, cwd=cwd, env=outside_make, capture_output=True, text=True, timeout=60, check=False)


@MAKE
@pytest.mark.parametrize("name", ODD)
def test_a_folder_may_have_any_name_and_nothing_in_it_is_executed(tmp_path: Path, name: str) -> None:
    tree = checkout(tmp_path / "tree")
    shutil.copy(ROOT / "Makefile", tree)
    done = make("vendor", f"DEST={tmp_path / name}", cwd=tree)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / name / "ytmusic_oauth" / MANIFEST).is_file()
    # The name of a copy that is missing: it is in the error.
    missing = tmp_path / name / "missing"
    done = make("test", f"PACKAGE={missing}", f"VENV={tmp_path / 'venv'}", "-o", tmp_path / "venv" / "ready", cwd=tree)
    assert done.returncode != 0
    assert f"{missing} is not a copy of the package" in done.stderr
    assert not list(tmp_path.rglob("pwned"))
    assert not (ROOT / "pwned").exists()


@MAKE
def test_make_n_runs_nothing(tmp_path: Path) -> None:
    tree = checkout(tmp_path / "tree")
    shutil.copy(ROOT / "Makefile", tree)
    before = contents(tree)
    for target in sorted(set(re.findall(r"^([a-z-]+):(?!=)", MAKEFILE, re.MULTILINE))):
        for variables in ([], ["PACKAGE=x"]):
            done = make("-n", target, *variables, cwd=tree)
            assert contents(tree) == before, target
            assert "is not a copy" not in done.stderr


def other_package(target: Path) -> None:
    target.mkdir()
    (target / "__init__.py").write_text("# not a copy\n")


def file_of_that_name(target: Path) -> None:
    target.write_text("not a copy\n")


def module_of_the_same_name(target: Path) -> None:
    vendor(target.parent)
    manifest = (target / MANIFEST).read_text("utf-8")
    (target / MANIFEST).write_text(re.sub(r".*  token\.py\n", "", manifest), "utf-8")
    (target / "token.py").write_text("# not copied\n")


@pytest.mark.parametrize("put", [other_package, file_of_that_name, module_of_the_same_name])
def test_files_that_are_not_from_make_vendor_are_never_overwritten(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "ytmusic_oauth")
    before = contents(tmp_path)
    done = script("vendoring", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"make vendor: {tmp_path / 'ytmusic_oauth'}")
    assert "`make vendor`" in done.stderr.removeprefix("make vendor: ")
    assert done.stderr.count("\n") == 1
    assert contents(tmp_path) == before


def test_the_package_itself_is_not_a_valid_destination(tmp_path: Path) -> None:
    tree = checkout(tmp_path / "tree")
    before = contents(tree)
    for place in (".", "ytmusic_oauth"):
        done = script("vendoring", place, tree=tree)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert {name for name in contents(tree) if "__pycache__" not in name} == before.keys()


def test_a_file_is_not_a_valid_destination(tmp_path: Path) -> None:
    (tmp_path / "app").touch()
    for place in ("app", "app/_vendor"):
        done = script("vendoring", tmp_path / place)
        problem = f"make vendor: {tmp_path / 'app'} is a file: DEST is the folder to copy the package into\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", problem)


def test_a_renamed_copy_is_updated_in_place(older: Path) -> None:
    renamed = older.rename(older.parent / "login")
    vendor(renamed)
    assert not (renamed / "gone.py").exists()
    assert version(renamed) == version()
    assert [path.name for path in renamed.iterdir() if path.is_dir()] == []


def test_nothing_outside_the_copy_is_removed_whatever_its_manifest_says(older: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("# outside\n")
    digest = hashlib.sha256(outside.read_bytes()).hexdigest()
    with (older / MANIFEST).open("a") as manifest:
        manifest.write(f"{digest}  ../outside.py\n{digest}  {outside}\n{digest}  ..\n")
    vendor(older.parent)
    assert outside.exists()


class Interrupted(Exception):
    pass


def test_a_copy_that_was_interrupted_anywhere_is_repaired_by_the_next_run(
    older: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor(tmp_path / "whole")
    whole = contents(tmp_path / "whole" / "ytmusic_oauth")
    replace, left = os.replace, 0

    def replace_some(source: Path, target: Path) -> None:
        nonlocal left
        if left == 0:
            raise Interrupted
        left -= 1
        replace(source, target)

    for place, start in (("new", None), ("old", older)):
        for n in range(len(VENDORED) + 1):
            target = tmp_path / f"{place}-{n}" / "ytmusic_oauth"
            if start is not None:
                shutil.copytree(start, target)
            left = n
            with monkeypatch.context() as patch:
                patch.setattr(os, "replace", replace_some)
                with pytest.raises(Interrupted):
                    vendor(target.parent)
            vendor(target.parent)
            assert contents(target) == whole


def test_without_a_destination_it_prints_its_usage() -> None:
    for arguments in ([], [""]):
        done = script("vendoring", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "usage: make vendor DEST=path/to/app/_vendor\n"


def test_an_impossible_destination_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = script("vendoring", tmp_path / "file" / "_vendor")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert str(tmp_path / "file") in done.stderr


# ---- the tests of a copy: make test PACKAGE=... ---------------------------------------------------


# A change that breaks a copy, and the test that finds it: in its own process, in another one, and in the sources.
BREAKS: Final = [
    (
        "_snapshot.py",
        '(response, "refresh_token"',
        '(response, "token"',
        "tests/test_expiry.py::test_a_refresh_adopts_a_rotated_refresh_token",
    ),
    (
        "__init__.py",
        '"token", "transport"',
        '"token"',
        "tests/test_import.py::test_a_star_import_gives_every_public_name",
    ),
    (
        "_single_flight.py",
        "import os",
        "import os, random",
        "tests/test_house.py::test_a_restricted_module_is_imported_only_where_allowed[_single_flight]",
    ),
]


def suite(copy: Path, tree: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run some tests on a copy. `make test PACKAGE=...` runs them all."""
    done = script("suite", tree, copy)
    assert (done.returncode, done.stderr) == (0, "")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def renamed(tmp_path: Path) -> Path:
    """A vendored copy with another name."""
    vendor(tmp_path)
    return (tmp_path / "ytmusic_oauth").rename(tmp_path / "oauth_copy")


def test_the_suite_passes_on_a_copy_and_does_not_change_it(renamed: Path, tmp_path: Path) -> None:
    before = contents(renamed)
    done = suite(renamed, tmp_path / "tree", *(test for *_, test in BREAKS))
    assert done.returncode == 0, done.stdout
    assert contents(renamed) == before


def test_the_suite_fails_on_a_broken_copy(renamed: Path, tmp_path: Path) -> None:
    for module, right, wrong, _ in BREAKS:
        source = (renamed / module).read_text("utf-8")
        assert right in source
        (renamed / module).write_text(source.replace(right, wrong, 1), "utf-8")
    done = suite(renamed, tmp_path / "tree", *(test for *_, test in BREAKS))
    assert done.returncode == 1, done.stdout
    assert {line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED ")} == {
        test for *_, test in BREAKS
    }


def test_a_folder_that_is_not_a_copy_is_rejected(tmp_path: Path) -> None:
    done = script("suite", tmp_path / "tree", tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"{tmp_path} is not a copy of the package" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_tests_never_delete_the_copy_under_test(renamed: Path, tmp_path: Path) -> None:
    before = contents(renamed)
    done = script("suite", tmp_path, renamed)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert contents(renamed) == before


# ---- sdist and wheel: make dist ------------------------------------------------------------------

PROJECT: Final[Mapping[str, Mapping[str, object]]] = importlib.import_module(
    "tomllib" if sys.version_info >= (3, 11) else "tomli"
).loads((ROOT / "pyproject.toml").read_text("utf-8"))


def table(*path: str) -> Mapping[str, object]:
    found: object = PROJECT
    for key in path:
        assert isinstance(found, dict)
        found = found[key]
    assert isinstance(found, dict)
    return found


def strings(value: object) -> list[str]:
    assert isinstance(value, list)
    return [str(each) for each in value]


def test_changelog_package_and_metadata_have_the_same_version() -> None:
    newest = re.search(r"^## (\S+?)(,|$)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest
    assert newest[1] == version() == ytmusic_oauth.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", version())
    assert "version" in strings(table("project")["dynamic"]), "flit reads it from __init__"


def test_the_files_to_pack_exist() -> None:
    project = table("project")
    assert str(project["name"]).replace("-", "_") == PACKAGE.name == table("tool", "flit", "module")["name"]
    sdist = table("tool", "flit", "sdist")
    for name in [str(project["readme"]), *strings(project["license-files"]), *strings(sdist["include"])]:
        assert (ROOT / name).exists()
    assert "Typing :: Typed" in strings(project["classifiers"])
    assert "py.typed" in NAMES


def test_the_installed_command_is_the_one_of_the_module() -> None:
    module, _, function = str(table("project", "scripts")["ytmusic-oauth"]).partition(":")
    assert getattr(importlib.import_module(module), function) is main


def test_the_package_has_no_dependencies() -> None:
    assert table("project")["dependencies"] == []
    assert "optional-dependencies" not in table("project")


def test_every_tool_checks_for_the_oldest_supported_python() -> None:
    supported = SpecifierSet(str(table("project")["requires-python"]))
    oldest = min(minor for minor in range(99) if supported.contains(f"3.{minor}"))
    assert f"Python 3.{oldest} or later" in (ROOT / "README.md").read_text("utf-8")
    assert table("tool", "ruff")["target-version"] == f"py3{oldest}"
    # mypy cannot check for an older one.
    typed = re.search(r"^TYPE_VERSIONS := (\S+)", MAKEFILE, re.MULTILINE)
    assert typed
    assert table("tool", "pyright")["pythonVersion"] == typed[1]


def test_the_pinned_build_tool_satisfies_the_build_requirement() -> None:
    pins = re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "tests" / "requirements" / "tools.txt").read_text(), re.MULTILINE)
    for requirement in map(Requirement, strings(table("build-system")["requires"])):
        assert requirement.specifier.contains(dict(pins)[requirement.name])


# ---- the Makefile --------------------------------------------------------------------------------

MAKEFILE: Final = (ROOT / "Makefile").read_text("utf-8")


def test_the_makefile_runs_modules_that_exist() -> None:
    modules = set(re.findall(r" -m (tests\.\S+)", MAKEFILE))
    assert {f"tests.tools.release.{name}" for name in ("distribution", "single_file", "suite", "vendoring")} <= modules
    for module in modules:
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def test_every_environment_has_a_file_of_requirements() -> None:
    names = set(re.findall(r"^[A-Z]+ := \.venv-(\w+)", MAKEFILE, re.MULTILINE))
    files = {path.stem for path in (ROOT / "tests" / "requirements").glob("*.txt")}
    assert names - {"bench", "fuzz"} == files - {"old", "test"}


@pytest.mark.skipif(os.name == "nt" or shutil.which("make") is None, reason="needs make and a shell")
def test_without_venv_the_makefile_says_what_to_install(tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    command = ["make", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}", "test"]
    outside_make = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(command, cwd=ROOT, env=outside_make, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert done.stderr.startswith(f"make: {python} lacks venv. On Debian and Ubuntu: apt install python3-venv\n")
    assert done.stdout == ""


# ---- make release --------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_release_needs_a_clean_tree_and_a_dated_changelog(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=Me", "-c", "user.email=me@example.org"]
        subprocess.run([str(shutil.which("git")), *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "ytmusic_oauth").mkdir()
    (tmp_path / "ytmusic_oauth" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("# Changes\n\n## 1.2.3, 2026-01-02\n")
    assert "not a git repository" in next(problems_of_tree(tmp_path))
    git("init")
    assert "commit or remove these first" in next(problems_of_tree(tmp_path))
    git("add", ".")
    git("commit", "-m", "Release")
    assert list(problems_of_tree(tmp_path)) == []
    for heading in ("1.2.3, not yet released", "1.2.2, 2026-01-02", "1.2.3"):
        changelog.write_text(f"# Changes\n\n## {heading}\n\n## 1.2.3, 2026-01-02\n")
        git("commit", "-a", "-m", "Change")
        [problem] = problems_of_tree(tmp_path)
        assert problem == 'CHANGELOG.md must begin with "## 1.2.3, YYYY-MM-DD", the version of the package and the date'

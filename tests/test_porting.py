# SPDX-License-Identifier: MIT
"""The porting kit: our own code passes all of it, it notices what is wrong, and it says so in words that help."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import pytest

from tests.porting import command
from tests.porting.clients.python.bites import broken, caught
from tests.porting.clients.python.breaks import BREAKS, Break
from tests.porting.report import for_people, is_passed
from tests.porting.runner import certify, levels
from tests.porting.scenarios import LEVELS, SCENARIOS
from tests.porting.vector import read_vectors, same

ROOT: Final = Path(__file__).parents[1]
KIT: Final = ROOT / "tests" / "porting"
PACKAGE: Final = ROOT / "ytmusic_oauth"
OURS: Final = [sys.executable, "-m", "tests.porting.clients.python"]
DRIVER: Final = (KIT / "DRIVER.md").read_text("utf-8")
PORTING: Final = (KIT / "PORTING.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `python -m` finds the driver."""
    monkeypatch.chdir(ROOT)


def driver(folder: Path, body: str) -> str:
    """The command of a driver that does this, which is Python here for no other reason than that it is at hand."""
    path = folder / "driver.py"
    path.write_text(f"import json, sys\nverb = sys.argv[1]\n{body}\n", "utf-8")
    return shlex.join([sys.executable, str(path)])


# ---- what it certifies ---------------------------------------------------------------------------


@pytest.mark.one_clock
def test_our_own_client_passes_all_of_it() -> None:
    results = certify(OURS)
    assert is_passed(results), for_people("our own", results, 0)
    assert len(results) == len(read_vectors()) + len(SCENARIOS)
    assert set(levels(results).values()) == {"passed"}


def test_the_folder_can_be_copied_out_and_run_with_nothing_but_python(tmp_path: Path) -> None:
    shutil.copytree(KIT, tmp_path / "porting", ignore=shutil.ignore_patterns("clients", "__pycache__"))
    only = ["--only", "links/*", "--only", "wire/a-refresh"]
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "porting", "--client", shlex.join(OURS), *only, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["levels"]["wire"] == "passed"


def test_nothing_in_it_depends_on_this_project_or_on_anything_installed() -> None:
    for path in KIT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= sys.stdlib_module_names
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1 or str(node.module).partition(".")[0] in sys.stdlib_module_names


# ---- what it says --------------------------------------------------------------------------------

DEAF: Final = 'print("{}")\nif verb == "vectors":\n    sys.exit("no vectors, sorry")'


def test_a_report_says_what_was_expected_what_came_and_why_it_matters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--client", driver(tmp_path, DEAF), "--only", "links/*", "--only", "wire/no-such-client"]
    assert command.main(asked) == command.FAILED
    told = capsys.readouterr().out
    assert "FAILED  wire/no-such-client" in told
    assert re.search(r"expected +`login` raises \{\"raises\": \"invalid_client\"\}", told)
    assert re.search(r"came +\{\}", told)
    assert re.search(r"why +no code, no waiting", told)
    assert "no vectors, sorry" in told
    assert re.search(r"wire +failed +0 +\d+ +0\n", told)


def test_a_report_for_machines_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--client", driver(tmp_path, DEAF), "--only", "wire/no-such-client", "--json"]
    assert command.main(asked) == command.FAILED
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is False
    assert told["levels"] == {**dict.fromkeys(LEVELS, "not claimed"), "wire": "failed"}
    [result] = told["results"]
    assert (result["id"], result["outcome"], result["came"]) == ("wire/no-such-client", "failed", "{}")


def test_what_is_left_out_is_shown_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = (
        'if verb == "skips":\n    print(json.dumps({"file": "there is no disk"}))\n'
        "for line in sys.stdin:\n"
        '    print(json.dumps({"id": json.loads(line)["id"], "skip": "no links"}), flush=True)\n'
    )
    only = ["--only", "links/*", "--only", "file/*", "--only", "wire/a-refresh"]
    skip = ["--skip", "wire/a-refresh=the server is away"]
    assert command.main(["--client", driver(tmp_path, body), *only, *skip]) == command.FAILED, "nothing was passed"
    told = capsys.readouterr().out
    assert re.search(r"skipped  file/\* \(all \d+\): there is no disk\n", told)
    assert "wire/a-refresh: the server is away" in told
    assert re.search(r"skipped  links/\* \(all \d+\): no links\n", told)
    assert re.search(r"file +not claimed +0 +0 +\d+\n", told)


def test_a_driver_that_cannot_be_used_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for body, said in (
        ("sys.exit('no such verb')", "no such verb"),
        ("print('hello')", "hello"),
        ('print(json.dumps({"disk": "none here"}))', "of the name disk"),
        ('print(json.dumps({"file": ""}))', "a reason that is none"),
    ):
        assert command.main(["--client", driver(tmp_path, body)]) == command.FIX_FIRST
        assert said in capsys.readouterr().err
    assert command.main(["--client", str(tmp_path / "nothing")]) == command.FIX_FIRST


@pytest.mark.parametrize("wrong", [[], ["--client", "x", "--skip", "file"], ["--client", "x", "--skip", "disk=none"]])
def test_wrong_usage_is_told(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(wrong)
    assert "error:" in capsys.readouterr().err


def test_the_list_has_everything_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == command.PASSED
    listed = capsys.readouterr().out.splitlines()
    assert {each.id for each in SCENARIOS} | {each.id for each in read_vectors()} == set(listed[::2])


def test_an_answer_is_compared_as_json() -> None:
    assert same({"a": [1, None]}, {"a": [1.0, None]})
    for one, other in ((1, True), (0, False), (None, False), ("1", 1), ([1], [1, 1]), ({"a": 1}, {"a": 1, "b": 1})):
        assert not same(one, other)


# ---- the scenarios themselves --------------------------------------------------------------------


def test_a_scenario_has_an_id_a_level_and_a_reason() -> None:
    assert len(SCENARIOS) >= 30
    assert len({each.id for each in SCENARIOS}) == len(SCENARIOS)
    for each in SCENARIOS:
        assert re.fullmatch(f"({'|'.join(LEVELS)})/[a-z0-9]+(-[a-z0-9]+)*", each.id)
        assert len(each.why) > 15
        assert not re.search(r"\b(None|True|dict|pytest)\b", each.why)
    assert min(Counter(each.level for each in SCENARIOS).values()) >= 5
    assert not {each.id for each in SCENARIOS} & {each.id for each in read_vectors()}


# ---- does it bite? -------------------------------------------------------------------------------


def test_what_is_broken_is_still_there_to_be_broken() -> None:
    for how in BREAKS:
        source = (PACKAGE / how.file).read_text("utf-8")
        assert source.count(how.old) == 1, how.means
        assert how.new != how.old
        ast.parse(source.replace(how.old, how.new))


def test_there_are_enough_ways_to_be_wrong_and_each_is_another() -> None:
    assert len(BREAKS) >= 40
    assert len({how.means for how in BREAKS}) == len({(how.file, how.old, how.new) for how in BREAKS}) == len(BREAKS)
    for how in BREAKS:
        assert not how.hint or any(fnmatchcase(each.id, how.hint) for each in SCENARIOS), how.hint


@pytest.mark.one_clock
def test_a_copy_that_is_broken_is_caught_and_a_copy_that_is_not_is_not() -> None:
    sound = Break("__init__.py", "nothing is broken", '__version__ = "', '__version__ = "')
    with broken(sound) as driver_of_the_copy:
        assert is_passed(certify(driver_of_the_copy, only=("wire/a-refresh", "expiry/a-fresh-token-asks-nobody")))
    for means, by in (
        ("refreshed four seconds early", r"expiry/.*"),
        ("a dead refresh token is sent again at every read", r"expiry/a-login-that-has-ended-is-told-at-once"),
        ("the token file is readable for everybody", r"file/a-login-is-stored"),
    ):
        [how] = [each for each in BREAKS if each.means == means]
        result = caught(how)
        assert result is not None, means
        assert re.fullmatch(by, result.id)


# ---- what is written about it --------------------------------------------------------------------


def test_the_contract_names_all_that_a_driver_is_given_and_asked() -> None:
    stage = (KIT / "stage.py").read_text("utf-8")
    given: set[str] = set(re.findall(r'"(OAUTH_[A-Z_]+)"', stage))
    assert given == set(re.findall(r"OAUTH_[A-Z_]+[A-Z]", DRIVER))
    for verb in ("skips", "vectors", "login", "token", "refresh", "revoke", "keep"):
        assert f"`COMMAND {verb}`" in DRIVER
    assert all(f"`{level}`" in DRIVER for level in LEVELS)


def test_the_guide_leads_by_every_module_and_every_kind_of_vectors() -> None:
    modules: set[str] = set(re.findall(r"`(\w+\.py)`", PORTING))
    assert {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"} == modules - {"fake_google.py"}
    order = PORTING[PORTING.index("## The order") : PORTING.index("## The five mistakes")]
    assert all(f"`{kind}`" in order for kind in {vector.kind for vector in read_vectors()})


def test_the_guide_points_at_scenarios_that_there_are() -> None:
    named: set[str] = set(re.findall(rf"`((?:{'|'.join(LEVELS)})/[a-z0-9-]+)`", PORTING))
    assert len(named) > 10
    assert named <= {each.id for each in SCENARIOS}


def test_the_readme_counts_right() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    told = re.search(r"some (\d+) vectors and (\d+) live scenarios", readme)
    assert told
    assert abs(int(told[1]) - len(read_vectors())) <= 10
    assert abs(int(told[2]) - len(SCENARIOS)) <= 5
    assert "breaks it in a hundred ways" in readme
    assert len(BREAKS) >= 100

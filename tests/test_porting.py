# SPDX-License-Identifier: MIT
"""The porting kit: our own code passes it, it notices every deliberate break, and its reports help."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipapp
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import pytest

from tests.porting import command, harness
from tests.porting.clients.planted import BREAKS as PLANTED
from tests.porting.clients.planted import Language, Planted
from tests.porting.clients.planted.__main__ import caught as planted_caught
from tests.porting.clients.python.bites import caught, command_of
from tests.porting.clients.python.breaks import BREAKS, Break
from tests.porting.report import declaration, is_passed, text_report
from tests.porting.runner import Result, certify, levels, skips_of
from tests.porting.scenarios import LEVELS, SCENARIOS, Scenario
from tests.porting.vector import Vector, difference, read_vectors, same
from tests.porting.version import VERSION, hash_of
from tests.tools.release.kit import kit

ROOT: Final = Path(__file__).parents[1]
KIT: Final = ROOT / "tests" / "porting"
PACKAGE: Final = ROOT / "ytmusic_oauth"
OURS: Final = [sys.executable, "-m", "tests.porting.clients.python"]
DRIVER: Final = (KIT / "DRIVER.md").read_text("utf-8")
PORTING: Final = (KIT / "PORTING.md").read_text("utf-8")
EVERYTHING: Final[Sequence[Vector | Scenario]] = [*read_vectors(), *SCENARIOS]


@pytest.fixture(autouse=True)
def _in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m` finds the driver from here."""
    monkeypatch.chdir(ROOT)


def driver(folder: Path, body: str) -> str:
    """Return the command of a driver that runs `body`; its first argument is the variable `command`."""
    path = folder / "driver.py"
    path.write_text(f"import json, sys\ncommand = sys.argv[1]\n{body}\n", "utf-8")
    return shlex.join([sys.executable, str(path)])


# ---- certifying ----------------------------------------------------------------------------------


@pytest.mark.one_clock
def test_our_own_client_passes() -> None:
    results = certify(OURS)
    assert is_passed(results), text_report("our own", results, 0)
    assert len(results) == len(read_vectors()) + len(SCENARIOS)
    assert set(levels(results).values()) == {"passed"}


@pytest.mark.one_clock
def test_second_port_is_run_beside_the_first(tmp_path: Path) -> None:
    """With a second one that prints nothing, a scenario of two ports fails, and one of a single port does not."""
    partner = shlex.split(driver(tmp_path, "pass"))
    only = ("concurrency/two-ports-at-once", "wire/refresh")
    verdicts = {result.id: result.verdict for result in certify(OURS, only=only, partner=partner)}
    assert verdicts == {"concurrency/two-ports-at-once": "failed", "wire/refresh": "passed"}


def test_folder_can_be_copied_and_run_with_python_alone(tmp_path: Path) -> None:
    shutil.copytree(KIT, tmp_path / "porting", ignore=shutil.ignore_patterns("clients", "__pycache__"))
    only = ["--only", "verification-links/*", "--only", "wire/refresh"]
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "porting", "--client", shlex.join(OURS), *only, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["passed"]
    assert report["levels"] == dict.fromkeys(LEVELS, "not run"), "a part of a level is not the level"


def test_copy_without_its_vectors_certifies_nothing(tmp_path: Path) -> None:
    """Otherwise a port would pass everything that the copy still has."""
    shutil.copytree(KIT, tmp_path / "porting", ignore=shutil.ignore_patterns("clients", "vectors", "__pycache__"))
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "porting", "--client", shlex.join(OURS), "--only", "wire/refresh"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == command.FIX_FIRST
    assert done.stderr.startswith("No vectors in ")


def test_folder_as_a_zip_file_has_its_vectors(tmp_path: Path) -> None:
    shutil.copytree(KIT, tmp_path / "porting", ignore=shutil.ignore_patterns("clients", "__pycache__"))
    zipapp.create_archive(tmp_path / "porting", tmp_path / "porting.pyz")
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "porting.pyz", "--list"], capture_output=True, text=True, check=False
    )
    assert set(done.stdout.splitlines()[::2]) == {each.id for each in EVERYTHING}, done.stderr


def test_kit_imports_nothing_but_itself_and_the_standard_library() -> None:
    for path in [*KIT.glob("*.py"), *KIT.glob("scenarios/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= sys.stdlib_module_names
            elif isinstance(node, ast.ImportFrom):
                assert node.level >= 1 or str(node.module).partition(".")[0] in sys.stdlib_module_names


def test_kit_is_one_file_that_runs_in_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "kit.pyz").write_bytes(kit())
    assert kit() == kit()
    body = (
        'if command == "skips": print("{}")\n'
        'for line in sys.stdin: print(json.dumps({"id": json.loads(line)["id"], "result": "return"}), flush=True)'
    )
    chosen = next(each.id for each in read_vectors() if each.expected == "return")
    done = subprocess.run(
        [sys.executable, "-I", "kit.pyz", "--client", driver(tmp_path, body), "--only", chosen, "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == command.PASSED, done.stderr
    report = json.loads(done.stdout)
    assert report["passed"]
    assert report["kit"] == {"name": "oauth-device-kit", "version": VERSION, "vectors": hash_of(read_vectors())}


def test_names_of_levels_and_kinds_are_different() -> None:
    """`--skip` and `skips` take either."""
    assert not {vector.kind for vector in read_vectors()} & {*LEVELS}


def test_hash_is_of_what_the_vectors_ask_for() -> None:
    """A port that cites it says what it was asked; wording may get better afterwards."""
    vectors = [*read_vectors()]
    assert hash_of(reversed(vectors)) == hash_of(vectors)
    reworded = [replace(vectors[0], why="another reason, in other words"), *vectors[1:]]
    assert hash_of(reworded) == hash_of(vectors)
    for changed in (
        replace(vectors[0], id="requests/another"),
        replace(vectors[0], given={}),
        replace(vectors[0], expected="something else"),
    ):
        assert hash_of([changed, *vectors[1:]]) != hash_of(vectors)


def test_every_id_is_listed_and_none_is_lost() -> None:
    """A port skips by id, and cites them. An id that is gone is listed in the changelog, and is never used again."""
    listed = (KIT / "ids.txt").read_text("utf-8").split()
    current = {each.id for each in EVERYTHING}
    changelog = (KIT / "CHANGELOG.md").read_text("utf-8")
    assert f"\n## {VERSION}\n" in changelog
    assert current - {*listed} == set()
    assert [name for name in {*listed} - current if f"`{name}`" not in changelog] == []


def test_schema_covers_every_kind_and_level() -> None:
    """`make certify` checks the vectors and a report against the schemas."""
    schema = json.loads((KIT / "schemas" / "vectors.json").read_text("utf-8"))
    assert set(schema["$defs"]["kinds"]) == {vector.kind for vector in read_vectors()}
    assert schema["$defs"]["level"]["enum"] == [*LEVELS]
    report = json.loads((KIT / "schemas" / "report.json").read_text("utf-8"))["properties"]
    assert set(report["levels"]["properties"]) == {*LEVELS}
    assert set(report["results"]["items"]["properties"]) == {each.name for each in fields(Result)}


# ---- reports -------------------------------------------------------------------------------------

TALKATIVE: Final = """
import os
token = json.loads(os.environ["OAUTH_TOKEN"])
for n, line in enumerate(sys.stdin):
    print({!r} if n == 0 else "", end="", file=sys.stderr, flush=True)
    print(json.dumps({{"authorization": "Bearer " + token["access_token"], "token": token}}), flush=True)
"""
NO_VECTORS: Final = 'print("{}")\nif command == "vectors":\n    sys.exit("no vectors, sorry")'


def test_report_says_what_was_expected_what_happened_and_why_it_matters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only = ["--only", "verification-links/*", "--only", "wire/unknown-client"]
    assert command.main(["--client", driver(tmp_path, NO_VECTORS), *only]) == command.FAILED
    report = capsys.readouterr().out
    assert "FAILED  wire/unknown-client" in report
    assert re.search(r"expected +`login` raises \{\"raises\": \"invalid_client\"\}", report)
    assert re.search(r"actual +\{\}", report)
    assert re.search(r"why +the client was deleted", report)
    assert "no vectors, sorry" in report
    assert re.search(r"wire +failed +0 +\d+ +0\n", report)


@pytest.mark.parametrize(
    ("expected", "actual", "where"),
    [
        ({"b": 1, "a": {"c": []}}, {"a": {}, "b": 1}, "at a.c: missing"),
        ({"a": 1}, {"b": 2, "a": 1.0}, "at b: not expected"),
        ({"a": [["ask", 1], ["read"]]}, {"a": [["ask", True], ["read"]]}, "at a[0][1]: 1 expected, true found"),
        ({"a": [1]}, {"a": [1, 2]}, "at a: 1 items expected, 2 found"),
        ({"a": {}}, {"a": None}, "at a: {} expected, null found"),
        ([1, 2], [1], "at the top: 2 items expected, 1 found"),
        ({}, None, ""),
        ("return", "save", ""),
    ],
)
def test_report_says_where_a_result_differs(expected: object, actual: object, where: str) -> None:
    assert difference(expected, actual) == where


def test_report_sorts_what_is_expected_and_what_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With keys in two orders, a reader does not find the one that is missing."""
    chosen = next(each.id for each in read_vectors() if each.kind == "cycle-asking")
    body = (
        'if command == "skips": print("{}")\n'
        "for line in sys.stdin: print(json.dumps("
        '{"id": json.loads(line)["id"], "result": {"steps": [], "outcome": 1, "remembered": {}}}), flush=True)'
    )
    assert command.main(["--client", driver(tmp_path, body), "--only", chosen]) == command.FAILED
    report = capsys.readouterr().out
    assert re.search(r'expected +\{"outcome": .*\n?.*"remembered": ', report)
    assert re.search(r'actual +\{"outcome": 1, "remembered": \{\}, "steps": \[\]\}', report)
    assert re.search(r"differs +at outcome: \"success\" expected, 1 found", report)


def test_beginning_and_end_of_what_a_driver_printed_are_shown(tmp_path: Path) -> None:
    """Perl prints the cause first, and Python last."""
    body = "sys.exit('the cause\\n' + 'a line\\n' * 500 + 'the end')"
    with pytest.raises(harness.Failure) as raised:
        skips_of(shlex.split(driver(tmp_path, body)))
    assert re.search(r'"the cause.* \.\.\. .*the end\\n"$', raised.value.actual)
    assert len(raised.value.actual) < 700


def test_json_report_has_the_same_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--client", driver(tmp_path, NO_VECTORS), "--only", "wire/unknown-client", "--json"]
    assert command.main(arguments) == command.FAILED
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is False
    assert report["levels"] == {**dict.fromkeys(LEVELS, "not run"), "wire": "failed"}
    [result] = report["results"]
    assert (result["id"], result["verdict"], result["actual"]) == ("wire/unknown-client", "failed", "{}")
    assert report["declaration"] == ""


def test_report_shows_the_steps_the_file_and_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = TALKATIVE.replace('json.loads(os.environ["OAUTH_TOKEN"])', 'json.load(open(os.environ["OAUTH_TOKEN_FILE"]))')
    arguments = ["--client", driver(tmp_path, f'if command == "skips": sys.exit(print("{{}}"))\n{body.format("")}')]
    arguments += ["--only", "file/no-longer-a-token-file", "--keep", str(tmp_path / "kept")]
    assert command.main(arguments) == command.FAILED
    report = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "start `interactive` with the file" in report
    assert "send line 1: token" in report
    assert 'receive {"authorization": "Bearer ya29.fake-access-1"' in report
    assert "send line 2: refresh" in report
    assert '`interactive` is running; standard error: ""' in report
    assert r'"{\n \"cookie\": \"of-another-program\"\n}"' in report
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["file-no-longer-a-token-file"]
    assert (tmp_path / "kept" / "file-no-longer-a-token-file" / "oauth.json").is_file()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_report_does_not_read_a_named_pipe(tmp_path: Path) -> None:
    """That would never end."""
    [result] = certify(shlex.split(driver(tmp_path, 'print("{}")')), only=("file/named-pipe",))
    assert (result.verdict, result.file) == ("failed", "no regular file")


def test_port_declares_what_it_passed_in_one_line() -> None:
    results = [Result(each.id, each.level, each.why, "passed") for each in EVERYTHING]
    results[0] = replace(results[0], verdict="skipped")
    last = next(n for n, result in enumerate(results) if result.level == "file")
    results[last] = replace(results[last], verdict="failed")
    cited = re.escape(f"oauth-device-kit/{VERSION} {hash_of(read_vectors())}")
    first = results[0].level
    names = " ".join(rf"{level}\(in-part\)" if level == first else level for level in LEVELS if level != "file")
    assert re.fullmatch(f"{cited} {names}", declaration(results))


def test_report_shows_what_was_skipped_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = (
        'if command == "skips":\n    print(json.dumps({"file": "there is no disk"}))\n'
        "for line in sys.stdin:\n"
        '    print(json.dumps({"id": json.loads(line)["id"], "skip": "no links"}), flush=True)\n'
    )
    only = ["--only", "verification-links/*", "--only", "file/*", "--only", "wire/refresh"]
    skip = ["--skip", "wire/refresh=the server is away"]
    assert command.main(["--client", driver(tmp_path, body), *only, *skip]) == command.FAILED, "nothing has passed"
    report = capsys.readouterr().out
    assert re.search(r"skipped  file/\* \(all \d+\): there is no disk\n", report)
    assert "wire/refresh: the server is away" in report
    assert re.search(r"skipped  verification-links/\* \(all \d+\): no links\n", report)
    assert re.search(r"file +not run +0 +0 +\d+\n", report), "not without the vectors of this level"


def test_unusable_driver_has_its_own_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for body, message in (
        ("sys.exit('no such command')", "no such command"),
        ("print('hello')", "hello"),
        ('print(json.dumps({"disk": "none here"}))', "is named disk"),
        ('print(json.dumps({"file": ""}))', "an empty reason"),
        ('print(json.dumps({"hostile": "the network is friendly"}))', "no port may skip"),
        ('print(json.dumps({"endpoints": "all of them are right"}))', "no port may skip endpoints/"),
    ):
        assert command.main(["--client", driver(tmp_path, body)]) == command.FIX_FIRST
        assert message in capsys.readouterr().err
    assert command.main(["--client", str(tmp_path / "missing")]) == command.FIX_FIRST


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--client", "x", "--skip", "file"],
        ["--client", "x", "--skip", "disk=none"],
        ["--client", "x", "--skip", "hostile/redirected-refresh=too hard"],
        ["--client", "x", "--only", "wire/*", "--only", "no-such-*"],
        ["--list", "--only", "no-such-*"],
    ],
)
def test_wrong_usage_is_reported(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(wrong)
    message = capsys.readouterr().err
    assert "error:" in message
    assert ("'no-such-*'" in message) is ("no-such-*" in wrong)


def test_pattern_without_an_asterisk_is_completed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--list", "--only", "decide"])
    assert "no id matches --only decide; perhaps 'decide/*'; --list shows all ids" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no broken pipes of this kind")
@pytest.mark.parametrize("arguments", [["--list"], ["--client", shlex.join(OURS), "--only", "decide/*", "--json"]])
def test_reader_that_ends_early_is_no_error(arguments: list[str]) -> None:
    """`| head` prints what it wants, and no traceback follows."""
    reading, writing = os.pipe()
    os.close(reading)
    argv = [sys.executable, "-m", "tests.porting", *arguments]
    done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (command.PASSED, "")


def test_part_that_passes_is_reported_as_passed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--client", shlex.join(OURS), "--only", "verification-links/*"]) == command.PASSED
    report = capsys.readouterr().out
    assert re.search(r": passed, \d+ vectors and scenarios", report)
    assert re.search(r"wire +not all run +[1-9]\d* +0 +0\n", report), "`not run` reads like a failure"
    assert re.search(r"file +not run +0 +0 +0\n", report)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_certify_passes_the_patterns_on() -> None:
    argv = ["make", "-n", "certify", "CLIENT=node my.mjs", "ONLY=wire/* decide/*"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "--client 'node my.mjs' --only 'wire/*' --only 'decide/*'" in done.stdout, done.stderr


def test_driver_that_does_not_flush_is_told_so_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kit keeps its input open, so what it has printed never arrives. Starting it again would not help."""
    monkeypatch.setattr(harness, "SILENCE", 2.0)
    # Buffered, whatever PYTHONUNBUFFERED says.
    body = (
        'sys.stdout = open(1, "w", closefd=False)\n'
        'for line in sys.stdin: print(json.dumps({"id": json.loads(line)["id"], "result": None}))'
    )
    first, *others = certify(shlex.split(driver(tmp_path, body)), only=("verification-links/*",))
    assert "perhaps the driver does not flush" in first.actual
    assert {each.actual for each in others} == {"not run: the driver has printed nothing for too long"}


def test_level_is_passed_only_if_all_of_it_ran() -> None:
    results = [Result(each.id, each.level, each.why, "passed") for each in EVERYTHING]
    assert levels(results) == dict.fromkeys(LEVELS, "passed")
    of_file = [n for n, result in enumerate(results) if result.level == "file"]
    results[of_file[0]] = replace(results[of_file[0]], verdict="skipped")
    assert levels(results) == {**dict.fromkeys(LEVELS, "passed"), "file": "passed in part"}
    assert levels([results[n] for n in range(len(results)) if n != of_file[1]])["file"] == "not run"
    for n in of_file:
        results[n] = replace(results[n], verdict="skipped")
    assert levels(results)["file"] == "not claimed"
    results[of_file[1]] = replace(results[of_file[1]], verdict="failed")
    assert levels(results)["file"] == "failed"


EXPECTS_NULL: Final = next(each for each in read_vectors() if each.expected is None)


@pytest.mark.parametrize("reply", ['"result": None, "id": "of/another"', "", '"skip": ""', '"skip": 7', '"skip": "no"'])
def test_vector_is_passed_by_its_result_alone(tmp_path: Path, reply: str) -> None:
    """Null is expected, and what may be shown cannot be skipped."""
    body = f'for line in sys.stdin: print(json.dumps({{"id": {EXPECTS_NULL.id!r}, {reply}}}), flush=True)'
    assert EXPECTS_NULL.required
    [result] = certify(shlex.split(driver(tmp_path, body)), only=(EXPECTS_NULL.id,))
    assert result.verdict == "failed"


def test_driver_that_prints_nothing_fails_every_vector(tmp_path: Path) -> None:
    results = certify(shlex.split(driver(tmp_path, "pass")), only=("*-links/*", "decide/*", "redaction/*"))
    assert len(results) > 50
    assert {result.verdict for result in results} == {"failed"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", ""),
        ("the token is ya29.fake-access-1\n", "no secret on standard error"),
        ("\x1b[31mall is well\n", "no control character"),
        ("all is well\n", "no warnings"),
    ],
)
def test_everything_that_a_running_driver_says_is_judged(tmp_path: Path, said: str, expected: str) -> None:
    """The scenario itself never waits for this driver, and reads nothing but its replies."""
    client = shlex.split(driver(tmp_path, TALKATIVE.format(said)))
    [result] = certify(client, only=("expiry/fresh-token-sends-nothing",))
    assert (result.verdict == "passed") == (not expected), result
    assert result.expected.startswith(expected)


def test_list_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == command.PASSED
    listed = capsys.readouterr().out.splitlines()
    assert {each.id for each in EVERYTHING} == set(listed[::2])


def test_list_follows_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list", "--only", "wire/refresh", "--only", "decide/*"]) == command.PASSED
    listed = capsys.readouterr().out.splitlines()[::2]
    assert listed == [*(each.id for each in read_vectors() if each.kind == "decide"), "wire/refresh"]


def test_results_are_compared_as_json() -> None:
    assert same({"a": [1, None]}, {"a": [1.0, None]})
    for one, other in ((1, True), (0, False), (None, False), ("1", 1), ([1], [1, 1]), ({"a": 1}, {"a": 1, "b": 1})):
        assert not same(one, other)


# ---- the scenarios -------------------------------------------------------------------------------


def test_scenario_has_an_id_a_level_and_a_reason() -> None:
    assert len(SCENARIOS) >= 30
    assert len({each.id for each in SCENARIOS}) == len(SCENARIOS)
    for each in SCENARIOS:
        assert re.fullmatch(f"({'|'.join(LEVELS)})/[a-z0-9]+(-[a-z0-9]+)*", each.id)
        assert len(each.why) > 15
        assert not re.search(r"\b(None|True|dict|pytest)\b", each.why)
    assert min(Counter(each.level for each in SCENARIOS).values()) >= 5
    assert not {each.id for each in SCENARIOS} & {each.id for each in read_vectors()}


# Each subject of a refresh that is easy to port wrong, and vectors about it.
SUBJECTS: Final = {
    "adoption of a newer token": "cycle-adopting/newer-*",
    "of an older token": "cycle-adopting/older*",
    "of the same token": "cycle-adopting/same",
    "of one that is newer in part": "cycle-adopting/*access-token*",
    "a refusal is remembered": "cycle-asking/refused*",
    "a refusal is forgotten": "cycle-adopting/*new-login*",
    "backoff grows": "cycle-asking/backoff-*",
    "backoff is reset": "cycle-*/*forgets*failures",
    "a save is deferred": "cycle-saving/*cannot-be-saved",
    "a deferred save is tried again": "cycle-saving/saved-later*",
    "who waits": "cycle-locking/*wait*",
    "a lease that is too short": "cycle-locking/lease-*",
    "a conflict after a swap": "cycle-saving/conflict-*",
    "the same access token again": "cycle-asking/same-access-token-*",
    "a retried refresh": "refresh/retried-*",
}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_of_a_refresh_has_vectors(subject: str) -> None:
    assert [each.id for each in read_vectors() if fnmatchcase(each.id, SUBJECTS[subject])]


# ---- the deliberate breaks -----------------------------------------------------------------------


@pytest.mark.parametrize("each", BREAKS, ids=lambda each: each.means)
def test_break_still_applies(each: Break) -> None:
    """What it replaces is still there, and is called in the same way."""
    if each.owner is os and sys.platform == "win32":
        pytest.skip("Windows has no such function")
    each.check()
    if not each.name and inspect.isfunction(each.old) and inspect.isfunction(each.new):
        parameters = inspect.signature(each.old).parameters.values()
        positional = [each.name for each in parameters if each.kind is not each.KEYWORD_ONLY]
        keywords = {each.name: each for each in parameters if each.kind is each.KEYWORD_ONLY}
        inspect.signature(each.new).bind(*positional, **keywords)


def test_break_of_a_missing_function_fails_loudly() -> None:
    gone = Break("protocol.gone", "nothing", caught_by="*", old=object(), new=None)
    with pytest.raises(LookupError, match=r"protocol\.gone no longer exists"):
        caught(gone)


def test_break_reaches_every_module_that_imported_the_function() -> None:
    places = next(each.places() for each in BREAKS if each.target == "_token_text.token_text")
    modules = {getattr(owner, "__name__", "") for owner, _ in places}
    assert modules >= {"ytmusic_oauth._token_text", "ytmusic_oauth._cycle"}


def test_every_break_names_what_should_notice_it() -> None:
    assert len(BREAKS) >= 100
    assert len({each.means for each in BREAKS}) == len(BREAKS)
    ids = [*(each.id for each in SCENARIOS), *(each.id for each in read_vectors())]
    for each in BREAKS:
        assert any(fnmatchcase(name, each.caught_by) for name in ids), each.caught_by


@pytest.mark.one_clock
def test_broken_driver_is_caught_and_sound_one_is_not() -> None:
    assert is_passed(certify(command_of(""), only=("wire/refresh", "expiry/fresh-token-*")))
    for means, by in (
        ("a token is refreshed four seconds early", "expiry-times/fresh-with-61-seconds-left"),
        ("a rejected refresh token is sent again at every read", "expiry/revoked-login-is-reported-at-once"),
        ("the token file can be read by everyone", "file/login-is-stored"),
    ):
        [each] = [each for each in BREAKS if each.means == means]
        result = caught(each)
        assert result is not None, means
        assert result.id == by


# ---- breaks in other languages -------------------------------------------------------------------

PLANTED_BREAKS: Final = [(language, each) for language, breaks in PLANTED.items() for each in breaks]


@pytest.mark.parametrize(("language", "each"), PLANTED_BREAKS, ids=[each.means for _, each in PLANTED_BREAKS])
def test_planted_break_still_applies(language: Language, each: Planted) -> None:
    """The function is still there, and the piece of it that is replaced is in it once."""
    assert language.broken(each) != (language.folder / each.file).read_text("utf-8")
    assert any(fnmatchcase(known.id, each.caught_by) for known in EVERYTHING)


def test_planted_break_of_a_missing_function_fails_loudly() -> None:
    [node, *_] = PLANTED
    gone = Planted("cycle.mjs", "gone", "old", "new", means="nothing", caught_by="*")
    with pytest.raises(LookupError, match="has 0 functions gone"):
        node.broken(gone)
    with pytest.raises(LookupError, match="0 times"):
        node.broken(replace(gone, function="decide"))


def test_there_are_enough_planted_breaks() -> None:
    for breaks in PLANTED.values():
        assert len({each.means for each in breaks}) == len(breaks) >= 25


@pytest.mark.parametrize("language", PLANTED, ids=lambda language: language.name)
def test_planted_break_is_caught_and_the_sound_client_passes(language: Language, tmp_path: Path) -> None:
    if language.missing:
        pytest.skip(f"{language.name} is not installed")
    each = PLANTED[language][0]
    assert is_passed(certify(language.plant(None, tmp_path / "sound"), only=(each.caught_by,)))
    assert fnmatchcase(planted_caught(language, each), each.caught_by)


# ---- the documents -------------------------------------------------------------------------------


def test_driver_contract_is_complete() -> None:
    harness = (KIT / "harness.py").read_text("utf-8")
    variables: set[str] = set(re.findall(r'"(OAUTH_[A-Z_]+)"', harness))
    assert variables == set(re.findall(r"OAUTH_[A-Z_]+[A-Z]", DRIVER))
    for name in ("skips", "vectors", "login", "token", "refresh", "revoke", "interactive"):
        assert f"`COMMAND {name}`" in DRIVER
    assert all(f"`{level}`" in DRIVER for level in LEVELS)


def imported_with(name: str) -> set[str]:
    """Return the modules of the package that a module imports, at its top and those that they import."""
    found, rest = set[str](), [name]
    while rest:
        found.add(module := rest.pop())
        tree = ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))
        nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level == 1]
        names = [str(node.module or alias.name) for node in nodes for alias in node.names]
        rest += {each for each in names if (PACKAGE / f"{each}.py").is_file()} - found
    return found


def test_guide_covers_every_module_and_every_kind_of_vectors() -> None:
    named: set[str] = set(re.findall(r"`(\w+)\.py`", PORTING)) - {"fake_google"}
    assert imported_with("token") - named == set()
    assert [name for name in named if not (PACKAGE / f"{name}.py").is_file()] == []
    order = PORTING[PORTING.index("## The order") : PORTING.index("## Five common mistakes")]
    assert all(f"`{kind}`" in order for kind in {vector.kind for vector in read_vectors()})


def test_every_rule_where_languages_differ_has_a_vector() -> None:
    """A rule without one is known to the reference alone."""
    section = PORTING[PORTING.index("## Rules where languages differ") : PORTING.index("## What the kit cannot test")]
    rows = re.findall(r"^\| (?!what )(?!-)(.*) \|$", section.replace("|---", "|-"), re.MULTILINE)
    ids = {each.id for each in EVERYTHING}
    assert len(rows) >= 12
    for row in rows:
        assert set(re.findall(r"`([a-z0-9-]+/[a-z0-9-]+)`", row)) & ids, row


def test_key_of_a_malformed_body_may_be_told_or_not(tmp_path: Path) -> None:
    """Some parsers can name it, and others cannot."""
    name = "malformed-responses/trailing-comma"
    body = (
        'for line in sys.stdin: print(json.dumps({"id": json.loads(line)["id"], '
        '"result": {"raises": "malformed", "status": 200, "key": "expires_in"}}), flush=True)'
    )
    [result] = certify(shlex.split(driver(tmp_path, body)), only=(name,))
    assert result.verdict == "passed"


def test_guide_names_existing_scenarios_and_vectors() -> None:
    named: set[str] = set(re.findall(r"`([a-z-]+/[a-z0-9-]+)`", PORTING))
    assert len(named) > 10
    ids = {*(each.id for each in SCENARIOS), *(each.id for each in read_vectors())}
    assert named <= ids


def test_readme_counts_right() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    counts = re.search(r"over (\d+)\svectors and (\d+) live scenarios", readme)
    assert counts
    assert 0 < len(read_vectors()) - int(counts[1]) < 100
    assert 0 < len(SCENARIOS) - int(counts[2]) < 20
    assert "a hundred" in (ROOT / "Makefile").read_text("utf-8")
    assert len(BREAKS) >= 100

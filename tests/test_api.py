# SPDX-License-Identifier: MIT
"""The documented API of `ytmusicapi.auth.oauth`: every name, signature and type is the same here.

`data/ytmusicapi-oauth-api.txt` is its documentation, unchanged. The tests parse it and compare it with the package.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import typing
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from ytmusic_oauth import credentials, models, token

DOCUMENTATION: Final = Path(__file__).with_name("data") / "ytmusicapi-oauth-api.txt"

# What is annotated differently here, and why.
WIDER: Final[Mapping[tuple[str, str], str]] = {
    ("OAuthCredentials", "session"): "any session with the method `post` of requests, which is never imported",
    ("is_oauth", "headers"): "any mapping: CaseInsensitiveDict is a class of requests",
    ("OAuthCredentials", "client_secret"): "a public client has none, so it may be left out",
}


class Entry(NamedTuple):
    """A documented name. `text` is its signature, annotation or base class."""

    module: str  # "" for the package itself
    owner: str
    name: str
    kind: str
    text: str
    default: str = ""


_MODULE: Final = re.compile(r"ytmusicapi\.auth\.oauth\.(\w+) module")
_CLASS: Final = re.compile(r"(?:class|exception) [\w.]+\.(\w+)(\(.*)?")
_BASE: Final = re.compile(r'   Bases: "(\w+)"')
_PROPERTY: Final = re.compile(r"   property (\w+): (.+)")
_METHOD: Final = re.compile(r"   (abstractmethod |classmethod |static |)(\w+)(\(.*\)(?: -> .+)?)")
_ATTRIBUTE: Final = re.compile(r'   (\w+): (".*?)(?: = (\S+))?')


def documented() -> Iterator[Entry]:
    module = owner = ""
    for line in DOCUMENTATION.read_text("utf-8").splitlines():
        if found := _MODULE.fullmatch(line):
            module = found[1]
        elif line == "Module contents":
            module = ""
        elif found := _CLASS.fullmatch(line):
            owner = found[1]
            yield Entry(module, owner, "", "class", found[2] or "")
        elif found := _BASE.fullmatch(line):
            yield Entry(module, owner, "", "base", found[1])
        elif found := _PROPERTY.fullmatch(line):
            yield Entry(module, owner, found[1], "property", found[2])
        elif found := _METHOD.fullmatch(line):
            yield Entry(module, owner, found[2], found[1].strip() or "method", found[3])
        elif found := _ATTRIBUTE.fullmatch(line):
            yield Entry(module, owner, found[1], "attribute", found[2].replace('"', ""), found[3] or "")


ENTRIES: Final = list(documented())
METHODS: Final = ("method", "abstractmethod", "classmethod", "static")


def test_the_whole_documentation_is_parsed() -> None:
    assert Counter(entry.kind for entry in ENTRIES) == {
        "class": 13,
        "base": 13,
        "attribute": 33,
        "property": 5,
        "method": 13,
        "abstractmethod": 3,
        "classmethod": 4,
        "static": 3,
    }
    # Every indented line with a name and a signature or an annotation must have been parsed.
    members = re.findall(r'^   (?:\w+ )?\w+(?:\(|: ")', DOCUMENTATION.read_text("utf-8"), re.MULTILINE)
    assert len(members) == sum(entry.kind not in {"class", "property"} for entry in ENTRIES)


def every(*kinds: str) -> pytest.MarkDecorator:
    found = [entry for entry in ENTRIES if entry.kind in kinds]
    return pytest.mark.parametrize("entry", found, ids=lambda entry: ".".join(filter(None, entry[:3])))


def owner(entry: Entry) -> type[object]:
    module = importlib.import_module(f"ytmusic_oauth.{entry.module}".rstrip("."))
    found: object = getattr(module, entry.owner)
    assert isinstance(found, type)
    return found


def evaluated(annotations: Mapping[str, str]) -> Mapping[str, object]:
    """Evaluate annotations that use ytmusicapi's names or ours."""

    def probe() -> None: ...

    probe.__annotations__ = dict(annotations)
    known = {**vars(typing), **vars(models), **vars(credentials), **vars(token), "CaseInsensitiveDict": dict}
    return typing.get_type_hints(probe, known)


def assert_accepts(call: object, entry: Entry) -> None:
    """Check that every call that the documentation allows is possible here."""
    parsed = ast.parse(f"def documented{entry.text}: ...").body[0]
    assert isinstance(parsed, ast.FunctionDef)
    assert callable(call)
    arguments, empty = parsed.args, inspect.Parameter.empty
    written = [*arguments.args, *arguments.kwonlyargs]
    defaults = [*[None] * (len(arguments.args) - len(arguments.defaults)), *arguments.defaults, *arguments.kw_defaults]
    either, by_name = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    kinds = [*[either] * len(arguments.args), *[by_name] * len(arguments.kwonlyargs)]
    theirs = {
        argument.arg: (kind, empty if default is None else ast.literal_eval(default))
        for argument, kind, default in zip(written, kinds, defaults, strict=True)
    }
    parameters = inspect.signature(call).parameters
    ours = {name: (each.kind, each.default) for name, each in parameters.items()}
    for name, (kind, default) in theirs.items():
        if (entry.name or entry.owner, name) in WIDER and default is empty:
            theirs[name] = kind, parameters[name].default
    assert list(theirs.items()) == [(name, each) for name, each in ours.items() if name in theirs]
    for name in ours.keys() - theirs.keys():
        assert parameters[name].kind is by_name, name
        assert parameters[name].default is not empty, name

    annotations = {each.arg: ast.unparse(each.annotation) for each in written if each.annotation}
    if parsed.returns is not None and entry.kind != "class":
        annotations["return"] = ast.unparse(parsed.returns)
    hints = typing.get_type_hints(inspect.getattr_static(call, "__init__") if isinstance(call, type) else call)
    for name, annotation in evaluated(annotations).items():
        if (entry.name or entry.owner, name) not in WIDER:
            assert hints[name] == annotation, name


@every("class")
def test_every_class_has_its_module_and_its_signature(entry: Entry) -> None:
    ours = owner(entry)
    if entry.text:
        assert_accepts(ours, entry)


@every("base")
def test_every_class_has_its_base(entry: Entry) -> None:
    bases = {each.__name__ for each in owner(entry).__mro__}
    if entry.text == "TypedDict":
        assert typing.is_typeddict(owner(entry))
    elif typing.is_typeddict(owner(entry)):
        base = typing.get_type_hints(getattr(models, entry.text))
        assert base.items() < typing.get_type_hints(owner(entry)).items()
    else:
        assert entry.text in bases


@every("attribute")
def test_every_attribute_has_its_type_and_its_default(entry: Entry) -> None:
    hint: object = typing.get_type_hints(owner(entry))[entry.name]
    if getattr(typing.get_origin(hint), "__name__", "") == "_Field":  # a field of a token, read as its value
        [hint] = typing.get_args(hint)
    assert hint == evaluated({"it": entry.text})["it"]
    if entry.default:
        assert getattr(owner(entry), entry.name) == ast.literal_eval(entry.default)


@every("property")
def test_every_property_has_its_type(entry: Entry) -> None:
    found = inspect.getattr_static(owner(entry), entry.name)
    assert isinstance(found, property)
    assert typing.get_type_hints(found.fget)["return"] == evaluated({"it": entry.text})["it"]


@every(*METHODS)
def test_every_method_has_its_signature(entry: Entry) -> None:
    found = inspect.getattr_static(owner(entry), entry.name)
    assert isinstance(found, classmethod) == (entry.kind == "classmethod")
    assert isinstance(found, staticmethod) == (entry.kind == "static")
    assert getattr(found, "__isabstractmethod__", False) == (entry.kind == "abstractmethod")
    bound: object = getattr(owner(entry), entry.name)
    if inspect.isfunction(bound) and entry.kind != "static":  # without `self`, as it is called on an instance
        bound = bound.__get__(object())
    assert_accepts(bound, entry)


def test_the_exceptions_above_are_still_documented() -> None:
    names = {(entry.name or entry.owner) for entry in ENTRIES if entry.kind in {"class", *METHODS}}
    assert {name for name, _ in WIDER} <= names

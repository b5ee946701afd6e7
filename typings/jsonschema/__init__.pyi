# SPDX-License-Identifier: MIT
# What the tests use of jsonschema.

from collections.abc import Iterator, Mapping

class ValidationError(Exception):
    message: str
    json_path: str

class Draft202012Validator:
    def __init__(self, schema: Mapping[str, object]) -> None: ...
    @classmethod
    def check_schema(cls, schema: Mapping[str, object]) -> None: ...
    def iter_errors(self, instance: object) -> Iterator[ValidationError]: ...
    def is_valid(self, instance: object) -> bool: ...

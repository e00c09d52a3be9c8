# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What is wrong with a manifest, one line each: the place, what was expected there, what was found."""

from __future__ import annotations

import difflib
import typing as t

_RANK_UNKNOWN_KEY = 0
_RANK_MISSING = 1
_RANK_VALUE = 2


class Problem(t.NamedTuple):
    """One error. rank: lower is more telling; a misspelt key comes before the field that is missing because of it."""

    rank: int
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


def value_problem(path: str, expected: str, got: str) -> Problem:
    """Return the usual problem: a value that is not what its place needs."""
    return Problem(_RANK_VALUE, path, f"expected {expected}, got {got}")


def missing_problem(path: str, expected: str) -> Problem:
    """Return the problem of a field that has to be there."""
    return Problem(_RANK_MISSING, path, f"expected {expected}, got nothing")


def unknown_key(path: t.Sequence[t.Any], name: str, known: t.Sequence[str]) -> Problem:
    """Return the problem of a key nobody reads, with the nearest key that exists."""
    return Problem(_RANK_UNKNOWN_KEY, dotted([*path, name]),
                   f"expected one of {', '.join(known)}, got {shown(name)}{near_miss(name, known)}")


def near_miss(word: t.Any, known: t.Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` or nothing."""
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def dotted(path: t.Iterable[t.Any]) -> str:
    """Return a place in the data as a person writes it: ``platforms.el9.os[0]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def shown(value: t.Any) -> str:
    """Return a short description of a value for an error."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, dict):
        return "a map" if value else "an empty map"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = repr(str(value))  # repr, so that a stray line feed is seen
    return f"{text[:60]}...'" if len(text) > 63 else text


def schema_problems(validator: t.Any, data: t.Any) -> t.List[Problem]:
    """Return every violation of the schema, most telling first; empty when data is valid."""
    found: t.Set[Problem] = set()
    for error in validator.iter_errors(data):
        found.update(_translated(error, validator.schema))
    return sorted(found)


def _translated(error: t.Any, root: t.Dict[str, t.Any]) -> t.Iterator[Problem]:
    """Yield our words for one jsonschema error; the schema's titles say what was expected."""
    path, schema = list(error.absolute_path), error.schema
    if error.validator == "additionalProperties":
        for name in sorted(set(error.instance) - set(schema["properties"])):
            yield unknown_key(path, name, list(schema["properties"]))
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield missing_problem(dotted([*path, name]), _title(schema["properties"][name], root))
    elif "propertyNames" in error.schema_path:
        yield value_problem(dotted([*path, error.instance]), _expected(schema), shown(error.instance) + _hint(error))
    elif error.validator == "uniqueItems":
        yield value_problem(dotted(path), "every item once", f"{shown(_repeated(error.instance))} twice")
    elif error.validator == "maxLength":
        yield value_problem(dotted(path), f"at most {error.validator_value} characters", str(len(error.instance)))
    else:
        yield value_problem(dotted(path), _expected(schema), shown(error.instance) + _hint(error))


def _repeated(items: t.List[t.Any]) -> t.Any:
    return next((item for index, item in enumerate(items) if item in items[:index]), items[-1])


def _title(schema: t.Dict[str, t.Any], root: t.Dict[str, t.Any]) -> str:
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema["title"]


def _expected(schema: t.Dict[str, t.Any]) -> str:
    title = schema["title"]
    return f"{title} (one of {', '.join(schema['enum'])})" if "enum" in schema else title


def _hint(error: t.Any) -> str:
    """Return what else helps: the nearest allowed word, or how YAML is told that a number is text."""
    if error.validator == "enum":
        return near_miss(error.instance, error.schema["enum"])
    number = isinstance(error.instance, (int, float)) and not isinstance(error.instance, bool)
    if error.validator == "type" and "string" in error.validator_value and number:
        return " (put it in quotes)"
    return ""

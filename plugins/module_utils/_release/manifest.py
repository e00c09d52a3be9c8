# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Load and check release manifests: a file, a shipped name or data in, a checked manifest out. Controller only."""

from __future__ import annotations

import datetime
import functools
import json
import os
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import document, rules
from ansible_collections.egi.cmd.plugins.module_utils._release.problems import Problem, near_miss, schema_problems

try:
    import jsonschema
except ImportError:
    jsonschema = None  # type: ignore[assignment]

_HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMA_FILE = os.path.join(_HERE, "release.schema.json")
_SHIPPED = os.path.join(_HERE, "shipped")


def shipped_names() -> t.List[str]:
    """Return the names of the manifests that come with the collection, sorted."""
    return sorted(name[:-4] for name in os.listdir(_SHIPPED) if name.endswith(".yml"))


def load_shipped(name: str) -> t.Dict[str, t.Any]:
    """Return a shipped manifest. Raises Failure with the names there are."""
    names = shipped_names()
    if name not in names:
        raise Failure(f"find release '{name}'", f"no shipped release is called so{near_miss(name, names)}",
                      f"Name one of {', '.join(names)}, or give your own file with a slash or ending in .yml")
    return load_file(os.path.join(_SHIPPED, name + ".yml"))


def load_file(path: str) -> t.Dict[str, t.Any]:
    """Return the checked manifest in a YAML (or JSON) file. Raises Failure."""
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise Failure(f"read release manifest {path}", reason, "Check the path and its permissions") from error
    return check(document.parse(text, path), path)


def check(data: t.Any, source: str) -> t.Dict[str, t.Any]:
    """Return data as a checked manifest: plain types, ``dates`` as datetime.date.

    source: what errors call it, a path or a word. Raises Failure with one line for every error, the most telling
    first: ``<source>: deb.suite: expected ..., got ...``.
    """
    manifest = document.plain(data, source)
    problems = schema_problems(_validator(source), manifest) or rules.problems(manifest)
    if problems:
        raise _refusal(source, problems)
    if "dates" in manifest:
        manifest["dates"] = {
            name: datetime.date.fromisoformat(day) for name, day in manifest["dates"].items()
        }
    return manifest


def _refusal(source: str, problems: t.List[Problem]) -> Failure:
    lines = [f"{source}: {problem}" for problem in problems]
    if len(lines) == 1:
        return Failure(f"accept release manifest {source}", lines[0], "docs/manifest.md explains every field")
    heading = f"{len(lines)} errors (docs/manifest.md explains every field)"
    return Failure(f"accept release manifest {source}", "\n  ".join([heading, *lines]))


def _validator(source: str) -> t.Any:
    if jsonschema is None or not hasattr(jsonschema, "Draft202012Validator"):
        raise Failure(f"check release manifest {source}", "the Python library jsonschema (4.0 or later) is missing",
                      "Run pip install jsonschema on the controller")
    return _compiled()


@functools.lru_cache(maxsize=1)
def _compiled() -> t.Any:
    with open(SCHEMA_FILE, encoding="utf-8") as stream:
        schema = json.load(stream)
    validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})
    return validator(schema, format_checker=jsonschema.FormatChecker(formats=["date"]))


def _pattern(validator: t.Any, pattern: str, instance: t.Any, _schema: t.Any) -> t.Iterator[t.Any]:
    """The keyword as JSON Schema means it: ``$`` is the end. Python's also matches before a last line feed, which
    would let a name break out of the line it is written to."""
    if validator.is_type(instance, "string") and not re.search(re.sub(r"\$\Z", r"\\Z", pattern), instance):
        yield jsonschema.ValidationError("pattern")

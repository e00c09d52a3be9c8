# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""YAML text to plain data, strictly: no duplicate keys, no tags, errors with line and column. Controller only."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

try:
    import yaml
except ImportError:
    yaml = None  # type: ignore[assignment]

# A manifest has a few hundred values. The limits stop recursive and exploding aliases before they are copied.
_MAX_VALUES = 20000
_MAX_DEPTH = 32


def parse(text: str, source: str) -> t.Any:
    """Return the one document in text. source: the name errors use. Raises Failure."""
    action = f"read release manifest {source}"
    if yaml is None:
        raise Failure(action, "the Python library PyYAML is missing", "Run pip install pyyaml on the controller")
    try:
        return yaml.load(text, Loader=_strict_loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}: line {mark.line + 1}, column {mark.column + 1}" if mark else source
        raise Failure(action, f"{where}: {error.problem or error.context}", "Correct the YAML syntax there") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise Failure(action, f"{source}: not readable as YAML: {reason}", "Correct the YAML syntax") from error


def _strict_loader() -> t.Any:
    """Return a safe loader class that refuses a key given twice (PyYAML silently keeps the last one)."""

    class StrictLoader(yaml.SafeLoader):
        """Safe loader, duplicate keys refused."""

    def mapping(loader: t.Any, node: t.Any) -> t.Iterator[t.Any]:
        seen: t.Set[t.Any] = set()
        for key_node, _unused in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                continue
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key_node.value}' is given twice", key_node.start_mark)
            seen.add(key_node.value)
        yield from loader.construct_yaml_map(node)

    def timestamp(loader: t.Any, node: t.Any) -> t.Any:
        try:
            return loader.construct_yaml_timestamp(node)
        except ValueError:  # looks like a date and is none (2026-13-45): the schema refuses it by its place
            return str(node.value)

    StrictLoader.add_constructor("tag:yaml.org,2002:map", mapping)
    StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", timestamp)
    return StrictLoader


def plain(value: t.Any, source: str) -> t.Any:
    """Return a deep copy made of dict, list, str, int, float, bool and None only: what JSON can say.

    Dates become YYYY-MM-DD, Ansible's own string and container types become Python's. Anything else becomes its
    description in angle brackets, which no schema accepts. Raises Failure for data too deep or too large.
    """
    budget = [_MAX_VALUES]

    def copy(item: t.Any, depth: int) -> t.Any:
        budget[0] -= 1
        if depth > _MAX_DEPTH or budget[0] < 0:
            raise Failure(f"read release manifest {source}", "it is nested too deeply or far too large",
                          "Remove recursive YAML aliases")
        if item is None or isinstance(item, bool):
            return item
        if isinstance(item, str):
            return str(item)
        if isinstance(item, (int, float)):
            return item
        if isinstance(item, dict):
            return {_key(key): copy(entry, depth + 1) for key, entry in item.items()}
        if isinstance(item, (list, tuple)):
            return [copy(entry, depth + 1) for entry in item]
        if isinstance(item, datetime.date) and not isinstance(item, datetime.datetime):
            return item.isoformat()
        return f"<{type(item).__name__}>"

    return copy(value, 0)


def _key(key: t.Any) -> str:
    return str(key) if isinstance(key, str) else f"<{type(key).__name__} {key}>"

# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Templates of the template description language (TDL) of Oz and Image Factory: packages, repositories, commands."""

from __future__ import annotations

import re
import typing as t
from xml.parsers import expat

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.definition_wishes import Wishes

# What the definition says in its own way; it is read and left alone.
_KNOWN_ELSEWHERE = {"name", "os", "description", "version"}
_CHILDREN = {
    "template": _KNOWN_ELSEWHERE | {"packages", "repositories", "commands"}, "packages": {"package"}, "repositories": {"repository"},
    "repository": {"url", "signed", "persisted"}, "commands": {"command"}, "package": set(), "command": set(), "url": set(), "signed": set(),
    "persisted": set(),
}
_DEPTH = 16


def read(text: str, path: str) -> Wishes:
    """Read a template. path: for errors. Raises Failure for what is no template, and for elements that mean nothing here."""
    packages: t.List[str] = []
    repositories: t.List[t.Tuple[str, str]] = []
    commands: t.List[str] = []
    action = f"read TDL template {path}"
    for element, parent, attributes, content in _elements(text, action):
        if element == "package":
            packages.append(_required(attributes, "name", element, action))
        elif element == "url" and parent:
            repositories.append((_name(parent.get("name"), action), content.strip()))
        elif element == "signed" and content.strip() not in ("yes", "true", "True"):
            raise Failure(action, "a repository is not signed", "Nothing unsigned is ever built from: sign it, and give repository_keys")
        elif element == "command":
            _refuse_encoded(attributes, action)
            commands.append(content.strip("\n"))
    return Wishes(tuple(sorted(set(packages))), tuple(repositories), "\n".join(commands) + "\n" if commands else "")


def _elements(text: str, action: str) -> t.List[t.Tuple[str, t.Dict[str, str], t.Dict[str, str], str]]:
    """Return (element, attributes of the one around it, its own, its text) of all elements, each when it ends."""
    found: t.List[t.Tuple[str, t.Dict[str, str], t.Dict[str, str], str]] = []
    stack: t.List[t.Tuple[str, t.Dict[str, str], t.List[str]]] = []

    def start(name: str, attributes: t.Dict[str, str]) -> None:
        around = stack[-1][0] if stack else ""
        inside = any(one in _KNOWN_ELSEWHERE for one, _attributes, _text in stack)
        if not inside and (name not in _CHILDREN.get(around, {"template"} if not stack else set())):
            raise Failure(action, f"it has the element <{name}>{f' in <{around}>' if around else ''}, which means nothing for an image", "Remove it")
        if len(stack) > _DEPTH:
            raise Failure(action, "its elements are nested too deeply", "Give a TDL template")
        stack.append((name, attributes, []))

    def end(_name: str) -> None:
        name, attributes, content = stack.pop()
        if not any(one in _KNOWN_ELSEWHERE for one, _attributes, _text in stack):
            found.append((name, stack[-1][1] if stack else {}, attributes, "".join(content)))

    def refuse(*_arguments: t.Any) -> None:
        raise Failure(action, "it has a document type or an entity", "Remove it: neither is needed")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = lambda data: stack[-1][2].append(data) if stack else None
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise Failure(action, f"line {error.lineno}: {expat.ErrorString(error.code)}", "Correct the XML") from error
    return found


def _required(attributes: t.Mapping[str, str], name: str, element: str, action: str) -> str:
    if not attributes.get(name):
        raise Failure(action, f"a <{element}> has no {name}", "Add it")
    return attributes[name]


def _name(name: t.Optional[str], action: str) -> str:
    """Return a repository's name as repository sets know names."""
    plain = re.sub(r"[^a-z0-9-]+", "-", (name or "").lower()).strip("-")
    if not plain:
        raise Failure(action, "a <repository> has no name", "Add it")
    return plain


def _refuse_encoded(attributes: t.Mapping[str, str], action: str) -> None:
    if attributes.get("type", "raw") != "raw":
        raise Failure(action, f"a <command> is of type {attributes['type']}", "Write it as it is")

# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""XML of OVF packages as a small tree: read without document types or entities, written the same on every Python."""

from __future__ import annotations

import re
import typing as t
from xml.parsers import expat

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Problem

MOST = 4 << 20  # bytes of a descriptor; real ones have some ten thousand
_DEEPEST = 64
_XML = "http://www.w3.org/XML/1998/namespace"
# What XML 1.0 cannot carry, not even as a reference (section 2.2).
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_IN_TEXT = {character: _ESCAPES[character] for character in "&<>\r"}


class Node:
    """An element. name and attributes are as written, prefixes included; uri and local are what the name means."""

    def __init__(self, name: str, attributes: t.Optional[t.Mapping[str, str]] = None, *children: t.Union[Node, str],
                 scope: t.Optional[t.Dict[str, str]] = None) -> None:
        self.name = name
        self.attributes = dict(attributes or {})
        self.children: t.List[t.Union[Node, str]] = list(children)
        self._scope = scope or {}
        prefix, _colon, local = name.rpartition(":")
        self.uri, self.local = self._scope.get(prefix, ""), local

    def get(self, local: str, uri: str) -> str:
        """An attribute of a namespace, or one without prefix, as some writers have it; empty when there is none."""
        for name, value in self.attributes.items():
            prefix, _colon, last = name.rpartition(":")
            if last == local and (not prefix or self._scope.get(prefix, "") == uri):
                return value
        return ""

    def put(self, local: str, uri: str, value: str) -> None:
        """Set an attribute, under the name it has already or with the namespace's prefix."""
        prefixes = [prefix for prefix, meaning in self._scope.items() if prefix and meaning == uri]
        known = [name for name in self.attributes if name.rpartition(":")[2] == local and name.rpartition(":")[0] in ["", *prefixes]]
        self.attributes[known[0] if known else f"{prefixes[0]}:{local}" if prefixes else local] = value

    def sibling(self, local: str, text: str = "") -> Node:
        """A new element with the prefix of this one, for the same place."""
        prefix = self.name.rpartition(":")[0]
        return Node(f"{prefix}:{local}" if prefix else local, {}, *([text] if text else []), scope=self._scope)

    def nodes(self, local: str = "") -> t.List[Node]:
        """The elements in it, all or those of a name."""
        return [child for child in self.children if isinstance(child, Node) and (not local or child.local == local)]

    def text(self, local: str = "") -> str:
        """Its own text, or the text of the first element of a name in it, without blanks around."""
        if local:
            found = self.nodes(local)
            return found[0].text() if found else ""
        return "".join(child for child in self.children if isinstance(child, str)).strip()


class _Builder:
    """Makes the tree of expat's events."""

    def __init__(self) -> None:
        self.root: t.Optional[Node] = None
        self._open: t.List[Node] = []
        self._scopes: t.List[t.Dict[str, str]] = [{"xml": _XML}]

    def start(self, name: str, attributes: t.Dict[str, str]) -> None:
        if len(self._open) >= _DEEPEST:
            raise Refused(Problem("xml-depth", f"its elements are nested deeper than {_DEEPEST}", "Do not use this package"))
        declared = {key[6:]: value for key, value in attributes.items() if key.startswith("xmlns:")}
        if "xmlns" in attributes:
            declared[""] = attributes["xmlns"]
        self._scopes.append({**self._scopes[-1], **declared} if declared else self._scopes[-1])
        node = Node(name, attributes, scope=self._scopes[-1])
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self, _name: str) -> None:
        self._open.pop()
        self._scopes.pop()

    def text(self, text: str) -> None:
        self._open[-1].children.append(text)


class Refused(Exception):
    """A descriptor that cannot be read at all, with the rule it breaks."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


def parse(data: bytes) -> Node:
    """The tree of a descriptor. Raises Refused for what is not UTF-8, not well-formed, or declares a document type."""
    if len(data) > MOST:
        raise Refused(Problem("descriptor-size", f"it has more than {MOST >> 20} MiB", "Do not use this package"))
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(Problem("xml-encoding", "it is not UTF-8", "Write the descriptor as UTF-8")) from error
    builder = _Builder()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = builder.start, builder.end, builder.text

    def declared(*_what: t.Any) -> None:
        raise Refused(Problem("xml-doctype", "it declares a document type, which may define entities", "Do not use this package"))

    parser.StartDoctypeDeclHandler = declared
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Refused(Problem("xml-malformed", f"it is not well-formed ({error})", "Get the package again")) from error
    if builder.root is None:
        raise Refused(Problem("xml-malformed", "it has no element", "Get the package again"))
    return builder.root


def serialize(root: Node) -> bytes:
    """The bytes of a tree: UTF-8, one element in a line, two blanks a level; text is never changed."""
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + "".join(_lines(root, ""))).encode("utf-8")


def compact(node: Node) -> str:
    """An element in one line, without blanks between elements: as signatures of EC2's bundles need it."""
    inner = "".join(compact(child) if isinstance(child, Node) else _escaped(child, _IN_TEXT) for child in node.children)
    return f"<{node.name}{_attributes(node)}>{inner}</{node.name}>"


def _attributes(node: Node) -> str:
    return "".join(f' {name}="{_escaped(value, _ESCAPES)}"' for name, value in node.attributes.items())


def _lines(node: Node, indent: str) -> t.Iterator[str]:
    attributes = _attributes(node)
    inner = node.nodes()
    text = "".join(child for child in node.children if isinstance(child, str))
    if inner:
        # Text beside elements is layout: no element of OVF has mixed content.
        yield f"{indent}<{node.name}{attributes}>\n"
        for child in inner:
            yield from _lines(child, indent + "  ")
        yield f"{indent}</{node.name}>\n"
    elif text:
        yield f"{indent}<{node.name}{attributes}>{_escaped(text, _IN_TEXT)}</{node.name}>\n"
    else:
        yield f"{indent}<{node.name}{attributes}/>\n"


def _escaped(text: str, escapes: t.Mapping[str, str]) -> str:
    wrong = _UNSPEAKABLE.search(text)
    if wrong:
        raise Failure("write an OVF descriptor", f"XML cannot carry the character {wrong[0]!r} of {text[:40]!r}", "Encode the value, for example as base64")
    return "".join(escapes.get(character, character) for character in text)

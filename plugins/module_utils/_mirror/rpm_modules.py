# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""modules.yaml with the streams of some packages only.

Read by lines, because a mirror host has no YAML library: what libmodulemd writes, block style with one artifact a line. What
is written otherwise is refused, never guessed at.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Entry

_KEY = re.compile(r"""( *)["']?([A-Za-z0-9_.+-]+)["']?:(?: +(.*))?""")
_ITEM = re.compile(r" *- +(.*)")
_FLOW = re.compile(r"\[([^\[\]{}#]*)\](?: +#.*)?")
_SCALAR = re.compile(r"""(?:"([^"\\]*)"|'([^']*)'|([^\s"'&*!|>%@`{}\[\],#][^#"'{}\[\]]*?))(?:\s+#.*)?""")
_LONGEST = 64 << 20  # bytes of one document; whole files of real repositories have 10 MB
_OF_A_STREAM = ("modulemd-obsoletes", "modulemd-translations")

Stream = t.Tuple[str, str]
_Places = t.Dict[str, t.Tuple[int, int]]  # key of a block mapping -> its first line and the one after its last
_Edit = t.Tuple[int, int, t.List[str]]  # lines from, to, and what stands there instead


class Modules:
    """Keeps the streams that have a kept package and the streams those require, for dnf takes no package of a stream that
    requires one it does not know; and what is said about them. kept: documents kept so far.
    """

    def __init__(self, what: str, entries: t.Iterable[Entry], gone: t.Collection[str]) -> None:
        """entries: of what is kept; gone: names the upstream has and of which nothing was kept. what: names the file in the
        Failure, raised for what cannot be read."""
        self.kept = 0
        self._gone = gone
        self._action = f"read {what}"
        self._artifacts = {_nevra(entry) for entry in entries}
        self._requires: t.Dict[Stream, t.List[t.Tuple[str, t.List[str]]]] = {}  # of all streams: modules and which streams of them
        self._held: t.Set[Stream] = set()  # streams with a kept package
        self._streams: t.Set[Stream] = set()  # and those they require

    def copy(self, slices: t.Callable[[], t.Iterable[bytes]]) -> t.Iterator[bytes]:
        """The kept documents, their lists of artifacts filtered. slices: begins reading the file anew; it is read twice,
        because a document may be about others that come later."""
        for lines in self._documents(slices()):
            kind, data = self._described(lines)
            if kind == "modulemd":
                self._learn(lines, data)
        self._close()
        for lines in self._documents(slices()):
            found = self._filtered(lines)
            if found:
                self.kept += 1
                yield "\n".join(["---", *found, "...", ""]).encode()

    def _documents(self, slices: t.Iterable[bytes]) -> t.Iterator[t.List[str]]:
        lines: t.List[str] = []
        size = 0
        for line in self._lines(slices):
            if line == "..." or line[:4].rstrip() == "---":
                if line[3:].strip():
                    raise self._refused("a document begins on the line of its marker")
                yield lines
                lines, size = [], 0
            else:
                lines.append(line)
                size += len(line)
                if size > _LONGEST:
                    raise self._refused(f"one of its documents has more than {_LONGEST} bytes")
        yield lines

    def _lines(self, slices: t.Iterable[bytes]) -> t.Iterator[str]:
        rest = b""
        try:
            for data in slices:
                whole, newline, rest = (rest + data).rpartition(b"\n")
                if newline:
                    yield from whole.decode("utf-8").split("\n")
                elif len(rest) > _LONGEST:
                    raise self._refused("it has a line without end")
            yield from rest.decode("utf-8").split("\n") if rest else ()
        except UnicodeDecodeError as error:
            raise self._refused("it is not UTF-8") from error

    def _described(self, lines: t.List[str]) -> t.Tuple[str, _Places]:
        """What kind of document it is, '' for none, and the fields of its data."""
        fields = self._fields(lines, 0, len(lines))
        if not fields:
            return "", {}
        return self._scalar(lines, fields, "document"), self._fields(lines, *self._block(lines, fields, "data"))

    def _learn(self, lines: t.List[str], data: _Places) -> None:
        stream = self._stream_of(lines, data, "name")
        required = self._requires.setdefault(stream, [])
        if "dependencies" in data:
            for group in self._groups(lines, *self._block(lines, data, "dependencies")):
                fields = self._fields(group, 0, len(group))
                inner = self._fields(group, *self._block(group, fields, "requires")) if "requires" in fields else {}
                required += [(module, self._list(group, inner, module)) for module in inner]
        if any(self._item(line) in self._artifacts for line in self._artifacts_of(lines, data)[1]):
            self._held.add(stream)

    def _close(self) -> None:
        """Streams may be given as those that fit, as those that do not (-1), or not at all, which all do."""
        waiting = set(self._held)
        while waiting:
            self._streams |= waiting
            required = [one for stream in waiting for one in self._requires[stream]]
            waiting = {
                (name, stream) for module, streams in required for name, stream in self._requires
                if name == module and (stream in streams if any(not one.startswith("-") for one in streams) else f"-{stream}" not in streams)
            } - self._streams

    def _filtered(self, lines: t.List[str]) -> t.List[str]:
        """The document as it shall be, nothing when it is left out."""
        kind, data = self._described(lines)
        if kind == "modulemd":
            return self._stream(lines, data)
        if kind == "modulemd-defaults":
            return self._defaults(lines, data)
        if kind in _OF_A_STREAM:
            return lines if self._stream_of(lines, data, "module") in self._streams else []
        return []  # modulemd-packager, and what nobody has defined yet

    def _stream(self, lines: t.List[str], data: _Places) -> t.List[str]:
        stream = self._stream_of(lines, data, "name")
        start, artifacts = self._artifacts_of(lines, data)
        kept = [line for line in artifacts if self._item(line) in self._artifacts]
        if not kept and (stream in self._held or stream not in self._streams):
            return []
        edits = self._profiles(lines, data, {_name(self._item(line)) for line in artifacts} - {_name(self._item(line)) for line in kept})
        if "artifacts" in data:
            # Beside rpms only rpm-map may stand, which lists every package again
            first, last = data["artifacts"]
            edits.append((first, last, [lines[first], lines[start - 1], *kept] if kept else []))
        for first, last, new in sorted(edits, reverse=True):
            lines = [*lines[:first], *new, *lines[last:]]
        return lines

    def _profiles(self, lines: t.List[str], data: _Places, gone: t.Collection[str]) -> t.List[_Edit]:
        """Profiles without packages that are gone: dnf installs none that names a package it cannot find."""
        edits: t.List[_Edit] = []
        profiles = self._fields(lines, *self._block(lines, data, "profiles")) if "profiles" in data else {}
        for name in profiles:
            fields = self._fields(lines, *self._block(lines, profiles, name))
            listed = self._list(lines, fields, "rpms") if "rpms" in fields else []
            left = [one for one in listed if one not in gone and one not in self._gone]
            if left != listed:
                first, last = fields["rpms"]
                edits.append((first, last, [f"{' ' * _indented(lines[first])}rpms: [{', '.join(left)}]"]))
        return edits

    def _artifacts_of(self, lines: t.List[str], data: _Places) -> t.Tuple[int, t.List[str]]:
        """The lines of the list of a stream's packages, and where it starts."""
        artifacts = self._fields(lines, *self._block(lines, data, "artifacts")) if "artifacts" in data else {}
        if "rpms" not in artifacts:
            return 0, []
        start, end = self._block(lines, artifacts, "rpms")
        return start, lines[start:end]

    def _defaults(self, lines: t.List[str], data: _Places) -> t.List[str]:
        module = self._scalar(lines, data, "module")
        if not any(name == module for name, _stream in self._streams):
            return []
        if "stream" in data and self._stream_of(lines, data, "module") not in self._streams:
            # A default nobody can enable: without it the module simply has none
            first, last = data["stream"]
            return [*lines[:first], *lines[last:]]
        return lines

    def _stream_of(self, lines: t.Sequence[str], data: _Places, module: str) -> Stream:
        return self._scalar(lines, data, module), self._scalar(lines, data, "stream")

    def _fields(self, lines: t.Sequence[str], start: int, end: int) -> _Places:
        """The keys of the block mapping that fills these lines."""
        indentation = next((_indented(line) for line in lines[start:end] if not _says_nothing(line)), 0)
        begins: t.List[t.Tuple[str, int]] = []
        for number in range(start, end):
            line = lines[number].rstrip()
            if _says_nothing(line) or _indented(line) > indentation or (_ITEM.fullmatch(line) and begins):
                continue
            match = _KEY.fullmatch(line)
            if match is None or _indented(line) < indentation:
                raise self._refused(f"{line.strip()[:60]!r} is not written as libmodulemd writes it")
            if any(match.group(2) == key for key, _number in begins):
                raise self._refused(f"it has {match.group(2)[:60]} twice")
            begins.append((match.group(2), number))
        stops = [number for _key, number in begins[1:]] + [end]
        return {key: (number, stop) for (key, number), stop in zip(begins, stops)}

    def _groups(self, lines: t.Sequence[str], start: int, end: int) -> t.List[t.List[str]]:
        """The mappings of a block sequence of them; a single mapping stands for itself, as in version 1."""
        groups: t.List[t.List[str]] = [[]]
        first = next((_indented(line) for line in lines[start:end] if not _says_nothing(line)), 0)
        for line in lines[start:end]:
            if line[first:first + 2] == "- " and _indented(line) == first:
                groups.append([])
                line = f"{line[:first]}  {line[first + 2:]}"
            groups[-1].append(line)
        return [group for group in groups if any(not _says_nothing(line) for line in group)]

    def _list(self, lines: t.Sequence[str], fields: _Places, key: str) -> t.List[str]:
        """Scalars: one, a flow sequence on its line, or a block sequence."""
        start, end = fields[key]
        match = _KEY.fullmatch(lines[start].rstrip())
        text = (match.group(3) or "" if match else "").strip()
        if not text:
            return [item for item in map(self._item, lines[start + 1:end]) if item]
        flow = _FLOW.fullmatch(text)
        if flow is None:
            return [self._plain(text, key)]
        return [self._plain(one, key) for one in flow.group(1).split(",") if one.strip()]

    def _scalar(self, lines: t.Sequence[str], fields: _Places, key: str) -> str:
        number = fields.get(key, (-1, -1))[0]
        match = _KEY.fullmatch(lines[number].rstrip()) if number >= 0 else None
        return self._plain(match.group(3) or "" if match else "", key)

    def _plain(self, text: str, key: str) -> str:
        match = _SCALAR.fullmatch(text.strip())
        if match is None:
            raise self._refused(f"its {key} cannot be read from {text[:60]!r}")
        return next(group for group in match.groups() if group is not None)

    def _item(self, line: str) -> str:
        if _says_nothing(line):
            return ""
        match = _ITEM.fullmatch(line.rstrip())
        if match is None:
            raise self._refused(f"{line.strip()[:60]!r} is no item of a list")
        return self._plain(match.group(1), "list")

    def _block(self, lines: t.Sequence[str], fields: _Places, key: str) -> t.Tuple[int, int]:
        """The lines below a key that has nothing on its own line."""
        if key not in fields:
            raise self._refused(f"a document has no {key}")
        start, end = fields[key]
        match = _KEY.fullmatch(lines[start].rstrip())
        if match is None or (match.group(3) or "").split("#")[0].strip() not in ("", "{}", "[]"):
            raise self._refused(f"its {key} is not written as libmodulemd writes it")
        return start + 1, end

    def _refused(self, why: str) -> Failure:
        return Failure(self._action, why, "Ask the upstream for a modules.yaml as modulemd-merge writes it; nothing was used")


def _nevra(entry: Entry) -> str:
    version = entry.version if ":" in entry.version else f"0:{entry.version}"
    return f"{entry.package}-{version}.{entry.architecture}"


def _name(artifact: str) -> str:
    return artifact.rsplit("-", 2)[0]


def _says_nothing(line: str) -> bool:
    """Whether a line is blank, a comment or a directive of YAML."""
    return not line.strip() or line.lstrip().startswith("#") or line.startswith("%")


def _indented(line: str) -> int:
    return len(line) - len(line.lstrip(" "))

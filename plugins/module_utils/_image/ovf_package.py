# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A package read: an OVA, or a directory with a descriptor. Everything is judged before anything is used."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import ova, ovf_certificate, ovf_manifest, ovf_vmdk, ovf_xml
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_archive import Member, scan
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Envelope, Problem
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_read import name_problem, read

_CHUNK = 1 << 20
_AGAIN = "Get the package again"


class Content(t.NamedTuple):
    """A file of a package. digests: hexadecimal by the names hashlib has; always with sha256."""

    name: str
    size: int
    digests: t.Dict[str, str]


class Package(t.NamedTuple):
    """What was read. envelope: None if the descriptor cannot be read; digest: the manifest's, ``none`` without one; signed: whether
    there is a certificate whose signature is good."""

    envelope: t.Optional[Envelope]
    descriptor: str
    digest: str
    signed: bool
    contents: t.Tuple[Content, ...]
    problems: t.Tuple[Problem, ...]

    def errors(self) -> t.List[Problem]:
        """The problems that make it unusable."""
        return [problem for problem in self.problems if problem.severity == "error"]


class Source:
    """Where the files of a package are; closed by ``with``."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.archive: t.Optional[t.BinaryIO] = None
        self.members: t.Tuple[Member, ...] = ()
        self.problems: t.Tuple[Problem, ...] = ()
        try:
            if os.path.isdir(path) or path.endswith(".ovf"):
                self._list(path)
            else:
                self.archive = _open(path, 0)
                self.members, self.problems = scan(self.archive)
        except OSError as error:
            raise Failure(f"read {path}", error.strerror or str(error), "Name an OVA, a descriptor or its directory") from error

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.archive:
            self.archive.close()

    def _list(self, path: str) -> None:
        self._folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
        names = [os.path.basename(path)] if path.endswith(".ovf") and not os.path.isdir(path) else sorted(os.listdir(self._folder))
        self.members = tuple(self._beside([name for name in names if name.endswith(".ovf") and not name.startswith(".")]))

    def _beside(self, names: t.Iterable[str]) -> t.Iterator[Member]:
        for name in names:
            found = os.lstat(os.path.join(self._folder, name))
            if stat.S_ISREG(found.st_mode):
                yield Member(name, 0, found.st_size)
            else:
                self.problems += (Problem("symbolic-link" if stat.S_ISLNK(found.st_mode) else "member-type", f"{name[:80]!r} is not a regular file",
                                          "Do not use this package"),)

    def complete(self, stem: str, names: t.Sequence[str]) -> None:
        """A directory may have more files than its package: these are the ones that count. An archive's are all of its.

        What is no regular file is not among them, and one of the problems.
        """
        if self.archive is None:
            wanted = [f"{stem}.mf", f"{stem}.cert", *[name for name in dict.fromkeys(names) if not name_problem(name)]]
            there = [name for name in wanted if os.path.lexists(os.path.join(self._folder, name))]
            self.members = (self.members[0], *self._beside(there))

    def descriptor(self) -> bytes:
        """The bytes of the one descriptor."""
        found = [member for member in self.members if member.name.endswith(".ovf")]
        if len(found) != 1:
            raise Failure(f"read {self.path}", f"it has {len(found)} descriptors", "Name the one .ovf file")
        return b"".join(self.chunks(found[0], ovf_xml.MOST))

    def chunks(self, member: Member, most: t.Optional[int] = None) -> t.Iterator[bytes]:
        """The bytes of a member, or the first of them."""
        left = member.size if most is None else min(most, member.size)
        with contextlib.ExitStack() as stack:
            file = self.archive or stack.enter_context(_open(os.path.join(self._folder, member.name), os.O_NOFOLLOW))
            position = member.offset
            while left:
                file.seek(position)
                chunk = file.read(min(left, _CHUNK))
                if not chunk:
                    raise Failure(f"read {self.path}", f"{member.name} became shorter while it was read", "Leave it alone and start again")
                yield chunk
                position, left = position + len(chunk), left - len(chunk)


def inspect(source: Source, authorities: str = "") -> Package:
    """Read and judge a package. authorities: PEM file with the certificates that may vouch for the package's; then it must be signed."""
    return _Inspection(source, authorities).package()


def require(package: Package, path: str) -> Envelope:
    """The envelope of a package without errors; the first error as a Failure otherwise."""
    errors = package.errors()
    if errors:
        more = f" (and {len(errors) - 1} more problems)" if len(errors) > 1 else ""
        raise Failure(f"read {path}", f"{errors[0].rule}: {errors[0].what}{more}", errors[0].remedy)
    if package.envelope is None:
        raise Failure(f"read {path}", "it has no descriptor", _AGAIN)
    return package.envelope


def parts(source: Source, package: Package) -> t.List[ova.Part]:
    """The package's files for writing, each checked once more against what was judged while it is read."""
    members = {member.name: member for member in source.members}
    return [ova.Part(one.name, one.size, _checked(source, members[one.name], one.digests["sha256"])) for one in package.contents]


def _checked(source: Source, member: Member, sha256: str) -> t.Callable[[], t.Iterator[bytes]]:
    def chunks() -> t.Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in source.chunks(member):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != sha256:
            raise Failure(f"read {source.path}", f"{member.name} changed while it was read", "Leave it alone and start again")

    return chunks


class _Inspection:
    """One reading of one package."""

    def __init__(self, source: Source, authorities: str) -> None:
        self._source, self._authorities = source, authorities
        self.problems: t.List[Problem] = []
        self._contents: t.Dict[str, Content] = {}

    def package(self) -> Package:
        descriptors = [member for member in self._source.members if member.name.endswith(".ovf")]
        if len(descriptors) != 1:
            if descriptors or not self._source.problems:
                rule, what = ("two-descriptors", "it has more than one descriptor") if descriptors else ("no-descriptor", "it has no descriptor")
                self._found(rule, what, "Name the one .ovf file" if self._source.archive is None else "Do not use this package")
            return Package(None, "", "none", False, (), (*self._source.problems, *self.problems))
        descriptor = descriptors[0]
        stem = descriptor.name[:-4]
        envelope, problems = read(self._read(descriptor, ovf_xml.MOST))
        self.problems += problems
        names = [file.name for file in envelope.files] if envelope else []
        self._source.complete(stem, names)
        if envelope:
            self._judge_members([descriptor.name, f"{stem}.mf", f"{stem}.cert"], envelope)
        entries, digest = self._manifest(stem)
        for member in self._source.members:
            self._contents[member.name] = self._content(member, entries)
        if entries is not None:
            self._judge_digests(entries, [f"{stem}.mf", f"{stem}.cert"])
        signed = self._judge_certificate(stem)
        if envelope:
            self._judge_disks(envelope)
        return Package(envelope, descriptor.name, digest, signed, tuple(self._contents.values()),
                       (*self._source.problems, *self.problems))

    def _found(self, rule: str, what: str, remedy: str, severity: str = "error") -> None:
        self.problems.append(Problem(rule, what, remedy, severity))

    def _member(self, name: str) -> t.Optional[Member]:
        return next((member for member in self._source.members if member.name == name), None)

    def _read(self, member: Member, most: int) -> bytes:
        """A small file; one byte more than allowed, so that its reader sees that it is too long."""
        return b"".join(self._source.chunks(member, most + 1))

    def _judge_members(self, head: t.Sequence[str], envelope: Envelope) -> None:
        """Whether the files are those the descriptor declares, in the order an importer needs that reads them as a stream."""
        names = [member.name for member in self._source.members]
        sizes = {member.name: member.size for member in self._source.members}
        wanted = [name for name in head if name in names] + [file.name for file in envelope.files]
        for name in names:
            if name not in wanted:
                self._found("undeclared-file", f"the descriptor does not declare {name[:80]!r}", "Do not use this package, or take the file out")
        for file in envelope.files:
            if file.name not in names:
                self._found("missing-file", f"the declared file {file.name[:80]!r} is not there", _AGAIN)
            elif file.size is not None and sizes[file.name] != file.size:
                self._found("file-size", f"{file.name[:80]!r} has {sizes[file.name]} bytes, the descriptor says {file.size}", _AGAIN)
        there = [name for name in wanted if name in names]
        if self._source.archive and sorted(there) == sorted(names) and there != names:
            index = next(index for index, (one, other) in enumerate(zip(there, names)) if one != other)
            rule = ("descriptor-first", "manifest-second", "certificate-third")[head.index(there[index])] if there[index] in head else "member-order"
            self._found(rule, f"{there[index][:80]!r} is not member {index + 1} of the archive", "Pack it again: state=packed writes the right order")

    def _manifest(self, stem: str) -> t.Tuple[t.Optional[t.Dict[str, ovf_manifest.Entry]], str]:
        member = self._member(f"{stem}.mf")
        if member is None:
            self._found("manifest-absent", "there is no manifest, so nothing shows that the files are whole", "Ask for a package with a manifest", "warning")
            return None, "none"
        data = self._read(member, ovf_manifest.MOST)
        if len(data) > ovf_manifest.MOST:
            self._found("manifest-size", "the manifest is too long", "Do not use this package")
            return {}, "none"
        entries, problems = ovf_manifest.decode(data)
        self.problems += problems
        return entries, next((entry.digest for entry in entries.values()), "none")

    def _content(self, member: Member, entries: t.Optional[t.Mapping[str, ovf_manifest.Entry]]) -> Content:
        entry = (entries or {}).get(member.name)
        digests = {name: hashlib.new(name) for name in {"sha256", *([entry.digest] if entry else [])}}
        for chunk in self._source.chunks(member):
            for digest in digests.values():
                digest.update(chunk)
        return Content(member.name, member.size, {name: digest.hexdigest() for name, digest in digests.items()})

    def _judge_digests(self, entries: t.Mapping[str, ovf_manifest.Entry], without: t.Sequence[str]) -> None:
        for name, content in self._contents.items():
            if name in without:
                continue
            if name not in entries:
                self._found("manifest-missing", f"the manifest does not have {name[:80]!r}", "Do not use this package, or write the manifest again")
            elif content.digests[entries[name].digest] != entries[name].value:
                self._found("digest-mismatch", f"{name[:80]!r} is not what the manifest says", _AGAIN)
        for name in entries:
            if name not in self._contents:
                self._found("manifest-unknown", f"the manifest has {name[:80]!r}, which is not there", _AGAIN)

    def _judge_certificate(self, stem: str) -> bool:
        manifest, certificate = self._member(f"{stem}.mf"), self._member(f"{stem}.cert")
        if not manifest or not certificate:
            if certificate or self._authorities:
                self._found("not-signed", "it is not signed", "Ask for a signed package")
            return False
        data = self._read(certificate, ovf_manifest.MOST)
        problems = ovf_certificate.check(self._read(manifest, ovf_manifest.MOST), manifest.name, data, self._authorities)
        self.problems += problems
        return not problems

    def _judge_disks(self, envelope: Envelope) -> None:
        files = {file.id: file.name for file in envelope.files}
        for disk in envelope.disks:
            member = self._member(files.get(disk.file, ""))
            if member:
                self.problems += ovf_vmdk.judge(disk, member.name, b"".join(self._source.chunks(member, ovf_vmdk.HEAD)))


def _open(path: str, flags: int) -> t.BinaryIO:
    """A regular file for reading, never waiting for the writer of a pipe. flags: O_NOFOLLOW where a link is not to be trusted."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Failure(f"read {path}", "it is not a regular file", "Name an OVA, a descriptor or its directory")
    return os.fdopen(descriptor, "rb")

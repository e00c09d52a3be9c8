# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which an upstream is damaged, stands still, changes or is hostile: one row of the failure matrix each."""

from __future__ import annotations

import gzip
import lzma
import os
import typing as t
from pathlib import Path

from site_under_test import INDEX, SUITE, Files, Site

from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, web_server

Row = t.Callable[[Site], None]
FAMILIES = ("deb", "rpm")
_HOSTILE = b"hostile content that must never arrive anywhere"
_SECRET = b"what only the mirror's user may read"
_BOMB = 3 << 30  # bytes it unpacks to: more than the mirror may take, and than the disk of a test should get


def rows() -> t.Iterator[t.Tuple[str, Row]]:
    """Name and function of each row; a row gets a site whose first state is mirrored and whose second is offered."""
    for family in FAMILIES:
        for name, row in _OF_BOTH:
            yield f"{family}: {name}", lambda site, family=family, row=row: row(site, family)
    yield from _OF_DEB
    yield from _OF_RPM


# Content that is not what was signed.


def _damaged(change: t.Callable[[bytes], t.Optional[bytes]], which: str, reason: str) -> t.Callable[[Site, str], None]:
    """A file, served with another content or (None) not at all. which: package or index."""

    def row(site: Site, family: str) -> None:
        path = site.new_package(family) if which == "package" else _index(site, family)
        changed = change(site.server.files[f"/{path}"])
        for name in [name for name, content in site.server.files.items() if content == site.server.files[f"/{path}"] and name != path]:
            if changed is None:
                del site.server.files[name]
            else:
                site.server.files[name] = changed
        site.refuses(path.partition("/")[2], f"{site.server.url}{family}", reason)

    return row


def _index(site: Site, family: str) -> str:
    if family == "deb":
        return f"{SUITE}/{INDEX}.gz"
    return next(path[1:] for path in site.server.files if path.endswith("-primary.xml.gz"))


def _flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


# Who signed it, and when.


def _stranger(site: Site, family: str) -> None:
    site.offer(**{family: getattr(site, family)(signer=site.signers.stranger)})
    site.refuses(f"of source '{family}'", "the keyring does not have", "check the source's keyring")


def _older(site: Site, family: str) -> None:
    site.offer(**{family: getattr(site, family)(date=site.epoch - 86400)})
    site.refuses(f"of source '{family}'", "older")


def _forged(site: Site, family: str) -> None:
    head = f"/{SUITE}/InRelease" if family == "deb" else "/rpm/repodata/repomd.xml"
    site.server.files[head] = site.server.files[head].replace(b"Label: Example", b"Label: Exam ple").replace(b"<open-size>", b"<open-size>1")
    site.refuses(f"of source '{family}'", "does not match the text")


def _unsigned(site: Site, family: str) -> None:
    if family == "deb":
        del site.server.files[f"/{SUITE}/InRelease"]
        site.server.files[f"/{SUITE}/Release"] = archives.release("suite", {}, date=site.date)
    else:
        del site.server.files["/rpm/repodata/repomd.xml.asc"]
    site.refuses(f"of source '{family}'", "neither InRelease nor Release" if family == "deb" else "it is not signed")


def _expired(site: Site) -> None:
    site.offer(deb=site.deb(valid_for=60))
    site.refuses("Release of source 'deb'", "it expired on")


# An upstream that changes while it is read.


def _then(action: t.Callable[[], None]) -> web_server.Fault:
    """Answer honestly, and let something happen right after."""

    def answer(request: web_server.Request) -> bool:
        stays = request.serve()
        action()
        return stays

    return answer


def _changes_after(site: Site, path: str, following: Files) -> None:
    site.server.faults[f"/{path}"].append(_then(lambda: site.serve(following)))


def _next_state(site: Site, family: str, **told: t.Any) -> Files:
    """What the upstream serves after the next change of one family."""
    other = {path[1:]: content for path, content in site.server.files.items() if not path.startswith(f"/{family}/")}
    site.advance()
    return {**other, **getattr(site, family)(**told)}


def _changes_by_hash(site: Site) -> None:
    now = site.offer()
    following = _next_state(site, "deb")
    kept = {path: content for path, content in now.items() if "/by-hash/" in path or "/pool/" in path}
    _changes_after(site, f"{SUITE}/InRelease", {**kept, **following})
    site.brings(now)
    site.serve(following)


def _changes_without_by_hash(site: Site) -> None:
    site.offer(deb=site.deb(by_hash=False))
    following = _next_state(site, "deb", by_hash=False)
    _changes_after(site, f"{SUITE}/InRelease", following)
    site.brings(following)


def _changes_before_its_signature(site: Site, family: str) -> None:
    """Release or repomd.xml is of one state, the signature beside it of the next."""
    head, told = ("rpm/repodata/repomd.xml", {})
    if family == "deb":
        head, told = (f"{SUITE}/Release", {"inline": False})
        site.offer(deb=site.deb(**told))
    following = _next_state(site, family, **told)
    _changes_after(site, head, following)
    site.brings(following)


def _repository_changes(site: Site) -> None:
    following = _next_state(site, "rpm")
    _changes_after(site, "rpm/repodata/repomd.xml.asc", following)
    site.brings(following)


def _repository_changes_in_place(site: Site) -> None:
    site.offer(rpm=site.rpm(href="repodata/primary.xml.gz"))
    following = _next_state(site, "rpm", href="repodata/primary.xml.gz")
    _changes_after(site, "rpm/repodata/repomd.xml.asc", following)
    site.brings(following)


def _never_rests(site: Site) -> None:
    """Every InRelease is followed by another state at once: the sync gives up after some rounds."""

    def move(request: web_server.Request) -> bool:
        if not request.path.endswith("/InRelease"):
            return request.serve()
        stays = request.serve()
        site.server.files = {f"/{path}": content for path, content in _next_state(site, "deb", by_hash=False).items()}
        return stays

    site.offer(deb=site.deb(by_hash=False))
    site.server.always = move
    site.refuses(f"dists/suite/{INDEX}")


def _package_goes(site: Site, family: str) -> None:
    """The upstream removes a package between its index and the package: nothing is published, the next sync is whole."""
    gone = site.new_package(family)
    without = {path[1:]: content for path, content in site.server.files.items() if path != f"/{gone}"}
    _changes_after(site, _index(site, family) if family == "rpm" else f"{SUITE}/InRelease", without)
    site.refuses(gone.partition("/")[2], "404")


# Hostile names and content, signed by a key that is trusted.


def _named(path: str) -> t.Callable[[Site, str], None]:
    def row(site: Site, family: str) -> None:
        if family == "deb":
            lie = site.deb(more=archives.stanza("evil", _HOSTILE, path=path))
        else:
            lie = site.rpm(more=archives.rpm_package("evil", _HOSTILE, href=path))
        files = site.offer(**{family: lie})
        # The path as a client writes it, and as a server would read it.
        site.server.files.update({f"/{family}/{path}": _HOSTILE, os.path.normpath(f"/{family}/{path}"): _HOSTILE})
        assert files
        site.refuses(path, "hostile")
        site.holds_nowhere(_HOSTILE)

    return row


def _metadata_elsewhere(site: Site) -> None:
    site.offer(rpm=site.rpm(href="../../etc/primary.xml.gz"))
    site.refuses("../../etc/primary.xml.gz", "hostile")


def _too_large_a_package(site: Site, family: str) -> None:
    if family == "deb":
        lie = site.deb(more=archives.stanza("large", b"").replace("Size: 0", f"Size: {9 * 10**12}"))
    else:
        lie = site.rpm(more=archives.rpm_package("large", b"").replace('package="0"', f'package="{9 * 10**12}"'))
    site.offer(**{family: lie})
    site.refuses("are needed", "nothing was fetched")


def _bomb(pack: t.Callable[[], bytes], suffix: str) -> Row:
    def row(site: Site) -> None:
        data = pack()
        site.offer(deb=site.deb(indices={INDEX + suffix: data}, unpacked={INDEX: b"Package: small\n"}))
        answer = site.refuses(f"{INDEX}", "unpacks to more than the 15 bytes")
        assert answer.seconds < 20, answer

    return row


def _bomb_rpm(site: Site) -> None:
    site.offer(rpm=site.rpm(packed=_gzip_bomb(), open_size=1000))
    answer = site.refuses("primary", "unpacks to more than the 1000 bytes")
    assert answer.seconds < 20, answer


def _bomb_undeclared(site: Site) -> None:
    """Nothing says how large the index is when unpacked."""
    site.offer(deb=site.deb(indices={f"{INDEX}.gz": _gzip_bomb()}))
    answer = site.refuses(INDEX, "a stanza is longer than")
    assert answer.seconds < 20, answer


def _gzip_bomb() -> bytes:
    return gzip.compress(b"a" * (1 << 20), mtime=0) * (_BOMB >> 20)  # members, one after the other


def _xz_bomb() -> bytes:
    return lzma.compress(b"a" * (1 << 24), preset=0) * (_BOMB >> 24)


def _entities(site: Site) -> None:
    levels = "".join(f'<!ENTITY e{number + 1} "{f"&e{number};" * 10}">' for number in range(9))
    site.offer(rpm=site.rpm(primary=f'<?xml version="1.0"?><!DOCTYPE metadata [<!ENTITY e0 "aaaaaaaaaa">{levels}]><metadata>&e9;</metadata>'.encode()))
    answer = site.refuses("primary")
    assert answer.seconds < 20, answer


def _endless_head(site: Site, family: str) -> None:
    path = f"/{SUITE}/InRelease" if family == "deb" else "/rpm/repodata/repomd.xml"

    def endless(request: web_server.Request) -> bool:
        request.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            request.sock.sendall(b"100000\r\n" + b"a" * 0x100000 + b"\r\n")

    site.server.faults[path] += [endless] * 9
    site.refuses(path.partition(f"/{family}/")[2], "larger than")


# Servers that do not answer as they should.


def _answers(fault: web_server.Fault, which: str, reason: str) -> t.Callable[[Site, str], None]:
    """which: the head or a package gets this answer, however often it is asked for."""

    def row(site: Site, family: str) -> None:
        head = f"{SUITE}/InRelease" if family == "deb" else "rpm/repodata/repomd.xml"
        path = head if which == "head" else site.new_package(family)
        site.server.faults[f"/{path}"] += [fault] * 50
        answer = site.refuses(path.partition("/")[2], reason)
        assert answer.seconds < 30, answer

    return row


# Upstreams on a disk, with links in them.


def _on_disk(site: Site) -> Path:
    """The upstream's files as a directory the mirror reads by file://."""
    top = site.work / "upstream"
    for path, content in site.server.files.items():
        (top / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (top / path[1:]).write_bytes(content)
    site.configure(f"file://{top}/")
    return top


def _link_leads_out(site: Site, family: str) -> None:
    """Of the same size, so that it is read: what it leads to is not what was signed, and nothing of it stays."""
    top = _on_disk(site)
    package = top / site.new_package(family)
    secret = site.work / "secret"
    secret.write_bytes(_SECRET.ljust(package.stat().st_size, b"."))
    package.unlink()
    package.symlink_to(secret)
    site.refuses(package.name, "is not what is signed for")
    site.holds_nowhere(_SECRET)
    site.configure()


def _head_leads_out(site: Site, family: str) -> None:
    top = _on_disk(site)
    head = top / (f"{SUITE}/InRelease" if family == "deb" else "rpm/repodata/repomd.xml")
    (site.work / "secret").write_bytes(_SECRET)
    head.unlink()
    head.symlink_to(site.work / "secret")
    site.refuses(f"of source '{family}'")
    site.holds_nowhere(_SECRET)
    site.configure()


def _link_to_a_device(site: Site, family: str) -> None:
    package = _on_disk(site) / site.new_package(family)
    package.unlink()
    package.symlink_to("/dev/zero")
    site.refuses(package.name, "not a regular file")
    site.configure()


def _link_to_what_is_signed(site: Site, family: str) -> None:
    """Content decides, not where it lay: the mirror holds a file of its own."""
    package = _on_disk(site) / site.new_package(family)
    aside = site.work / "aside"
    package.rename(aside)
    package.symlink_to(aside)
    site.brings()
    assert os.path.realpath(site.root / "set" / site.new_package(family)).startswith(f"{site.root}/store/")
    site.configure()


_OF_BOTH: t.Sequence[t.Tuple[str, t.Callable[[Site, str], None]]] = (
    ("package with one wrong bit", _damaged(_flipped, "package", "is not what is signed for")),
    ("package too short", _damaged(lambda content: content[:-1], "package", "that are signed for")),
    ("package too long", _damaged(lambda content: content + b"x", "package", "that are signed for")),
    ("package missing", _damaged(lambda content: None, "package", "404")),
    ("index with one wrong bit", _damaged(_flipped, "index", "is not what is signed for")),
    ("index too short", _damaged(lambda content: content[:-1], "index", "that are signed for")),
    ("index missing", _damaged(lambda content: None, "index", "404")),
    ("signed by a stranger", _stranger),
    ("signed text changed", _forged),
    ("not signed", _unsigned),
    ("older state replayed, rightly signed", _older),
    ("changes between the signed file and its signature", _changes_before_its_signature),
    ("package goes while the index is read", _package_goes),
    ("package path climbs out", _named("../../etc/evil")),
    ("package path climbs out half way", _named("pool/../../../../evil")),
    ("package path absolute", _named("/etc/evil")),
    ("package larger than any disk", _too_large_a_package),
    ("signed file without end", _endless_head),
    ("head never answered", _answers(web_server.silent, "head", "did not answer in time|it sent 0 bytes")),
    ("head byte by byte", _answers(web_server.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"), "head", "bytes in 2 s")),
    ("package byte by byte", _answers(web_server.drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"), "package", "bytes in 2 s")),
    ("package never answered", _answers(web_server.silent, "package", "did not answer in time|it sent 0 bytes")),
    ("package cut off every time", _answers(web_server.cut_after(0), "package", "ended 300")),
    ("package refused", _answers(web_server.status(403), "package", "HTTP 403")),
    ("server overloaded", _answers(web_server.status(503), "package", "HTTP 503")),
    ("server speaks something else", _answers(web_server.nonsense, "head", "does not speak HTTP")),
    ("redirected to a local file", _answers(web_server.status(302, Location="file:///etc/passwd"), "package", "not an http or https URL")),
    ("link to a secret in place of a package", _link_leads_out),
    ("link to a secret in place of the signed file", _head_leads_out),
    ("link to a device in place of a package", _link_to_a_device),
    ("link to the right content", _link_to_what_is_signed),
)
_OF_DEB: t.Sequence[t.Tuple[str, Row]] = (
    ("deb: expired", _expired),
    ("deb: changes while it is read, with by-hash", _changes_by_hash),
    ("deb: changes while it is read, without by-hash", _changes_without_by_hash),
    ("deb: changes without end", _never_rests),
    ("deb: gzip bomb", _bomb(_gzip_bomb, ".gz")),
    ("deb: xz bomb", _bomb(_xz_bomb, ".xz")),
    ("deb: gzip bomb of undeclared size", _bomb_undeclared),
)
_OF_RPM: t.Sequence[t.Tuple[str, Row]] = (
    ("rpm: changes while it is read, named by hash", _repository_changes),
    ("rpm: changes while it is read, under the same name", _repository_changes_in_place),
    ("rpm: metadata path climbs out", _metadata_elsewhere),
    ("rpm: gzip bomb", _bomb_rpm),
    ("rpm: entities that multiply", _entities),
)

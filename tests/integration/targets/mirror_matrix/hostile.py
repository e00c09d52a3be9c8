# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upstream, or a server in its place, that means harm."""

from __future__ import annotations

import gzip
import lzma
import os
import typing as t
from pathlib import Path

from site_under_test import INDEX, SUITE, Row, Site

from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, web_server

_HOSTILE = b"hostile content that must never arrive anywhere"
_SECRET = b"what only the mirror's user may read"
_BOMB = 3 << 30  # bytes it unpacks to: more than the mirror may take, and than the disk of a test should get

# Hostile names and content, signed by a key that is trusted.


def named(path: str) -> t.Callable[[Site, str], None]:
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


def metadata_elsewhere(site: Site) -> None:
    site.offer(rpm=site.rpm(href="../../etc/primary.xml.gz"))
    site.refuses("../../etc/primary.xml.gz", "hostile")


def package_elsewhere(site: Site) -> None:
    element = archives.rpm_package("evil", _HOSTILE).replace("<location ", f'<location xml:base="{site.server.url}other/" ')
    site.offer(rpm=site.rpm(more=element))
    site.refuses("a package lies at another place", "hostile")


def contradiction(site: Site, family: str) -> None:
    """One path for two contents."""
    if family == "deb":
        lie = site.deb(more=archives.stanza("package0", _HOSTILE))
    else:
        lie = site.rpm(more=archives.rpm_package("package0", _HOSTILE, href="Packages/package0-1.0-1.noarch.rpm"))
    site.offer(**{family: lie})
    site.refuses("two different files", "hostile")


def too_large_a_package(site: Site, family: str) -> None:
    if family == "deb":
        lie = site.deb(more=archives.stanza("large", b"").replace("Size: 0", f"Size: {9 * 10**12}"))
    else:
        lie = site.rpm(more=archives.rpm_package("large", b"").replace('package="0"', f'package="{9 * 10**12}"'))
    site.offer(**{family: lie})
    site.refuses("are needed", "nothing was fetched")


def bomb(pack: t.Callable[[], bytes], suffix: str) -> Row:
    def row(site: Site) -> None:
        data = pack()
        site.offer(deb=site.deb(indices={INDEX + suffix: data}, unpacked={INDEX: b"Package: small\n"}))
        site.refuses(INDEX, "unpacks to more than the 15 bytes")

    return row


def bomb_rpm(site: Site) -> None:
    site.offer(rpm=site.rpm(packed=gzip_bomb(), open_size=1000))
    site.refuses("primary", "unpacks to more than the 1000 bytes")


def bomb_undeclared(site: Site) -> None:
    """Nothing says how large the index is when unpacked."""
    site.offer(deb=site.deb(indices={f"{INDEX}.gz": gzip_bomb()}))
    site.refuses(INDEX, "a stanza is longer than")


def gzip_bomb() -> bytes:
    return gzip.compress(b"a" * (1 << 20), mtime=0) * (_BOMB >> 20)  # members, one after the other


def xz_bomb() -> bytes:
    return lzma.compress(b"a" * (1 << 24), preset=0) * (_BOMB >> 24)


def entities(site: Site) -> None:
    levels = "".join(f'<!ENTITY e{number + 1} "{f"&e{number};" * 10}">' for number in range(9))
    site.offer(rpm=site.rpm(primary=f'<?xml version="1.0"?><!DOCTYPE metadata [<!ENTITY e0 "aaaaaaaaaa">{levels}]><metadata>&e9;</metadata>'.encode()))
    site.refuses("primary")


def endless_head(site: Site, family: str) -> None:
    path = f"/{SUITE}/InRelease" if family == "deb" else "/rpm/repodata/repomd.xml"

    def endless(request: web_server.Request) -> bool:
        request.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            request.sock.sendall(b"100000\r\n" + b"a" * 0x100000 + b"\r\n")

    site.server.faults[path] += [endless] * 9
    site.refuses(path.partition(f"/{family}/")[2], "larger than")


# Servers that do not answer as they should.


def answers(fault: web_server.Fault, which: str, reason: str) -> t.Callable[[Site, str], None]:
    """which: the head or a package gets this answer, however often it is asked for."""

    def row(site: Site, family: str) -> None:
        head = f"{SUITE}/InRelease" if family == "deb" else "rpm/repodata/repomd.xml"
        path = head if which == "head" else site.new_package(family)
        site.server.faults[f"/{path}"] += [fault] * 50
        site.refuses(path.partition("/")[2], reason)

    return row


def in_circles(request: web_server.Request) -> bool:
    request.send(302, Location=request.path)
    return True


def nobody(site: Site) -> None:
    site.configure(web_server.unused_url())
    site.refuses("Connection refused", "Check the URLs")
    site.configure()


def login(site: Site, family: str) -> None:
    """A login that is refused is told of without the password, wherever a run leaves a word."""
    password = "hush-1234"
    site.configure(site.server.url.replace("://", f"://mirror:{password}@"), metrics=str(site.root / ".cmd-mirror/metrics"))
    site.server.faults[f"/{site.new_package(family)}"] += [web_server.status(401)] * 9
    answer = site.refuses("HTTP 401")
    assert password not in answer.told + str(answer.data)
    site.holds_nowhere(password.encode())
    site.configure()


# Upstreams on a disk, with links in them.


def _on_disk(site: Site) -> Path:
    """The upstream's files as a directory the mirror reads by file://."""
    top = site.work / "upstream"
    for path, content in site.server.files.items():
        (top / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (top / path[1:]).write_bytes(content)
    site.configure(f"file://{top}/")
    return top


def link_leads_out(site: Site, family: str) -> None:
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


def head_leads_out(site: Site, family: str) -> None:
    top = _on_disk(site)
    head = top / (f"{SUITE}/InRelease" if family == "deb" else "rpm/repodata/repomd.xml")
    (site.work / "secret").write_bytes(_SECRET)
    head.unlink()
    head.symlink_to(site.work / "secret")
    site.refuses(f"of source '{family}'")
    site.holds_nowhere(_SECRET)
    site.configure()


def link_to_a_device(site: Site, family: str) -> None:
    package = _on_disk(site) / site.new_package(family)
    package.unlink()
    package.symlink_to("/dev/zero")
    site.refuses(package.name, "not a regular file")
    site.configure()


def link_to_what_is_signed(site: Site, family: str) -> None:
    """Content decides, not where it lay: the mirror holds a file of its own."""
    package = _on_disk(site) / site.new_package(family)
    aside = site.work / "aside"
    package.rename(aside)
    package.symlink_to(aside)
    site.brings()
    assert os.path.realpath(site.root / "set" / site.new_package(family)).startswith(f"{site.root}/store/")
    site.configure()

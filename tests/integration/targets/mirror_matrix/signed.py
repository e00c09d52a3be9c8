# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upstream that is damaged, signed wrongly or too long ago, or changes while it is read."""

from __future__ import annotations

import typing as t

from site_under_test import INDEX, SUITE, Files, Site

from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, web_server

# Content that is not what was signed.


def damaged(change: t.Callable[[bytes], t.Optional[bytes]], which: str, reason: str) -> t.Callable[[Site, str], None]:
    """A file, served with another content or (None) not at all. which: package or index."""

    def row(site: Site, family: str) -> None:
        path = site.new_package(family) if which == "package" else _index(site, family)
        changed = change(site.server.files[f"/{path}"])
        # By-hash names are of the same file.
        for name in [name for name, content in site.server.files.items() if content == site.server.files[f"/{path}"]]:
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


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


# Who signed it, and when.


def stranger(site: Site, family: str) -> None:
    site.offer(**{family: getattr(site, family)(signer=site.signers.stranger)})
    site.refuses(f"of source '{family}'", "the keyring does not have", "check the source's keyring")


def older(site: Site, family: str) -> None:
    site.offer(**{family: getattr(site, family)(date=site.epoch - 86400)})
    site.refuses(f"of source '{family}'", "older")


def forged(site: Site, family: str) -> None:
    head = f"/{SUITE}/InRelease" if family == "deb" else "/rpm/repodata/repomd.xml"
    site.server.files[head] = site.server.files[head].replace(b"Label: Example", b"Label: Exam ple").replace(b"<open-size>", b"<open-size>1")
    site.refuses(f"of source '{family}'", "does not match the text")


def unsigned(site: Site, family: str) -> None:
    if family == "deb":
        del site.server.files[f"/{SUITE}/InRelease"]
        site.server.files[f"/{SUITE}/Release"] = archives.release("suite", {}, date=site.date)
    else:
        del site.server.files["/rpm/repodata/repomd.xml.asc"]
    site.refuses(f"of source '{family}'", "neither InRelease nor Release" if family == "deb" else "it is not signed")


def expired(site: Site) -> None:
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


def changes_by_hash(site: Site) -> None:
    now = site.offer()
    following = _next_state(site, "deb")
    kept = {path: content for path, content in now.items() if "/by-hash/" in path or "/pool/" in path}
    _changes_after(site, f"{SUITE}/InRelease", {**kept, **following})
    site.brings(now)
    site.serve(following)


def changes_without_by_hash(site: Site) -> None:
    site.offer(deb=site.deb(by_hash=False))
    following = _next_state(site, "deb", by_hash=False)
    _changes_after(site, f"{SUITE}/InRelease", following)
    site.brings(following)


def changes_before_its_signature(site: Site, family: str) -> None:
    """Release or repomd.xml is of one state, the signature beside it of the next."""
    head, told = ("rpm/repodata/repomd.xml", {})
    if family == "deb":
        head, told = (f"{SUITE}/Release", {"inline": False})
        site.offer(deb=site.deb(**told))
    following = _next_state(site, family, **told)
    _changes_after(site, head, following)
    site.brings(following)


def repository_changes(site: Site) -> None:
    following = _next_state(site, "rpm")
    _changes_after(site, "rpm/repodata/repomd.xml.asc", following)
    site.brings(following)


def repository_changes_in_place(site: Site) -> None:
    site.offer(rpm=site.rpm(href="repodata/primary.xml.gz"))
    following = _next_state(site, "rpm", href="repodata/primary.xml.gz")
    _changes_after(site, "rpm/repodata/repomd.xml.asc", following)
    site.brings(following)


def never_rests(site: Site) -> None:
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


def package_goes(site: Site, family: str) -> None:
    """The upstream removes a package between its index and the package: nothing is published, the next sync is whole."""
    gone = site.new_package(family)
    without = {path[1:]: content for path, content in site.server.files.items() if path != f"/{gone}"}
    _changes_after(site, _index(site, family) if family == "rpm" else f"{SUITE}/InRelease", without)
    site.refuses(gone.partition("/")[2], "404")

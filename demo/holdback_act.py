# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second act: the base distribution breaks, the broken version is held back, and let go of when the base is good again.

The hosts upgrade themselves with plain apt-get and dnf throughout; the collection only says what they are offered.
"""

from __future__ import annotations

import concurrent.futures
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._rollout import table
from demo.programs import play_holds, publish
from demo.screen import chapter, claim, command, quote, say, step
from demo.witness import Witness

HOLDBACK = "site-holdback"
PACKAGES = ("libstorage", "storage-client", "site-tools")
COLUMNS = ("host", "package", "broken base", "while held", "now", "origin")
Hosts = t.Sequence[Witness]
Versions = t.Dict[str, t.Dict[str, str]]
"""Host -> package -> version."""


def tell(early: Hosts, others: Hosts) -> None:
    """Tell the act. early: hosts that take the broken update before anybody knows."""
    hosts = sorted([*early, *others], key=lambda host: host.name)
    _storage_works(hosts)
    broken = _the_base_breaks(hosts, early, others)
    held = _the_hold(hosts, early, others)
    _the_fix(hosts)
    _outcome(hosts, broken, held)


def _storage_works(hosts: Hosts) -> None:
    chapter(6, "Act two: the base distribution has a storage library, too")
    with step("take cloud-api 2.3 out again, publish libstorage 1.0 and storage-client 1.0 in the base; four hosts install them"):
        publish("storage", "--no-hosts")
        _all(hosts, lambda host: host.install("storage-client"))
    with step("mirror the base with egi.cmd.mirror; point the hosts at a repository for holds, which is empty"):
        play_holds("review,hosts")
    claim("run libstorage 1.0 of the base, and it works", hosts, lambda host: _runs(host, "libstorage", "1.0") and host.healthy("storage-client"))
    claim(f"see nothing in {HOLDBACK}", hosts, lambda host: host.in_repository(HOLDBACK) == set())


def _the_base_breaks(hosts: Hosts, early: Hosts, others: Hosts) -> Versions:
    chapter(7, "The base distribution ships libstorage 1.1, which loses connections")
    with step("publish libstorage 1.1 (1.0 is gone) and site-tools 1.2 in the base; the early adopters upgrade themselves"):
        publish("regression", "--no-hosts")
        _all(early, Witness.upgrade)
    claim("took libstorage 1.1, and their health check fails", early,
          lambda host: _runs(host, "libstorage", "1.1") and not host.healthy("storage-client"))
    claim("did not upgrade yet: they still run libstorage 1.0, and it works", others,
          lambda host: _runs(host, "libstorage", "1.0") and host.healthy("storage-client"))
    return _versions(hosts)


def _the_hold(hosts: Hosts, early: Hosts, others: Hosts) -> Versions:
    chapter(8, "Hold libstorage back: proved first, published at once for apt and dnf, and everything else keeps flowing")
    command("ansible-playbook -i demo/inventory.yml demo/holds.yml --tags open")
    with step("find libstorage 1.0 in an older snapshot of the base, prove the hold with libsolv, publish the same bytes"):
        play_holds("open")
    with step("the production hosts upgrade themselves: apt-get -y upgrade, dnf -y upgrade"):
        _all(others, Witness.upgrade)
    claim("took site-tools 1.2 and stay on libstorage 1.0, although 1.1 is offered", others,
          lambda host: _runs(host, "site-tools", "1.2") and _runs(host, "libstorage", "1.0") and "1.1-1" in host.offered("libstorage"))
    for host in others:
        asked, answer = host.opinion("libstorage")
        command(f"{asked}    # on {host.name}")
        quote(answer)
    before = _versions(hosts)
    command("ansible-playbook -i demo/inventory.yml demo/holds.yml --tags back")
    with step("egi.cmd.package_sync of exactly the held package, on all hosts"):
        play_holds("back")
    claim("went back to libstorage 1.0 and nothing else changed; they work again", early,
          lambda host: host.packages() == {**before[host.name], "libstorage": "1.0-1"} and host.healthy("storage-client"))
    claim("were not touched", others, lambda host: host.packages() == before[host.name])
    with step("the base ships storage-client 1.1; all hosts upgrade themselves"):
        publish("update", "--no-hosts")
        _all(hosts, Witness.upgrade)
    claim("took storage-client 1.1, are still held on a libstorage 1.0 that works, and miss nothing else", hosts,
          lambda host: _runs(host, "storage-client", "1.1") and _runs(host, "libstorage", "1.0") and host.healthy("storage-client")
          and host.upgrade_would_take() == set())
    claim(f"see libstorage in {HOLDBACK}, and nothing else there", hosts, lambda host: host.in_repository(HOLDBACK) == {"libstorage"})
    return _versions(hosts)


def _the_fix(hosts: Hosts) -> None:
    chapter(9, "The base distribution ships libstorage 1.2: the review tests it and lets go")
    with step("publish libstorage 1.2 in the base"):
        publish("fixed", "--no-hosts")
    command("ansible-playbook -i demo/inventory.yml demo/holds.yml --tags review")
    with step("mirror the base, run the site's test on what it offers now, lift the hold"):
        play_holds("review")
    with step("all hosts upgrade themselves"):
        _all(hosts, Witness.upgrade)
    claim("are on the base's libstorage 1.2, and it works", hosts, lambda host: _runs(host, "libstorage", "1.2") and host.healthy("storage-client"))
    claim(f"see nothing in {HOLDBACK} any more", hosts, lambda host: host.in_repository(HOLDBACK) == set())


def _outcome(hosts: Hosts, broken: Versions, held: Versions) -> None:
    chapter(10, "Where everything went")
    rows = []
    for host in hosts:
        for package in PACKAGES:
            version, origin = host.installed_from(package)
            rows.append({"host": host.name, "package": package, "broken base": broken[host.name][package], "while held": held[host.name][package],
                         "now": version, "origin": origin})
    say(*table.lines(rows, COLUMNS))


def _runs(host: Witness, package: str, version: str) -> bool:
    return host.version(package) == f"{version}-1"


def _versions(hosts: Hosts) -> Versions:
    return {host.name: host.packages() for host in hosts}


def _all(hosts: Hosts, action: t.Callable[[Witness], None]) -> None:
    """Let hosts do something at the same time."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(action, hosts))

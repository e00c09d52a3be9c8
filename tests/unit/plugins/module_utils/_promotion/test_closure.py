# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._promotion import closure, indices
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Desk
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._archive import packages
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._promotion.wishes import item

pytest.importorskip("solv")  # the system's own Python has it
LIBCLOUD = "Package: libcloud\nVersion: 1.0-1\nArchitecture: all\n"
TOOLS = "Package: site-tools\nVersion: 1.0-1\nArchitecture: all\nDepends: libcloud (<< 2)\n"


@pytest.fixture(name="judge")
def fixture_judge(tmp_path):
    """Judge a batch of debs, each written ``package version: further fields``, on a base and an overlay written so too."""

    def write(name, text):
        (tmp_path / name).write_text(text)
        return [indices.repository("bookworm", "deb", ("amd64",), [str(tmp_path / name)], False)]

    def items(lines):
        for line in lines:
            words, _colon, more = line.partition(": ")
            package, version = words.split()
            fields = f"Package: {package}\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: d\n{more}".strip() + "\n"
            one = item(version, package)
            (tmp_path / one.file).write_bytes(packages.deb(fields))
            yield one

    def judge(batch, overlay=(), base=(LIBCLOUD,), previous=(), target="updates"):
        world = closure.World("deb", "bookworm", "amd64")
        world.read("base", write("base", "\n".join(base)))
        if previous:
            world.read("previous", write("previous", "\n".join(previous)))
        desk = Desk("example-1", {"there": Batch("there", "updates", tuple(items(overlay)))})
        world.lay_over(desk, Batch("wanted", "proposed", tuple(items(batch))), target, lambda one: str(tmp_path / one.file))
        return world, sorted((one.rule, one.package) for one in world.judge())

    return judge


def test_what_the_base_and_the_batch_have_can_be_installed(judge):
    assert judge(["cloud-api 2.2-1: Depends: libcloud, cloud-client", "cloud-client 3.0-1: Depends: cloud-api"])[1] == []


def test_only_the_packages_that_lack_something_are_broken(judge):
    assert judge(["cloud-api 2.2-1: Depends: nobody-has-this", "cloud-client 3.0-1"])[1] == [("installable.broken", "cloud-api")]


def test_packages_that_exclude_each_other_are_each_installable(judge):
    assert judge(["cloud-api 2.2-1: Conflicts: cloud-client", "cloud-client 3.0-1"])[1] == []


def test_a_host_with_the_version_before_upgrades(judge):
    assert judge(["cloud-api 2.3-1: Depends: libcloud"], ["cloud-api 2.2-1: Depends: libcloud"])[1] == []
    assert judge(["libcloud 1.1-1"])[1] == []


def test_an_upgrade_that_leaves_one_behind_is_found(judge):
    found = judge(["cloud-api 2.3-1: Conflicts: cloud-client (>= 3.1)", "cloud-client 3.1-1"], ["cloud-api 2.2-1", "cloud-client 3.0-1"])[1]
    assert len(found) == 1 and found[0][0] == "upgrade.broken"


def test_the_overlay_hides_what_apt_does_not_take(judge):
    newer = LIBCLOUD.replace("1.0-1", "2.0-1")
    assert judge(["cloud-api 2.2-1: Depends: libcloud (>= 2)"], base=[newer])[1] == []
    assert judge(["cloud-api 2.2-1: Depends: libcloud (>= 2)"], ["libcloud 1.5-1"], base=[newer])[1] == [("installable.broken", "cloud-api")]


def test_hosts_of_the_release_before_are_asked_too(judge):
    old = ["Package: cloud-api\nVersion: 2.0-1\nArchitecture: all\nDepends: cloud-db (<< 2)\n", "Package: cloud-db\nVersion: 1.0-1\nArchitecture: all\n"]
    batch = ["cloud-api 2.2-1: Depends: cloud-db (>= 2)", "cloud-db 2.0-1: Conflicts: cloud-api (<< 2.2)"]
    world, found = judge(batch, previous=old)
    assert found == []
    assert [offer.version for offer in world.offers("previous")["bookworm", "cloud-api"]] == ["2.0-1"]
    stuck = ["Package: cloud-api\nVersion: 2.0-1\nArchitecture: all\nDepends: cloud-db (<< 2), plugin\n",
             "Package: plugin\nVersion: 1.0-1\nArchitecture: all\nDepends: cloud-api (<< 2.1)\n", *old[1:]]
    assert {rule for rule, _package in judge(batch, previous=stuck)[1]} <= {"upgrade.broken", "upgrade.removes"}
    assert judge(batch, previous=stuck)[1]


def test_offers_are_the_bases_own(judge):
    world, _found = judge(["libcloud 1.1-1"], base=[LIBCLOUD, TOOLS])
    offers = world.offers("base")
    assert [(offer.version, offer.security) for offer in offers["bookworm", "libcloud"]] == [("1.0-1", False)]
    assert ("bookworm", "site-tools") not in offers

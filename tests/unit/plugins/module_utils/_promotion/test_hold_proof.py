# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libsolv says of holds in small worlds. libsolv is a package of the system's."""

from __future__ import annotations

import importlib.util
import os
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._archive.solver import Solver
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import hold, version_range
from ansible_collections.egi.cmd.plugins.module_utils._promotion.hold_proof import Held, World
from ansible_collections.egi.cmd.plugins.module_utils._promotion.indices import Index, Repository

pytestmark = pytest.mark.skipif(importlib.util.find_spec("solv") is None, reason="libsolv is not here")

BAD = version_range.parse("deb", ">= 2-1, << 3-1")
OLD = {"lib": ("1-1", ""), "app": ("1-1", "Depends: lib"), "tool": ("1-1", "")}
NEW = {"lib": ("2-1", ""), "app": ("1-1", "Depends: lib"), "tool": ("2-1", "")}


def stanza(name, version, more=""):
    fields = [f"Package: {name}", f"Version: {version}", "Architecture: all", "Maintainer: Nobody <nobody@example.org>", more, "Description: nothing"]
    return "\n".join(filter(None, fields)) + "\n"


def repository(path, packages):
    path.write_text("".join(stanza(name, *told) + "\n" for name, told in packages.items()))
    return Repository("jammy", (Index(str(path), "", "2026-11-20"),), False)


def package(top, name, version, more=""):
    """A deb file, which is what the desk has."""
    path = top / f"{name}_{version}_all.deb"
    if not path.exists():
        (top / path.stem / "DEBIAN").mkdir(parents=True)
        (top / path.stem / "DEBIAN/control").write_text(stanza(name, version, more))
        subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", str(top / path.stem), str(path)], check=True, stdout=subprocess.DEVNULL)
    return str(path)


def world(top, old, new, held=("lib",), overlay=()):
    made = World("deb", "jammy", "amd64", [Held(name, old[name][0], BAD.__contains__) for name in held])
    made.read("base", [repository(top / "new", new)])
    made.read("previous", [repository(top / "old", old)])
    made.add("overlay", [package(top, *one) for one in overlay])
    made.add("holdback", [package(top, name, *old[name]) for name in held])
    return made


def refused(made):
    with pytest.raises(Failure) as refusal:
        made.prove()
    text = str(refusal.value)
    return {rule for rule in hold.RULES if f"[{rule}]" in text}, text


def test_a_hold_is_tried_on_every_kind_of_host(tmp_path):
    proof = world(tmp_path, OLD, NEW, overlay=[("lib", "0.9-1")]).prove()
    assert set(proof.hosts) == {"the proven version", "the bad version", "the overlay's own build"}
    assert "the bad version, up to date" in world(tmp_path, OLD, NEW).prove().hosts
    assert proof.excludes == ()


def test_who_needs_the_bad_version_is_named(tmp_path):
    rules, text = refused(world(tmp_path, OLD, {**NEW, "app": ("2-1", "Depends: lib (>= 2)")}))
    assert "hold.blocks" in rules and "the update app 2-1" in text


def test_who_needs_it_through_another_is_named(tmp_path):
    old = {**OLD, "suite": ("1-1", "Depends: app")}
    rules, text = refused(world(tmp_path, old, {**NEW, "app": ("2-1", "Depends: lib (>= 2)"), "suite": ("2-1", "Depends: app (>= 2)")}))
    assert "hold.blocks" in rules and "the update suite 2-1" in text


def test_who_does_not_go_with_the_proven_version_is_named(tmp_path):
    rules, text = refused(world(tmp_path, OLD, {**NEW, "tool": ("2-1", "Breaks: lib (<< 2)")}))
    assert "hold.blocks" in rules and "the update tool 2-1" in text


def test_holding_both_is_proved(tmp_path):
    world(tmp_path, OLD, {**NEW, "app": ("2-1", "Depends: lib (>= 2)")}, held=("lib", "app")).prove()


def test_a_proven_version_that_cannot_be_installed_is_refused(tmp_path):
    old = {**OLD, "lib": ("1-1", "Depends: gone")}
    assert refused(world(tmp_path, old, NEW))[0] == {"hold.unsolvable"}


def test_a_library_that_has_to_stay_with_the_proven_version_is_named(tmp_path):
    old = {**OLD, "lib": ("1-1", "Depends: core (= 1-1)"), "core": ("1-1", "")}
    rules, text = refused(world(tmp_path, old, {**NEW, "core": ("2-1", "")}))
    assert "hold.unsolvable" in rules or "hold.blocks" in rules
    assert "core" in text


NEEDS = st.sampled_from(["", "Depends: lib", "Depends: lib (>= 2)", "Depends: lib (<< 2)", "Breaks: lib (<< 2)", "Depends: tool (>= 2)", "Conflicts: app"])
NAMES = ("app", "tool", "more")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fixed_dictionaries({name: NEEDS for name in NAMES}), st.sets(st.sampled_from(NAMES)))
def test_what_is_proved_holds_on_hosts_with_any_of_the_packages(tmp_path, needs, installed):
    """A proof names hosts it tried; here others are tried, with the solver alone."""
    old = {"lib": ("1-1", ""), **{name: ("1-1", "") for name in NAMES}}
    new = {"lib": ("2-1", ""), **{name: ("2-1", needs[name]) for name in NAMES}}
    try:
        world(tmp_path, old, new).prove()
    except Failure:
        return
    free = upgraded(tmp_path, installed, held=False)
    if free.problems:
        return
    held = upgraded(tmp_path, installed, held=True)
    assert held.after("lib", "1-1") == "1-1"
    assert [name for name in installed if free.after(name, "1-1") == "2-1" != held.after(name, "1-1")] == []


def upgraded(top, installed, held):
    """What a host with lib and these packages would do."""
    solver = Solver("deb", "amd64")
    solver.read("new", str(top / "new"))
    solver.read("old", str(top / "old"))
    builds = [build for name in ("lib", *sorted(installed)) for build in solver.builds(name) if build.repository == "old"]
    solver.consider(lambda build: build.repository == "old" if build.package != "lib" or not held else build.repository == "new", ["lib", *NAMES])
    return solver.upgrade(builds)


def test_what_is_lost_is_found_through_others(tmp_path):
    (tmp_path / "index").write_text("\n".join([
        stanza("lib", "1-1"), stanza("lib", "2-1"), stanza("app", "1-1", "Depends: lib (>= 2), lib (<< 3)"), stanza("suite", "1-1", "Depends: app | other"),
        stanza("easy", "1-1", "Depends: lib"), stanza("either", "1-1", "Depends: app | easy"),
    ]))
    solver = Solver("deb", "amd64")
    solver.read("base", os.fspath(tmp_path / "index"))
    solver.consider(lambda build: False, [])
    bad = [build for build in solver.builds("lib") if build.version == "2-1"]
    assert [build.package for build in solver.lost_without(bad)] == ["app", "suite"]
    assert [build.package for build in solver.lost_without(bad)] == ["app", "suite"], "it changes nothing"

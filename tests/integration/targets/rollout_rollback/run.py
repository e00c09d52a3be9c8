#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A roll-back leaves an apt host and a dnf host exactly as they were: packages, repository files, holds, what was wished for.

The hosts' own tools say so, before the rollout and after it. Arguments name the trials to run; all if there are none.
"""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "rollout_faults"))

from fleet import STATE, Fleet, Host, differences, publish  # noqa: E402

HOSTS = ("apt1", "dnf1")
MIGRATED = "var/lib/cloud-api/migrated"
ILL = ["cloud-api --check", "test -e /nowhere"]


def after_everything(fleet: Fleet) -> None:
    """The packages are there, and a health check fails."""
    fails(fleet, "health check 'test -e /nowhere' exited 1", rollout_health_checks=ILL)


def in_the_middle_of_the_packages(fleet: Fleet) -> None:
    """A package's script fails: some packages are there, one in part. What the script did to data stays done."""
    publish("failing")
    try:
        fails(fleet, "cannot migrate the database")
    finally:
        publish()
    assert all((fleet[name].root / MIGRATED).exists() for name in HOSTS), "data went back, which nobody promised"


def before_the_first_package(fleet: Fleet) -> None:
    """The repositories are there; the packages are refused, because the site keeps one of them back."""
    for name in HOSTS:
        keep_back(fleet[name], "cloud-api")
    fails(fleet, "cloud-api", rollout_packages="cloud-api")


def with_packages_kept_back(fleet: Fleet) -> None:
    """A hold of the site's, and one of its own preferences and logins, are none of the rollout's business."""
    for name in HOSTS:
        keep_back(fleet[name], "site-tools")
    (fleet["apt1"].root / "etc/apt/preferences.d/site.pref").write_text("Package: site-tools\nPin: version 1.0-1\nPin-Priority: 900\n")
    login = fleet["apt1"].root / "etc/apt/auth.conf.d/site.conf"
    login.write_text("machine repo.demo.example/private login site password example\n")
    login.chmod(0o600)
    fails(fleet, "test -e /nowhere", rollout_health_checks=ILL)


def to_the_release_before(fleet: Fleet) -> None:
    """The hosts have an older generation of the release's repositories and its packages, and go back to these."""
    fleet.site(**ONLY)
    status, said = fleet.rollout()
    assert status == 0, said
    fails(fleet, "test -e /nowhere", rollout_health_checks=ILL, rollout_opt_in="proposed")


def keep_back(host: Host, package: str) -> None:
    """Hold a package, the way an administrator does."""
    if host.apt:
        host.run("apt-mark", "hold", package)
    else:
        with (host.root / "etc/dnf/dnf.conf").open("a") as file:
            file.write(f"excludepkgs={package}\n")


ONLY: t.Dict[str, t.Any] = {"rollout_waves": "early_adopters", "groups": {"early_adopters": HOSTS}}


def fails(fleet: Fleet, why: str, **variables: t.Any) -> None:
    """Run a rollout that fails on both hosts for one reason; they are what they were, and the record says so."""
    before = {name: fleet[name].manifest() for name in HOSTS}
    fleet.site(**ONLY, **variables)
    status, said = fleet.rollout()
    assert status != 0, said
    assert "2 failed" in said and why in said, said
    assert "Rolled back: apt1, dnf1" in said, said
    for name in HOSTS:
        assert fleet[name].touched(), f"the rollout never came to {name}"
        assert differences(before[name], fleet[name].manifest()) == [], (name, differences(before[name], fleet[name].manifest()))
        assert fleet.status(name) == "rolled_back", fleet.status(name)


TRIALS = (after_everything, in_the_middle_of_the_packages, before_the_first_package, with_packages_kept_back, to_the_release_before)


def main() -> int:
    publish()
    fleet = Fleet(STATE / "rollout", HOSTS)
    failed = 0
    trials = [trial for trial in TRIALS if trial.__name__ in sys.argv[1:] or not sys.argv[1:]]
    for trial in trials:
        fleet.renew()
        try:
            trial(fleet)
            print(f"ok      {trial.__name__}", flush=True)
        except AssertionError as error:
            failed += 1
            print(f"FAILED  {trial.__name__}: {error}", flush=True)
    print(f"{len(trials) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

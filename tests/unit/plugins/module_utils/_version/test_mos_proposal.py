# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The next free version: the examples of the scheme, its contradictions, and no downgrade whatever the history."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import mos_history, mos_rules, mos_scheme
from ansible_collections.egi.cmd.plugins.module_utils._version.mos import EFFECTIVE
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_proposal import FORMS, Wish, propose

QEMU = "2.1.0-1~u14.04"
RELEASES = ("6.1", "7.0", "10.0")
UPSTREAM = {
    "deb": ["1.0-1", "1.0-1ubuntu1", "1.0-1ubuntu10", "1.0-1build1", "1.0-1~bpo8+1", "1.0-1+deb8u1", "1.0-0ubuntu1", "1.0-0ubuntu2", "1.0-2.1",
            "1.0", "1.0ubuntu1", "1.1-0", "1.1+dfsg-1", "1:0.9-1", "1.2~rc1-1", "1.2-0~rc1", "1.10-1ubuntu1"],
    "rpm": ["1.0-1.el7", "1.0-1.el7_9", "1.0-1.el7.centos.1", "1.0-2.el7", "1.0-10.el7", "1.0-1", "1.0-0.1.rc1.el7", "1.1-1.fc21", "1:0.9-1.el7",
            "1.2~rc1-1.el7", "1.10-1.el7"],
}
BASES = {"deb": ["u14.04", "u16.04", "d8"], "rpm": ["el7", "el8"]}


def next_version(family: str, data: t.Any, **wish: t.Any) -> str:
    return propose(family, mos_history.read(mos_scheme.scheme(family), data), Wish(**wish))


def next_build(family: str, versions: t.Sequence[str], kind: str = "base", **wish: t.Any) -> str:
    base = {"deb": "u14.04", "rpm": "el7"}[family]
    return next_version(family, [{"release": "6.1", kind: versions}], **{"release": "6.1", "form": "build", "kind": kind, "base": base, **wish})


@pytest.mark.parametrize(("family", "before", "wish", "expected"), [
    ("deb", [], {"upstream": "2.1.0-1"}, "2.1.0-1~u14.04+mos1"),
    ("deb", ["6.14.0-2.3~u14.04+mos1"], {"upstream": "6.14.0-2.3ubuntu4"}, "6.14.0-2.3~u14.04+mos2"),
    ("deb", ["6.14.0-2.3~u14.04+mos3"], {"upstream": "6.14.0-3ubuntu1"}, "6.14.0-3~u14.04+mos1"),
    # The vendor's part is cut off both, so the stem stays: to begin again at 1 would be a downgrade.
    ("deb", ["6.14.0-2.3~u14.04+mos3"], {"upstream": "6.14.0-2.3ubuntu5"}, "6.14.0-2.3~u14.04+mos4"),
    ("deb", ["1.2-0u~u14.04+mos7"], {"upstream": "1.2-0ubuntu9"}, "1.2-0u~u14.04+mos8"),
    ("deb", ["2.1.0-1~u14.04+mos9"], {"upstream": "2.1.0-1", "base": "u16.04"}, "2.1.0-1~u16.04+mos1"),
    ("deb", ["2.1.0-1~u14.04+mos9"], {"upstream": "2.1.0-1+deb8u1"}, "2.1.0-1+deb8u1~u14.04+mos1"),
    ("deb", [], {"software": "6.1"}, "6.1-1~u14.04+mos1"),
    ("rpm", [], {"upstream": "0.1.10-1.el7"}, "0.1.10-1.el7~mos1"),
    ("rpm", ["0.1.10-1.el7~mos1"], {"upstream": "0.1.10-1.el7"}, "0.1.10-1.el7~mos2"),
    ("rpm", ["0.1.10-1.el7~mos5"], {"upstream": "0.1.11-1.el7"}, "0.1.11-1.el7~mos1"),
    ("rpm", ["2015.2-1.el7~mos123"], {"software": "2015.2", "at_least": 124}, "2015.2-1.el7~mos124"),
    # A changed spec has no new commits: the number counts on, the release stays.
    ("rpm", ["2015.2-1.el7~mos123"], {"software": "2015.2", "at_least": 123}, "2015.2-1.el7~mos124"),
    ("rpm", ["2015.2-1.el7~mos123"], {"software": "2015.3", "at_least": 0}, "2015.3-1.el7~mos0"),
])
def test_builds_are_counted_on_while_the_stem_stays(family: str, before: t.List[str], wish: t.Dict[str, t.Any], expected: str) -> None:
    assert next_build(family, before, **wish) == expected


@pytest.mark.parametrize(("release", "form", "expected"), [
    ("7.1", "build", f"{QEMU}+mos3"), ("7.1", "update", f"{QEMU}+mos2+mos7.1+1"),
    ("7.0", "update", f"{QEMU}+mos1+mos7.0+1"), ("7.0", "security", f"{QEMU}+mos1+mos7.0+1"), ("7.0", "port", f"{QEMU}+mos2~mos7.0+1"),
])
def test_after_ga_a_deb_names_the_release_it_was_updated_for(release: str, form: str, expected: str) -> None:
    history = [{"release": "6.1", "base": f"{QEMU}+mos1"}, {"release": "7.0", "base": f"{QEMU}+mos1"}, {"release": "7.1", "base": f"{QEMU}+mos2"}]
    build = {"base": "u14.04", "upstream": "2.1.0-1"} if form == "build" else {}
    assert next_version("deb", history, release=release, form=form, source="7.1" if form == "port" else "", **build) == expected


def test_a_fix_reaches_the_newest_release_first() -> None:
    history = [{"release": "6.1", "base": f"{QEMU}+mos1"}, {"release": "7.0", "base": f"{QEMU}+mos1"}]
    with pytest.raises(Failure, match="rule no-downgrade.*Publish to the newest release first"):
        next_version("deb", history, release="6.1", form="update")
    history[1]["updates"] = next_version("deb", history, release="7.0", form="update")
    assert next_version("deb", history, release="6.1", form="update") == f"{QEMU}+mos1+mos6.1+1"


def test_after_a_whole_backport_updates_keep_its_form() -> None:
    history = [{"release": "6.1", "base": f"{QEMU}+mos1", "updates": [f"{QEMU}+mos1+mos6.1+1", f"{QEMU}+mos2~mos6.1+1"]}]
    assert next_version("deb", history, release="6.1", form="update") == f"{QEMU}+mos2~mos6.1+2"


def test_an_older_releases_update_is_ported_forward_whole() -> None:
    history = [{"release": "6.1", "base": f"{QEMU}+mos1", "updates": f"{QEMU}+mos1+mos6.1+2"}, {"release": "7.0"}]
    assert next_version("deb", history, release="7.0", form="port", kind="base", source="6.1") == f"{QEMU}+mos1+mos6.1+2+mos7.0+1"


def test_what_hosts_have_from_proposed_is_counted() -> None:
    history = [{"release": "6.1", "base": f"{QEMU}+mos1", "proposed": f"{QEMU}+mos1+mos6.1+4"}]
    assert next_version("deb", history, release="6.1", form="update") == f"{QEMU}+mos1+mos6.1+5"


def test_rpm_updates_and_security_follow_the_release_not_a_branch() -> None:
    history = [{"release": "8.0", "base": "0.1.10-1.el7~mos1"}, {"release": "9.0", "base": "0.1.10-1.el7~mos3"}]
    history[0]["updates"] = next_version("rpm", history, release="8.0", form="update")
    assert history[0]["updates"] == "0.1.10-1.el7~mos2"
    assert next_version("rpm", history, release="8.0", form="security", kind="security") == "0.1.10-1.el7~mos2.1"
    # mos3 is another release's build, mos4 would be above it
    with pytest.raises(Failure, match="rule no-downgrade"):
        next_version("rpm", history, release="8.0", form="update")
    assert next_version("rpm", history, release="9.0", form="update") == "0.1.10-1.el7~mos4"


def test_holdback_goes_back_on_purpose_but_forward_in_its_own_repository() -> None:
    history = [{"release": "6.1", "base": "2.2-1~u14.04+mos1", "holdback": "2.1.0-1~u14.04+mos1"}]
    wish = {"release": "6.1", "form": "build", "base": "u14.04", "upstream": "2.1.0-1"}
    assert next_version("deb", history, kind="holdback", **wish) == "2.1.0-1~u14.04+mos2"
    with pytest.raises(Failure, match="rule increasing: 2.1.0-1~u14.04.mos2 is not above 2.2-1~u14.04.mos1, which hosts have from base of release 6.1"):
        next_version("deb", history, kind="updates", **wish)


def test_updates_do_not_continue_a_holdback() -> None:
    with pytest.raises(Failure, match="no version of the package to update"):
        next_version("deb", [{"release": "6.1", "holdback": f"{QEMU}+mos1"}], release="6.1", form="update")


@pytest.mark.parametrize(("family", "before", "wish", "why"), [
    ("deb", [f"{QEMU}+mos1"], {"upstream": "2.1.0-1~bpo8+1"}, "rule increasing"),
    ("deb", [f"{QEMU}+mos1"], {"upstream": "2.1.0-1", "base": "d8"}, "rule increasing"),
    ("deb", [f"1:{QEMU}+mos1"], {"upstream": "2.2-1"}, "rule increasing"),
    ("deb", [], {"upstream": "1.2"}, "name it as software"), ("deb", [], {"upstream": "1.2-0"}, "rule below-upstream"),
    ("deb", [], {"upstream": "1.2-0~rc1"}, "rule zero-tilde"), ("rpm", [], {"upstream": "1.0-1"}, "rule below-upstream"),
    ("rpm", [], {"upstream": "1.0-4.centos"}, "rule below-upstream"),
    ("deb", [], {}, "either upstream or software"), ("deb", [], {"upstream": "1-1", "software": "1"}, "either upstream or software"),
    ("deb", [], {"upstream": "1-1", "base": ""}, "base ''"), ("deb", [], {"software": "1:1"}, "rule epoch"),
    ("deb", [], {"form": "update"}, "no version of the package to update"), ("deb", ["1-1"], {"form": "update"}, "read MOS version '1-1'"),
    ("deb", [], {"form": "bump"}, "there is no form 'bump'"), ("deb", [], {"release": "9.0", "upstream": "1-1"}, "there is no release '9.0'"),
    ("deb", [], {"kind": "stable", "upstream": "1-1"}, "repository kind 'stable'"),
    ("deb", [], {"form": "port", "source": "6.1"}, "source is the release itself"), ("deb", [], {"form": "port", "source": "5.0"}, "there is no release '5.0'"),
    ("rpm", [], {"form": "port", "source": "5.0"}, "no form for a port"),
])
def test_what_cannot_be_safe_is_refused_with_its_reason(family: str, before: t.List[str], wish: t.Dict[str, t.Any], why: str) -> None:
    history = [{"release": "6.1", "base": before}]
    base = {"deb": "u14.04", "rpm": "el7"}[family]
    with pytest.raises(Failure) as caught:
        next_version(family, history, **{"release": "6.1", "form": "build", "kind": "base", "base": base, **wish})
    assert why in str(caught.value)


def test_the_base_is_frozen_once_there_are_updates() -> None:
    history = [{"release": "6.1", "base": f"{QEMU}+mos1", "updates": f"{QEMU}+mos1+mos6.1+1"}]
    with pytest.raises(Failure, match="rule above-base"):
        next_version("deb", history, release="6.1", form="build", kind="base", base="u14.04", upstream="2.1.0-1")


def wishes(family: str) -> st.SearchStrategy[Wish]:
    return st.builds(
        Wish, st.sampled_from(RELEASES), st.sampled_from(FORMS), st.sampled_from(["base", "updates", "updates", "security", "proposed", "holdback"]),
        st.sampled_from(BASES[family]), st.sampled_from(UPSTREAM[family]), st.just(""), st.sampled_from(RELEASES), st.sampled_from([None, None, 0, 3]),
    )


@pytest.mark.parametrize("family", ["deb", "rpm"])
@given(data=st.data())
def test_no_history_makes_a_downgrade(family: str, data: st.DataObject) -> None:
    """Publish whatever is proposed, then judge it by the exact order alone: nobody who has something gets less."""
    used = mos_scheme.scheme(family)
    repositories: t.Dict[t.Tuple[str, str], t.List[str]] = {}
    everything: t.Set[t.Any] = set()
    sources: t.Dict[str, t.Set[str]] = {}
    for wish in data.draw(st.lists(wishes(family), min_size=1, max_size=12)):
        history = mos_history.read(used, [
            {"release": name, **{kind: versions for (where, kind), versions in repositories.items() if where == name}} for name in RELEASES
        ])
        try:
            version = propose(family, history, wish)
        except Failure:
            continue
        key = used.key(version)
        assert key not in everything, "the same version for other content"
        stem = used.parse(version).stem
        if wish.form == "build":
            sources.setdefault(stem, set()).add(wish.upstream)
        assert all(key < used.key(upstream) for upstream in sources[stem]), "the base's package of the same software could not take over"
        for (name, kind), versions in repositories.items():
            older = RELEASES.index(name) <= RELEASES.index(wish.release)
            if (older and wish.kind != "holdback") or (name, kind) == (wish.release, wish.kind):
                assert all(used.key(other) < key for other in versions), f"a downgrade for hosts that have {versions} from {kind} of {name}"
        repositories.setdefault((wish.release, wish.kind), []).append(version)
        everything.add(key)
        highest = [
            max((used.key(other) for kind in EFFECTIVE for other in repositories.get((name, kind), [])), default=None) for name in RELEASES
        ]
        present = [found for found in highest if found is not None]
        assert present == sorted(present), "hosts that move to the next release would go back"
        assert mos_rules.problems(family, version, mos_rules.Context(None, wish.release, wish.kind)) == []


@pytest.mark.parametrize("family", ["deb", "rpm"])
@given(builds=st.lists(st.sampled_from(["build", "update", "security"]), max_size=8))
def test_the_newest_release_can_always_go_on(family: str, builds: t.List[str]) -> None:
    used = mos_scheme.scheme(family)
    history = mos_history.read(used, [{"release": "6.1", "base": []}])
    wish = Wish("6.1", "build", "security", BASES[family][0], {"deb": "1.0-1", "rpm": "1.0-1.el7"}[family])
    for form in ("build", *builds):
        version = propose(family, history, wish._replace(form=form))
        history = mos_history.with_version(history, "6.1", "security", version)
    assert len(history[0].of("security")) == len(builds) + 1
    assert mos_history.problems(used, history) == []

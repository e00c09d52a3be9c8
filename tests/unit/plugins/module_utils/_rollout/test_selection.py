# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in a wave: patterns, percentages that stay, clusters that move together or apart, turns."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout.selection import UNITS, members, share, turns

GROUPS = {"all": ["web2", "web1", "db1", "ea1"], "web": ["web1", "web2"], "ea": ["ea1"], "empty": []}
HOSTS = st.lists(st.integers(0, 400).map(lambda number: f"c{number % 7}-h{number}"), unique=True, min_size=1, max_size=60)
PERCENT = st.floats(0, 100)


def cluster_of(host: str) -> str:
    return host.partition("-")[0]


@pytest.mark.parametrize("entries, found", [
    (["web"], ["web1", "web2"]), (["db1", "ea"], ["db1", "ea1"]), (["w*"], ["web2", "web1"]), (["web?"], ["web2", "web1"]),
    (["~web[0-9]"], ["web2", "web1"]), (["~(db|ea)"], ["db1", "ea1"]), (["[de]*1"], ["db1", "ea1"]), (["*"], GROUPS["all"]),
    (["web1", "web*"], ["web1", "web2"]), (["empty"], []),
])
def test_groups_hosts_and_patterns_in_the_order_of_the_inventory(entries: list[str], found: list[str]) -> None:
    assert members("w", entries, GROUPS) == found


@pytest.mark.parametrize("entry, said", [
    ("typo", "names 'typo', which is neither"), ("x*", "names 'x*', which is neither"), ("~(", "'~(' of wave 'w' is not a regular expression"),
    ("!web", "names '!web'"), ("web:db1", "names 'web:db1'"),
])
def test_an_entry_that_means_nothing_is_named(entry: str, said: str) -> None:
    with pytest.raises(Failure, match=re.escape(said)):
        members("w", [entry], GROUPS)


@given(HOSTS, st.sampled_from(UNITS), st.text(max_size=8))
def test_nothing_is_nobody_and_all_is_everybody(hosts: list[str], unit: str, key: str) -> None:
    assert share(hosts, 0, unit, key, cluster_of) == []
    assert share(hosts, 100, unit, key, cluster_of) == hosts


@given(HOSTS, st.sampled_from(UNITS), st.text(max_size=8), PERCENT, PERCENT)
def test_more_percent_never_takes_a_host_out(hosts: list[str], unit: str, key: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert set(share(hosts, less, unit, key, cluster_of)) <= set(share(hosts, more, unit, key, cluster_of))


@given(HOSTS, st.sampled_from(UNITS), PERCENT.filter(bool))
def test_a_wave_that_is_meant_to_have_hosts_has_one(hosts: list[str], unit: str, percent: float) -> None:
    assert share(hosts, percent, unit, "k", cluster_of)


@given(HOSTS, PERCENT)
def test_clusters_move_together_or_give_their_share(hosts: list[str], percent: float) -> None:
    together = set(share(hosts, percent, "together", "k", cluster_of))
    apart = set(share(hosts, percent, "apart", "k", cluster_of))
    for cluster in {cluster_of(host) for host in hosts}:
        own = {host for host in hosts if cluster_of(host) == cluster}
        assert together & own in (set(), own)
        exact = len(own) * percent / 100
        # One more only where the whole share would else be nobody.
        assert math.floor(exact) <= len(apart & own) <= max(math.ceil(exact), 1 if apart == apart & own else 0)


@given(HOSTS, st.integers(500, 600), PERCENT)
def test_another_host_moves_nobody(hosts: list[str], number: int, percent: float) -> None:
    new = f"cnew-h{number}"
    for unit in UNITS:
        before = set(share(hosts, percent, unit, "k", cluster_of))
        after = set(share([*hosts, new], percent, unit, "k", cluster_of))
        # A share too small for anybody is its first host alone, and that may now be the new one.
        assert after - {new} == before or after == {new}


def test_another_key_chooses_other_hosts() -> None:
    hosts = [f"h{number}" for number in range(1000)]
    chosen = [set(share(hosts, 10, "host", key, cluster_of)) for key in ("cmd-os-1", "cmd-os-2")]
    assert all(60 <= len(one) <= 140 for one in chosen)
    assert len(chosen[0] & chosen[1]) < 40


def test_a_percentage_is_the_same_on_every_controller() -> None:
    hosts = [f"h{number}" for number in range(20)]
    assert share(hosts, 25, "host", "cmd-os-1", cluster_of) == ["h1", "h13", "h14"]


@given(HOSTS, st.integers(0, 5))
def test_turns_hold_everybody_once_and_no_cluster_too_often(hosts: list[str], slots: int) -> None:
    found = turns(hosts, slots, cluster_of)
    assert sorted(host for turn in found for host in turn) == sorted(hosts)
    if not slots:
        assert len(found) == 1
    for turn in found:
        assert turn
        clusters = [cluster_of(host) for host in turn]
        assert not slots or max(clusters.count(cluster) for cluster in clusters) <= slots

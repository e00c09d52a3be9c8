# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import parameters
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import living

GATES = {"adopters": 2, "verification": True, "version_scheme": "mos", "metadata": None, "products": [], "product_waivers": []}
METADATA = {"series": "cmd-os-1", "organisation": "Example", "maintainer": "T <t@example.org>", "backports": ["qemu"]}


def told(**changes):
    return {"release": living(), "day": "2026-11-19", "base": [], "previous": [], "gates": GATES, **changes}


def test_what_is_asked_for_is_what_counts():
    setting = parameters.setting(told(gates={**GATES, "version_scheme": "none", "metadata": METADATA}), judging=True)
    assert (str(setting.day), setting.terms.adopters, setting.terms.mos_versions) == ("2026-11-19", 2, False)
    assert setting.terms.metadata and setting.terms.metadata.backports == ("qemu",) and not setting.terms.metadata.mos_versions


def test_base_is_read_for_a_judgement_only(tmp_path):
    base = [{"platform": "bookworm", "paths": [str(tmp_path / "Packages")], "security": True}]
    assert parameters.setting(told(base=base), judging=False).base == ()
    with pytest.raises(Failure, match="there is no"):
        parameters.setting(told(base=base), judging=True)
    (tmp_path / "Packages").touch()
    (found,) = parameters.setting(told(base=base), judging=True).base
    assert (found.platform, found.security) == ("bookworm", True)


@pytest.mark.parametrize(("changes", "words"), [
    ({"day": "2026-13-01"}, "is not a day"),
    ({"gates": {**GATES, "adopters": -1}}, "gates.adopters"),
    ({"gates": {**GATES, "metadata": {**METADATA, "series": " "}}}, "series is empty"),
    ({"gates": {**GATES, "products": [{"name": "x"}]}}, "gates.products"),
    ({"gates": {**GATES, "product_waivers": ["x"]}}, "gates.product_waivers"),
    ({"base": [{"platform": "bookwurm", "paths": ["/nowhere"]}]}, "did you mean 'bookworm'"),
    ({"release": {}}, "no checked release manifest"),
])
def test_bad_input_is_refused_with_words(changes, words):
    with pytest.raises(Failure, match=words):
        parameters.setting(told(**changes), judging=True)


PLACES = [(), ("platforms",), ("platforms", "el9"), ("platforms", "bookworm"), ("deb",), ("rpm",), ("dates",)]
JUNK = st.sampled_from([None, [], {}, "", "x", 7, ["x"], {"x": "y"}])


@given(st.sampled_from(PLACES), st.integers(0, 20), JUNK, st.booleans())
def test_a_spoilt_manifest_is_refused_or_read_and_nothing_else(place, number, junk, drop):
    spoilt = copy.deepcopy(living())
    within = spoilt
    for name in place:
        within = within[name]
    key = sorted(within)[number % len(within)]
    if drop:
        del within[key]
    else:
        within[key] = junk
    try:
        parameters.setting(told(release=spoilt), judging=True)
    except Failure as failure:
        assert str(failure)


def test_what_belongs_to_another_user_is_not_touched(tmp_path, monkeypatch):
    parameters.require_own(str(tmp_path))
    parameters.require_own(str(tmp_path / "not-there-yet"))
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid + 1)
    with pytest.raises(Failure, match="become_user"):
        parameters.require_own(str(tmp_path))

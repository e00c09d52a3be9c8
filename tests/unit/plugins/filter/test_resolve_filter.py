# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resolve filter: the same answers as the resolver, and every refusal an AnsibleFilterError."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.filter.resolve import FilterModule
from ansible_collections.egi.cmd.plugins.module_utils._release import manifest
from ansible_collections.egi.cmd.plugins.module_utils._release.resolve import Wishes, resolve
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.manifests import ALMA, changed, example

resolve_filter = FilterModule().filters()["resolve"]


def test_the_filter_resolves_as_the_resolver_does():
    expected = resolve(manifest.check(example(), "example-1"), ALMA, Wishes(opt_in=["proposed"], kinds=["proposed"]))
    assert resolve_filter(example(), ALMA, opt_in=["proposed"], kinds=["proposed"]) == expected


@pytest.mark.parametrize("release, facts, wishes, why", [
    (changed("kinds", ["bse"]), ALMA, {}, r"release manifest example-1: example-1: kinds\[0\]: expected"),
    ("umd-5", ALMA, {}, r"\(data\): expected an egi.cmd release manifest, schema 1, got 'umd-5'"),
    (example(), {}, {}, "the host's facts lack distribution, distribution_version, architecture"),
    (example(), ALMA, {"optin": ["proposed"]}, "has no argument 'optin'; it has opt_in, snapshot, kinds, extra, keys, platform"),
])
def test_refusals_are_filter_errors(release, facts, wishes, why):
    with pytest.raises(AnsibleFilterError, match=why):
        resolve_filter(release, facts, **wishes)

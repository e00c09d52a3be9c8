# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release lookup: a name, a path or data; everything else is an AnsibleLookupError."""

from __future__ import annotations

import pytest
import yaml
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.egi.cmd.plugins.lookup.release import LookupModule
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.manifests import changed, example


def look_up(*terms, beside=None):
    """Run the lookup as a playbook in the directory beside would."""
    return LookupModule(loader=DataLoader()).run(list(terms), {"ansible_search_path": [str(beside)] if beside else []})


def test_terms_are_answered_in_their_order(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "site.yml").write_text(yaml.safe_dump(example()))
    names = [release["name"] for release in look_up("umd-5", "site.yml", example(name="data-1"), beside=tmp_path)]
    assert names == ["umd-5", "example-1", "data-1"]


def test_an_absolute_path_is_read(tmp_path):
    path = tmp_path / "site"
    path.write_text(yaml.safe_dump(example()))
    assert look_up(str(path))[0]["name"] == "example-1"


def test_dates_are_text_because_older_templating_cannot_hand_on_a_date():
    assert look_up("cmd-os-1")[0]["dates"] == {"ga": "2016-12-15"}


@pytest.mark.parametrize("term, why", [
    ("umd5", r"no shipped release is called so \(did you mean 'umd-5'\?\)"),
    ("./none.yml", "none.yml: No such file or directory"),
    (5, "a term is of type int. Give a name, a path or a dictionary"),
    (changed("kinds", ["bse"]), r"example-1: kinds\[0\]: expected a kind of repository"),
    ({}, r"\(data\): "),
])
def test_refusals_are_lookup_errors(term, why):
    with pytest.raises(AnsibleLookupError, match=why):
        look_up(term)

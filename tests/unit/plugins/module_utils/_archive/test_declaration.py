# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarations: what cannot be is refused before anything is looked at."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._archive.declaration import from_parameters, seconds
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

KEY = "0123456789abcdef0123456789abcdef01234567"


def _suite(**other: t.Any) -> t.Dict[str, t.Any]:
    return {"name": "mos7.0", "state": "present", "kind": "base", "components": {"main": ["/in"]}, "architectures": None, "label": None,
            "codename": None, "version": "", "description": "", "valid_for": None, "not_automatic": None, **other}


def _parameters(*suites: t.Dict[str, t.Any], **other: t.Any) -> t.Dict[str, t.Any]:
    return {"path": "/srv", "format": "deb", "origin": "Example", "label": None, "codename": None, "architectures": ["amd64"],
            "suites": list(suites), "repositories": [], "key_home": "/keys", "signing_keys": [KEY], "key_name": "mos", "contents": True,
            "purge": False, **other}


def test_defaults_are_inherited() -> None:
    """Label from origin, codename from the suite, architectures from the repository."""
    part = from_parameters(_parameters(_suite())).parts[0]
    assert (part.label, part.codename, part.architectures, part.not_automatic) == ("Example", "mos7.0", ("amd64",), False)


@pytest.mark.parametrize("kind, stated, expected", [("proposed", None, True), ("proposed", False, False), ("updates", None, False), ("base", True, True)])
def test_proposed_is_opt_in(kind: str, stated: t.Optional[bool], expected: bool) -> None:
    """Unless told otherwise."""
    assert from_parameters(_parameters(_suite(kind=kind, not_automatic=stated))).parts[0].not_automatic is expected


def test_fingerprints_may_be_written_as_gpg_prints_them() -> None:
    """Lower case, with blanks, twice."""
    spaced = " ".join(KEY[place:place + 4] for place in range(0, 40, 4))
    assert from_parameters(_parameters(_suite(), signing_keys=[spaced, KEY])).keys == (KEY.upper(),)


@pytest.mark.parametrize("parameters, why", [
    (_parameters(_suite(name="../x")), "no plain name"),
    (_parameters(_suite(name=".hidden")), "no plain name"),
    (_parameters(_suite(name="a/b")), "no plain name"),
    (_parameters(_suite(components={"../x": []})), "no plain name"),
    (_parameters(_suite(components={})), "no components"),
    (_parameters(_suite(components={"main": ["in"]})), "absolute paths"),
    (_parameters(_suite(components={"main": 5})), "absolute paths"),
    (_parameters(_suite(label="a\nSuite: b")), "not one line"),
    (_parameters(_suite(valid_for="soon")), "no span of time"),
    (_parameters(_suite(), _suite()), "declared twice"),
    (_parameters(_suite(architectures=["all"])), "no architecture of a host"),
    (_parameters(_suite(), architectures=[]), "no architectures"),
    (_parameters(_suite(), signing_keys=["01234567"]), "no full fingerprint"),
    (_parameters(_suite(), signing_keys=[]), "signing_keys is empty"),
    (_parameters(_suite(), key_name="a/b"), "no plain name"),
    (_parameters(_suite(), key_home="/srv/keys"), "inside the repository"),
    (_parameters(_suite(), repositories=[{}]), "do not belong"),
    (_parameters(format="rpm", repositories=[{"path": "a/../b", "state": "present", "packages": [], "architectures": None}]), "no plain name"),
    (_parameters(format="rpm", repositories=[{"path": "/etc", "state": "present", "packages": [], "architectures": None}]), "no plain name"),
])
def test_what_cannot_be_is_refused(parameters: t.Dict[str, t.Any], why: str) -> None:
    """Names that leave the root, keys that are none, a declaration that says nothing."""
    with pytest.raises(Failure) as caught:
        from_parameters(parameters)
    assert why in caught.value.why


def test_spans() -> None:
    """Hours, days, weeks, years."""
    assert [seconds(text, "x") for text in ("12h", "30d", "2w", "1y")] == [43200, 2592000, 1209600, 31536000]

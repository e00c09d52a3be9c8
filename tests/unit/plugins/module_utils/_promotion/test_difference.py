# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import difference, display, indices
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Desk, Waiver
from ansible_collections.egi.cmd.plugins.module_utils._promotion.excuse import Excuse
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._archive import packages
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._promotion.wishes import item

REPOMD = """<?xml version="1.0"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1795000000</revision>
<data type="primary"><checksum type="sha256">{sum}</checksum><location href="repodata/p.xml.gz"/><size>3</size></data>
<data type="filelists"><checksum type="sha256">{sum}</checksum><location href="repodata/f.xml.gz"/><size>3</size></data>
</repomd>
""".format(sum="ab" * 32)


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_each_suite_gives_one_index_and_the_pool_is_not_searched(tmp_path):
    wanted = [write(tmp_path / f"dists/{suite}/main/binary-amd64/Packages.xz") for suite in ("base", "base-updates")]
    for other in ("dists/base/main/binary-amd64/Packages.gz", "dists/base/main/binary-arm64/Packages.xz", "pool/binary-amd64/Packages",
                  "dists/base/main/binary-amd64/by-hash/SHA256/Packages"):
        write(tmp_path / other)
    (tmp_path.parent / "pointer").symlink_to(tmp_path)
    found = indices.repository("bookworm", "deb", ("amd64",), [str(tmp_path.parent / "pointer")], True)
    assert sorted(index.path for index in found.indices) == sorted(wanted)
    assert found.security


def test_repomd_names_the_indices(tmp_path):
    write(tmp_path / "os/repodata/repomd.xml", REPOMD)
    primary, filelists = (write(tmp_path / f"os/repodata/{name}.xml.gz") for name in "pf")
    (index,) = indices.repository("el9", "rpm", ("x86_64",), [str(tmp_path)], False).indices
    assert (index.path, index.filelists) == (primary, filelists)


def test_a_place_without_an_index_is_refused(tmp_path):
    for path in (str(tmp_path), str(tmp_path / "nowhere")):
        with pytest.raises(Failure, match="read the base of el9"):
            indices.repository("el9", "rpm", ("x86_64",), [path], False)


def desk():
    old, new = item("2.2-1~d12+mos1"), item("2.3-1~d12+mos1", size=1500)
    return Desk("example-1", {"a": Batch("a", "updates", (old, item("1.0-1~d12+mos1", "gone"))), "b": Batch("b", "proposed", (new,))})


def test_two_kinds_differ_in_what_only_one_has():
    notes = [difference.noted(change, lambda digest: None) for change in difference.between_kinds(desk(), "updates", "proposed")]
    assert [(note.kind, note.package, note.before, note.after, note.size) for note in notes] == [
        ("changed", "cloud-api", ["2.2-1~d12+mos1"], ["2.3-1~d12+mos1"], 500), ("removed", "gone", ["1.0-1~d12+mos1"], [], -1000)]
    assert str(notes[0]) == "changed cloud-api 2.2-1~d12+mos1 -> 2.3-1~d12+mos1 (all, bookworm, +500 bytes)"
    assert difference.between_kinds(desk(), "updates", "updates") == []


def test_a_note_has_what_the_package_says(tmp_path):
    changelog = (b"alpha (1.0-1) cmd-os-1; urgency=medium\n\n  * Answers twice as fast.\n  * Closes the door.\n\n"
                 b" -- T <t@example.org>  Thu, 19 Nov 2026 12:00:00 +0000\n")
    data = packages.deb(files={"./usr/share/doc/alpha/changelog.Debian": changelog})
    (tmp_path / "alpha_1.0-1_all.deb").write_bytes(data)
    new = item("1.0-1", "alpha", sha256=hashlib.sha256(data).hexdigest(), file="alpha_1.0-1_all.deb")
    (change,) = difference.between_kinds(Desk("r", {"a": Batch("a", "proposed", (new,))}), "updates", "proposed")
    note = difference.noted(change, {new.sha256: str(tmp_path / "alpha_1.0-1_all.deb")}.get)
    assert (note.maintainer, note.lines) == ("Example Team <team@example.org>", ["* Answers twice as fast.", "* Closes the door."])
    assert str(note).endswith("Example Team <team@example.org>\n        * Answers twice as fast.\n        * Closes the door.")


def test_excuses_name_the_two_who_waived_them():
    late, frozen = Excuse("lifecycle.window", "d", "w", "e", "m"), Excuse("lifecycle.base-frozen", "d", "w", "e", "m", False)
    waivers = [Waiver(one.name, "A", "B", "t", "2026-11-19") for one in (late, frozen)]
    assert [one["waived_by"] for one in display.excuses([late, frozen], waivers)] == [["A", "B"], []]


def test_a_table_has_a_line_for_each_package_that_stands_somewhere():
    now = desk().with_batch(Batch("c", "", (item("9.9-1~d12+mos1"),)))
    assert display.table(now).splitlines() == [
        "proposed bookworm cloud-api 2.3-1~d12+mos1 (all)", "updates bookworm cloud-api 2.2-1~d12+mos1 (all)", "updates bookworm gone 1.0-1~d12+mos1 (all)"]

# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A partial mirror from its upstreams to its readers: what it holds, who signed it, and when it stays as it is."""

from __future__ import annotations

import gzip
import json
import pathlib
import time
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._mirror import rpm_primary, rpm_repomd, trust
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import keys
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.partial_sites import FINGERPRINTS, Site, stanza

pytestmark = pytest.mark.skipif(keys.MISSING, reason="gpg and gpgv are needed")

APP = stanza("app", Depends="lib (>= 2) | other")
PACKAGES = "dists/suite/main/binary-amd64/Packages.gz"


@pytest.fixture(name="key", scope="module")
def fixture_key() -> t.Iterator[keys.Keys]:
    with keys.throw_away() as key:
        FINGERPRINTS.update({name: key.make(name) for name in ("upstream", "site")})
        FINGERPRINTS["gone"] = key.make("gone", expires="1d", at="20200101T000000")
        yield key


@pytest.fixture(name="site")
def fixture_site(tmp_path: pathlib.Path, key: keys.Keys, capsys: pytest.CaptureFixture[str]) -> Site:
    site = Site(tmp_path, key, lambda: tuple(capsys.readouterr()))  # type: ignore[arg-type,return-value]
    site.deb("overlay", APP, stanza("tool"), mode="rebuilt", select=[{"names": ["app"]}])
    site.deb("base", stanza("lib"), stanza("lib", "2.0-1"), stanza("tool", "0.9-1"), stanza("idle"), mode="rebuilt", select=[])
    return site


def _packages(site: Site, source: str, root: str = "mirror") -> bytes:
    return gzip.decompress(site.path(source, PACKAGES, root=root).read_bytes())


def test_readers_get_what_was_selected_and_what_it_needs_signed_by_the_site(site: Site) -> None:
    assert site.sync()["packages"] == {"added": 2, "removed": 0, "changed": 0}
    assert _packages(site, "overlay") == f"{APP}\n".encode() and _packages(site, "base") == f"{stanza('lib', '2.0-1')}\n".encode()
    assert site.path("base/pool/main/l/lib/lib_2.0-1_all.deb").read_bytes() == b"lib 2.0-1"
    signed = trust.clearsigned(site.path("overlay/dists/suite/InRelease").read_bytes(), site.public, "InRelease")
    assert signed.signers == (FINGERPRINTS["site"],) and signed.text == site.path("overlay/dists/suite/Release").read_bytes()
    trust.detached(signed.text, site.path("overlay/dists/suite/Release.gpg").read_bytes(), site.public, "Release")
    head = signed.text.decode().partition("SHA256:")[0]
    for line in ("Origin: Example", "Label: Example", "Suite: suite", "Codename: suite", "Architectures: amd64", "Acquire-By-Hash: yes"):
        assert f"{line}\n" in head, head
    assert "Valid-Until: " in head and signed.text.endswith(b" main/i18n/Translation-en.gz\n")
    assert b" main/binary-amd64/Packages\n" in signed.text and not site.path("overlay", PACKAGES[:-3]).exists()
    translation = gzip.decompress(site.path("overlay/dists/suite/main/i18n/Translation-en.gz").read_bytes())
    assert translation.count(b"Package: ") == 1 and b"Package: app\n" in translation
    assert site.run("verify")["findings"] == []


def test_what_did_not_change_is_not_made_or_signed_again(site: Site) -> None:
    done = site.sync()
    signed = site.path("overlay/dists/suite/InRelease").read_bytes()
    assert not site.sync()["changed"]
    site.deb("base", stanza("lib"), stanza("lib", "2.0-1"), stanza("tool", "0.9-2"), stanza("idle", "3"))
    for _again in range(2):
        after = site.sync()
        assert not after["changed"] and after["snapshot"] == done["snapshot"], after
    site.deb("base", stanza("lib"), stanza("lib", "2.1-1"))
    after = site.sync()
    assert after["packages"] == {"added": 0, "removed": 0, "changed": 1}
    assert site.path("overlay/dists/suite/InRelease").read_bytes() == signed
    assert b"Version: 2.1-1" in _packages(site, "base")
    assert site.run("verify")["findings"] == []


def test_the_plan_is_what_the_sync_does(site: Site) -> None:
    plan = site.run("plan")["set"]
    assert plan["changed"] and {change["package"] for change in plan["changes"]} == {"app", "lib"} and site.shown() is None
    assert site.sync()["packages"] == plan["counts"]
    assert not site.run("plan")["set"]["changed"]


def test_a_plan_needs_no_key_yet(site: Site) -> None:
    site.told["signing"]["home"] = str(site.work / "later")
    assert site.run("plan")["set"]["changed"]
    assert "there is no such directory" in site.sync(good=1) and site.shown() is None


def test_a_signature_is_renewed_when_half_of_its_time_is_over(site: Site) -> None:
    site.told["valid_days"] = 1 / 86400
    first = site.sync()
    time.sleep(1.1)
    second = site.sync()
    assert second["changed"] and second["packages"] == {"added": 0, "removed": 0, "changed": 0} and second["snapshot"] != first["snapshot"]
    site.told["valid_days"] = 0
    site.sync()
    assert b"Valid-Until" not in site.path("base/dists/suite/Release").read_bytes()


def test_what_others_have_is_not_taken(site: Site) -> None:
    site.sources["base"].update(mode="verbatim")
    del site.sources["base"]["select"]
    site.sync()
    assert _packages(site, "base").count(b"Package: ") == 4
    site.deb("overlay", APP, stanza("tool"), stanza("app", "2", Depends="lib (= 1.0-1)"))
    assert site.sync()["packages"]["changed"] == 1 and site.sync()["warnings"] == []
    assert trust.clearsigned(site.path("base/dists/suite/InRelease").read_bytes(), site.keyring, "InRelease").signers == (FINGERPRINTS["upstream"],)
    site.deb("overlay", APP)
    site.sources["base"].update(mode="elsewhere")
    assert site.sync()["packages"]["removed"] == 3
    assert not site.path("base").exists() and _packages(site, "overlay") == f"{APP}\n".encode()
    site.run("snapshot", "prune", "--force")
    kept = json.loads((site.work / "mirror/.cmd-mirror/accepted/set/base.json").read_text())["kept"]
    assert kept and all((site.work / "mirror/store/sha256" / sha256[:2] / sha256).exists() for _path, _size, sha256 in kept)
    site.deb("overlay", stanza("app", Depends="lib (>= 9)"))
    assert any("app 1.0-1 needs lib (>= 9): there is only lib 2.0-1" in warning for warning in site.sync()["warnings"])
    assert any("needs lib (>= 9)" in warning for warning in site.sync()["warnings"])
    assert any("needs lib (>= 9)" in warning for warning in site.run("status")["set"]["last_run"]["warnings"])


def test_the_lower_order_is_preferred(site: Site) -> None:
    site.deb("other", stanza("lib", "5"), mode="rebuilt", order=-1)
    site.sync()
    assert b"Package: lib" in _packages(site, "other") and b"Package" not in _packages(site, "base")
    site.sources["other"]["order"] = 1
    site.sync()
    assert b"Package: lib" in _packages(site, "base") and b"Package" not in _packages(site, "other")


@pytest.mark.parametrize("selection,why", [
    ([{"names": ["apt"]}], "no repository has a package named apt"), ([{"names": ["app"], "exclude": ["a.*"]}], "no repository has a package named app"),
])
def test_a_name_nobody_has_leaves_everything_as_it_is(site: Site, selection: t.Any, why: str) -> None:
    site.sync()
    before = site.shown()
    site.sources["overlay"]["select"] = selection
    assert why in site.sync(good=1) and site.shown() == before


def test_what_is_excluded_is_not_to_be_had(site: Site) -> None:
    site.sources["overlay"]["select"] = [{"exclude": ["tool"]}]
    site.sync()
    assert b"tool" not in _packages(site, "overlay") + _packages(site, "base") and not site.path("overlay/pool/main/t").exists()


def test_nothing_is_published_that_cannot_be_signed(site: Site) -> None:
    site.sync()
    before = site.shown()
    site.deb("base", stanza("lib", "2.2-1"))
    site.told["signing"] = {"home": site.key.home, "keys": [FINGERPRINTS["gone"]]}
    assert "it is expired or revoked" in site.sync(good=1) and site.shown() == before
    site.told["signing"] = {"keyring": site.public}
    assert "a keyring and no home" in site.sync(good=1) and site.shown() == before


def test_a_key_that_ends_soon_is_told_of_in_every_run(site: Site) -> None:
    site.told["signing"]["keys"] = [site.key.make("brief", expires="20d")]
    site.sync()
    for _again in range(2):
        assert any("expires on 20" in warning and "make another" in warning for warning in site.sync()["warnings"])
    site.told["signing"]["keys"] = [FINGERPRINTS["site"]]
    site.sync()
    assert site.sync()["warnings"] == []


def test_another_key_signs_what_did_not_change(site: Site) -> None:
    site.sync()
    other = site.key.make("other")
    site.told["signing"]["keys"] = [other]
    assert site.sync()["changed"] and not site.sync()["changed"]
    home = site.key.keyring(site.work / "other.gpg", other)
    assert trust.clearsigned(site.path("base/dists/suite/InRelease").read_bytes(), home, "InRelease").signers == (other,)


def test_an_upstream_that_is_not_to_be_believed_changes_nothing(site: Site) -> None:
    site.sync()
    before = site.shown()
    release = site.work / "base/dists/suite/InRelease"
    release.write_bytes(release.read_bytes().replace(b"Label: Example", b"Label: Exbmple"))
    assert "does not match" in site.sync(good=1) and site.shown() == before


def test_a_package_the_upstream_did_not_sign_is_found(site: Site) -> None:
    done = site.sync()
    site.deb("base", stanza("lib", "6"))
    inside = site.path(".cmd-mirror/base")
    content = inside.read_text()
    other = json.loads((site.work / "mirror/.cmd-mirror/accepted/set/overlay.json").read_text())["kept"]
    head = content[:content.index("upstream ")]
    rows = [[str(row[column]) for row in other] for column in range(3)]
    inside.write_text(head + f"upstream {len(other)}\n" + "".join(f"{value}\n" for column in rows for value in column))
    found = site.run("verify", good=4)["findings"]
    assert [(one["path"], one["why"]) for one in found] == [
        (f"snapshots/{done['snapshot']}/base/pool/main/l/lib/lib_2.0-1_all.deb", "the upstream did not sign it")], found


def test_what_rots_is_made_again(site: Site) -> None:
    site.rpm("el", "one-1", mode="rebuilt", select=[{}])
    site.sync()
    repomd = rpm_repomd.parse(site.path("el/repodata/repomd.xml").read_bytes(), "repomd.xml")
    paths = [site.path("overlay", PACKAGES), site.path("base/pool/main/l/lib/lib_2.0-1_all.deb"), site.path("el", repomd.data[0].wanted.path)]
    before = [path.read_bytes() for path in paths]
    for path in paths:
        path.resolve().chmod(0o644)
        path.resolve().write_bytes(b"?" * len(path.read_bytes()))
    found = site.run("verify", "--repair")["findings"]
    assert len(found) == 3 and all(finding["repaired"] for finding in found), found
    assert [path.read_bytes() for path in paths] == before and site.run("verify")["findings"] == []


def test_a_lost_signature_is_made_anew(site: Site) -> None:
    first = site.sync()
    site.path("base/dists/suite/InRelease").unlink()
    second = site.sync()
    assert second["changed"] and second["snapshot"] != first["snapshot"]
    assert site.run("verify")["findings"] == []


def test_a_rotten_upstream_index_is_fetched_again(site: Site) -> None:
    site.sync()
    kept = json.loads((site.work / "mirror/.cmd-mirror/accepted/set/overlay.json").read_text())["kept"]
    for _path, size, sha256 in kept:
        file = site.work / "mirror/store/sha256" / sha256[:2] / sha256
        file.chmod(0o644)
        file.write_bytes(b"?" * size)
    site.deb("base", stanza("lib", "3"))
    assert "it was damaged on this disk" in site.sync(good=1)
    assert site.sync()["changed"] and b"Version: 3" in _packages(site, "base")


def test_a_partial_mirror_travels_to_a_site_that_trusts_its_key(site: Site) -> None:
    done = site.sync()
    site.run("bundle", "export", "set", "--to", str(site.work / "medium"), "--key-home", site.key.home, "--key", FINGERPRINTS["site"])
    told = site.told
    site.told = {**told, "signing": {"keyring": site.keyring}}
    assert "which the keyring does not have" in site.run("bundle", "import", str(site.work / "medium"), "--keyring", site.public, root="isolated", good=1)
    site.told = {**told, "signing": {"keyring": site.public}}
    assert site.run("bundle", "import", str(site.work / "medium"), "--keyring", site.public, root="isolated")["published"] == done["snapshot"]
    assert _packages(site, "overlay", "isolated") == _packages(site, "overlay")
    assert site.run("verify", root="isolated")["findings"] == []


def test_rpm_repositories_are_rebuilt_as_well(site: Site) -> None:
    site.sources.clear()
    site.rpm("el", "app-1", "app-2", "idle-1", mode="rebuilt", select=[{"names": ["app"], "newest": 1}])

    def names() -> t.Set[str]:
        primary = rpm_repomd.parse(site.path("el/repodata/repomd.xml").read_bytes(), "repomd.xml").one("primary")
        assert primary is not None
        content = gzip.decompress(site.path("el", primary.wanted.path).read_bytes())
        return {f"{entry.package} {entry.version}" for entry in rpm_primary.packages([content], "primary")}

    site.sync()
    assert names() == {"app 2-1"} and site.path("el/Packages/app-2-1.noarch.rpm").read_bytes() == b"app 2"
    repomd, signature = (site.path("el/repodata", name).read_bytes() for name in ("repomd.xml", "repomd.xml.asc"))
    assert trust.detached(repomd, signature, site.public, "repomd.xml") == (FINGERPRINTS["site"],)
    site.rpm("el", "app-2", "idle-2")
    assert not site.sync()["changed"] and not site.sync()["changed"]
    site.rpm("el", "app-2", "app-3")
    assert site.sync()["packages"] == {"added": 0, "removed": 0, "changed": 1} and names() == {"app 3-1"}
    assert site.run("verify")["findings"] == []


def test_rpm_clients_have_some_elsewhere(site: Site) -> None:
    site.sources.clear()
    site.rpm("el", "app-1", requires="lib", mode="rebuilt", select=[{}])
    site.rpm("base", "lib-1", mode="elsewhere")
    for _again in range(2):
        done = site.sync()
        assert done["warnings"] == [] and not site.path("base").exists()
    site.rpm("el", "app-1", "app-2", requires="lib")
    assert site.sync()["packages"] == {"added": 0, "removed": 0, "changed": 1}
    del site.sources["base"]
    assert "app 1-1 needs lib: nothing provides it" in site.sync()["warnings"]

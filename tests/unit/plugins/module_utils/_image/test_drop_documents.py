# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All documents are made from the drops alone, and say the same."""

from __future__ import annotations

import configparser
import json
import pathlib
import re
import typing as t
from html.parser import HTMLParser

import jsonschema
import pytest

from ansible_collections.egi.cmd.plugins.module_utils._image import drop, drop_difference, drop_documents, drop_record, readme, sbom
from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Event, Stream
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_boots import Boot
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import Endorser, Site
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._image.drop_cells import PACKAGES, image, verdict

SITE = Site("cmd-os-1", "CMD-OS 1", "https://repo.example.org/images", "images@example.org", 30, ("A" * 40,), Endorser("/CN=Endorser", "/CN=CA", ""))
SCHEMA = json.loads((pathlib.Path(drop.__file__).parent / "drop.schema.json").read_text())
IMAGES = [image("generic"), image("ec2", "aarch64"), image("container", formats=["tar.xz"])]
NOON = 1795176000  # 2026-11-20 12:00 UTC


def released() -> Stream:
    """Two builds, the first a blessed rc, the second an rc nobody blessed yet."""
    stream, first = drop.dropped({}, "", IMAGES, "20261120", Event(NOON, "dropped", "", ""))
    stream = drop.promoted(stream, "rc-1", first, Event(NOON + 1, "promoted", "R. Manager", ""))
    stream = drop.reported(stream, "rc-1", [verdict(one) for one in IMAGES if one["disk"]])
    stream, excuses = drop.blessed(stream, "rc-1", "", [Boot("bios", "nocloud")], Event(NOON + 2, "blessed", "R. <Manager>", "fine & good"))
    assert not excuses
    changed = [*PACKAGES[:2], ("libc6", "2.36-9+deb12u14", "amd64", "glibc", "2.36-9+deb12u14", "debian")]
    stream, second = drop.dropped(stream, "", [image(seed="two", packages=changed), *IMAGES[1:]], "20261120", Event(NOON + 3, "dropped", "", ""))
    return drop.promoted(stream, "rc-2", second, Event(NOON + 4, "promoted", "R. Manager", ""))


STREAM = released()
WHOLE = drop_documents.whole(SITE, STREAM)


def loaded(path: str) -> t.Any:
    return json.loads(WHOLE[path].content)


def truth(one: Drop) -> t.Dict[str, t.Tuple[int, str, str]]:
    return {f"{one.label}/{file['name']}": (file["size"], file["sha256"], file["sha512"]) for told in one.images for file in told["files"]}


def test_the_same_drops_give_the_same_bytes() -> None:
    assert drop_documents.whole(SITE, released()) == WHOLE
    assert drop_documents.whole(SITE, dict(reversed(list(released().items())))) == WHOLE


def test_the_record_is_valid_and_reads_back() -> None:
    for label, one in STREAM.items():
        jsonschema.Draft202012Validator(SCHEMA).validate(loaded(f"{label}/drop.json"))
        assert drop_record.from_text(WHOLE[f"{label}/drop.json"].content, "here") == one


def test_simple_streams_say_what_the_drops_say() -> None:
    index = loaded("streams/v1/index.json")["index"]
    found, labels = {}, {}
    for content_id, entry in index.items():
        content = loaded(entry["path"])
        assert (content["content_id"], sorted(content["products"])) == (content_id, entry["products"])
        for product in content["products"].values():
            assert list(product["versions"]) == sorted(product["versions"])
            for version in product["versions"].values():
                labels.setdefault(content_id.split(":")[-2], set()).add(version["pubname"])
                found.update({item["path"]: (item["size"], item["sha256"], item["sha512"]) for item in version["items"].values()})
    assert found == {path: told for one in STREAM.values() for path, told in truth(one).items()}
    assert labels == {"released": {"rc-1"}, "testing": {"rc-2"}, "daily": {"20261120.1", "20261120.2"}}


def test_signed_streams_name_signed_streams() -> None:
    for entry in loaded("streams/v1/index.sjson")["index"].values():
        assert entry["path"].endswith(".sjson") and WHOLE[entry["path"]].form == "clear"


def test_the_image_list_has_the_blessed_images() -> None:
    told = loaded("image.list")["hv:imagelist"]
    expected = truth(STREAM["rc-1"])
    for entry in (item["hv:image"] for item in told["hv:images"]):
        path = entry["hv:uri"][len(SITE.url) + 1:]
        assert (entry["hv:size"], entry["sl:checksum:sha512"]) == (expected[path][0], expected[path][2])
        assert entry["hv:format"] == "OVA"
    assert len(told["hv:images"]) == 2, "a container root is no image of a machine"
    assert (told["dc:date:created"], told["dc:date:expires"]) == ("2026-11-20T12:00:04Z", "2026-12-20T12:00:04Z")


def test_an_image_keeps_its_identifier_and_the_list_a_growing_version() -> None:
    stream, _excuses = drop.blessed(drop.reported(STREAM, "rc-2", [verdict(one) for one in STREAM["rc-2"].images if one["disk"]]), "rc-2", "",
                                    [Boot("bios", "nocloud")], Event(NOON + 9, "blessed", "R. Manager", ""))
    before, after = (json.loads(drop_documents.top(SITE, one)["image.list"].content)["hv:imagelist"] for one in (STREAM, stream))
    assert int(after["hv:version"]) > int(before["hv:version"])
    assert [one["hv:image"]["dc:identifier"] for one in before["hv:images"]] == [one["hv:image"]["dc:identifier"] for one in after["hv:images"]]
    assert all(int(new["hv:image"]["hv:version"]) > int(old["hv:image"]["hv:version"]) for old, new in zip(before["hv:images"], after["hv:images"]))


def test_there_is_no_image_list_without_a_blessing_or_a_certificate() -> None:
    assert "image.list" not in drop_documents.top(SITE._replace(endorser=None), STREAM)
    assert "image.list" not in drop_documents.top(SITE, {label: one for label, one in STREAM.items() if not one.blessing})


def test_the_index_of_virt_builder_names_the_blessed_and_the_newest() -> None:
    index = configparser.ConfigParser(interpolation=None, strict=False)
    index.read_string(WHOLE["index"].content.decode())
    expected = {**truth(STREAM["rc-1"]), **truth(STREAM["20261120.2"])}
    assert sorted(index.sections()) == ["cmd-cloud-ec2", "cmd-cloud-ec2-scratch", "cmd-cloud-generic", "cmd-cloud-generic-scratch"]
    for section in index.sections():
        told = index[section]
        assert (int(told["compressed_size"]), told["checksum[sha512]"]) == (expected[told["file"]][0], expected[told["file"]][2])


def test_productmd_says_what_the_drops_say() -> None:
    for label, one in STREAM.items():
        told = loaded(f"{label}/metadata/images.json")["payload"]["images"]
        found = {f"{label}/{entry['path']}": (entry["size"], entry["checksums"]["sha256"], entry["checksums"]["sha512"])
                 for variant in told.values() for of in variant.values() for entry in of}
        assert found == {path: known for path, known in truth(one).items() if not path.endswith(".raw.tar.xz")}


def test_checksums_say_what_the_drops_say() -> None:
    for one in STREAM.values():
        lasting = drop_documents.lasting(one)
        assert sorted(lasting) == sorted(drop_documents.lasting_names(one))
        expected = {path.split("/")[1]: told for path, told in truth(one).items()}
        sha256 = dict(line.split("  ")[::-1] for line in lasting["SHA256SUMS"].content.decode().splitlines())
        sha512 = dict(line.split("  ")[::-1] for line in lasting["SHA512SUMS"].content.decode().splitlines())
        bsd = dict(re.findall(r"^SHA256 \((.+)\) = ([0-9a-f]+)$", lasting["CHECKSUM"].content.decode(), re.MULTILINE))
        assert bsd == sha256 and sorted(sha256) == sorted(sha512)
        assert {name: (sha256[name], sha512[name]) for name in expected} == {name: told[1:] for name, told in expected.items()}
        assert [name for name in sha256 if name not in expected] == [name for name in sorted(lasting) if name.endswith(".spdx.json")]


class Page(HTMLParser):
    """Where a page leads, what it says; every element has to be closed, in order."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self.links: t.List[str] = []
        self.said = ""
        self._open: t.List[str] = []
        self.tags: t.Set[str] = set()
        self.feed(text.decode())
        assert not self._open

    def handle_starttag(self, tag: str, attrs: t.List[t.Tuple[str, t.Optional[str]]]) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "br"):
            self._open.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


def test_pages_lead_to_everything_and_need_no_script() -> None:
    page = Page(WHOLE["index.html"].content)
    assert {f"{label}/" for label in STREAM} | {"latest/", "latest-scratch/", "KEY.asc", "image.list", "index.asc", "streams/v1/index.sjson"} <= set(page.links)
    for label, one in STREAM.items():
        page = Page(WHOLE[f"{label}/index.html"].content)
        below = [path.split("/", 1)[1] for path in (*WHOLE, *truth(one)) if path.startswith(f"{label}/")]
        here = {*below, *drop_documents.lasting(one)}
        assert here - {"index.html"} <= set(page.links)
        assert "script" not in page.tags
        for _size, sha256, _sha512 in truth(one).values():
            assert sha256 in page.said


def test_what_people_wrote_is_text_and_nothing_else() -> None:
    assert "Blessed by R. <Manager> on 2026-11-20: fine & good" in Page(WHOLE["rc-1/index.html"].content).said


def test_the_readme_tells_how_to_verify_and_to_boot() -> None:
    text = WHOLE["rc-1/README.md"].content.decode()
    for word in ("gpg --verify CHECKSUM", "sha256sum --check", "openstack image create", "oneimage create", "virt-install", "aws ec2 register-image",
                 "podman import", "A" * 40):
        assert word in text
    assert "None" not in text
    assert text.count("```") % 2 == 0


@pytest.mark.parametrize(("size", "text"), [
    (0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (5 << 40, "5.0 TiB"),
])
def test_sizes_for_people(size: int, text: str) -> None:
    assert readme.human(size) == text


@pytest.mark.parametrize(("package", "purl"), [
    (PACKAGES[0], "deb/debian/base-files@12.4%2Bdeb12u12?arch=amd64&distro=bookworm&repository_url=http://mirror.example.org/debian"
                  "&upstream=base-files%4012.4%2Bdeb12u12"),
    (PACKAGES[1], "deb/cloud-init@22.4.2-1?arch=all&distro=bookworm"),
    (PACKAGES[3], "deb/middleware@1:2.3-1~d12%2Bmos1?arch=amd64&distro=bookworm&repository_url=http://repo.example.org/apt&upstream=middleware-src%402.3"),
    (("bash", "0:5.1-1.el9", "x86_64", "bash", "5.1-1.el9", "appstream"), "rpm/bash@5.1-1.el9?arch=x86_64&distro=bookworm&epoch=0&upstream=bash%405.1-1.el9"),
])
def test_package_urls(package: t.Tuple[t.Optional[str], ...], purl: str) -> None:
    keys = ("name", "version", "architecture", "source", "source_version", "origin")
    assert sbom.purl(dict(zip(keys, package)), IMAGES[0]) == f"pkg:{purl}"


def test_a_bill_of_materials_has_every_package_and_file_and_a_name_of_its_own() -> None:
    one, other = sbom.document(IMAGES[0]), sbom.document(image(seed="two"))
    names = {row["name"] for row in one["packages"]}
    assert names == {"cmd-cloud-generic-x86_64", *(row[0] for row in PACKAGES), *(file["name"] for file in IMAGES[0]["files"])}
    assert one["documentNamespace"] != other["documentNamespace"]
    assert sbom.text(IMAGES[0]) == sbom.text(image())


def test_the_difference_names_the_one_package_that_changed() -> None:
    told = drop_difference.between(STREAM["rc-1"], STREAM["rc-2"])
    assert [one["name"] for one in told["changed"]] == ["cmd-cloud-generic-x86_64"] and len(told["changed"][0]["files"]) == 3
    assert told["packages"] == {"cmd-cloud-generic-x86_64": {
        "added": [], "removed": [{"name": "middleware:amd64", "before": "1:2.3-1~d12+mos1"}],
        "changed": [{"name": "libc6:amd64", "before": "2.36-9+deb12u13", "after": "2.36-9+deb12u14"}]}}
    assert "    ~ libc6:amd64 2.36-9+deb12u13 -> 2.36-9+deb12u14" in drop_difference.lines(told)
    same = drop_difference.between(STREAM["20261120.1"], STREAM["rc-1"])
    assert drop_difference.lines(same) == ["rc-1 is the same as 20261120.1"]


def test_names_that_clash_are_found() -> None:
    twice = Drop("20261120.1", "", (image(), image()), (Event(1, "dropped", "", ""),))
    assert "cmd-cloud-generic-x86_64.qcow2" in drop_documents.clashes(twice)
    told = image(formats=["qcow2"])
    told["files"][0]["name"] = "index.html"
    assert drop_documents.clashes(twice._replace(images=(told,))) == ["index.html"]

# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""SPDX 2.3 documents: what is in an image, and what it was made of. Pure.

The licence of a package is not in a package manager's records, so none is claimed.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import typing as t
from urllib.parse import quote

Json = t.Dict[str, t.Any]
_DEB_WORDS = ("all", "amd64", "i386", "arm64")  # what dpkg calls architectures; rpm has other words for each
_VENDORS = ("almalinux", "centos", "debian", "fedora", "redhat", "rocky", "ubuntu")
_NOTHING_CLAIMED = {"filesAnalyzed": False, "downloadLocation": "NOASSERTION", "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
                    "copyrightText": "NOASSERTION"}
_TOOL = "Tool: egi.cmd"


def text(image: Json) -> bytes:
    """The document of one image; the same image always gives the same bytes."""
    return (json.dumps(document(image), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def document(image: Json) -> Json:
    """The document as data. Its name in the world is made of the digests of the files, so other bytes have another."""
    called = f"{image['name']}-{image['variant']}-{image['architecture']}"
    digest = hashlib.sha256("".join(f"{file['sha256']}  {file['name']}\n" for file in image["files"]).encode()).hexdigest()
    packages = sorted(image["packages"], key=lambda one: (one["name"], one["architecture"], one["version"]))
    system = {"SPDXID": "SPDXRef-Image", "name": called, "versionInfo": image["snapshot"] or image["release"], "primaryPackagePurpose": "OPERATING-SYSTEM",
              "comment": f"definition {image['definition']}", **_NOTHING_CLAIMED}
    files = [_file(number, file) for number, file in enumerate(image["files"], start=1)]
    contents = [_package(number, package, image) for number, package in enumerate(packages, start=1)]
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": called,
        "documentNamespace": f"urn:egi-cmd:image:{called}:{digest}",
        "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(image["source_date_epoch"])), "creators": [_TOOL]},
        "documentDescribes": ["SPDXRef-Image"],
        "packages": [system, *files, *contents],
        "relationships": [_related("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image"),
                          *(_related(file["SPDXID"], "GENERATED_FROM", "SPDXRef-Image") for file in files),
                          *(_related("SPDXRef-Image", "CONTAINS", package["SPDXID"]) for package in contents)],
    }


def purl(package: Json, image: Json) -> str:
    """The package URL of a package: the source package, the platform and the repository it came from as qualifiers.

    Only a distribution's own package gets its name space, for readers look up vulnerabilities by that.
    """
    deb = package["architecture"] in _DEB_WORDS
    repository: Json = next((one for one in image["repositories"] if one["name"] == package["origin"]), {})
    vendor = repository["name"].partition("-")[0] if repository.get("kind") == "distribution" else ""
    namespace = f"{vendor}/" if vendor in _VENDORS else ""
    version, epoch = package["version"], ""
    if not deb and re.match(r"[0-9]+:", version):  # of an rpm's version the epoch is a qualifier, of a deb's a part
        epoch, _colon, version = version.partition(":")
    source_version = f"@{package['source_version']}" if package["source_version"] else ""
    qualifiers = {"arch": package["architecture"], "distro": image["platform"], "epoch": epoch, "repository_url": repository.get("uri"),
                  "upstream": package["source"] + source_version if package["source"] else ""}
    tail = "&".join(f"{name}={_quoted(value)}" for name, value in qualifiers.items() if value)
    return f"pkg:{'deb' if deb else 'rpm'}/{namespace}{_quoted(package['name'])}@{_quoted(version)}?{tail}"


def _package(number: int, package: Json, image: Json) -> Json:
    found = {"SPDXID": f"SPDXRef-Package-{number}", "name": package["name"], "versionInfo": package["version"], **_NOTHING_CLAIMED,
             "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl(package, image)}]}
    if package["source"]:
        found["sourceInfo"] = f"built from source package {package['source']} {package['source_version'] or package['version']}"
    return found


def _file(number: int, file: Json) -> Json:
    checksums = [{"algorithm": name.upper(), "checksumValue": file[name]} for name in ("sha256", "sha512")]
    return {"SPDXID": f"SPDXRef-File-{number}", "name": file["name"], "packageFileName": file["name"], "primaryPackagePurpose": "FILE",
            "checksums": checksums, "comment": f"{file['size']} bytes", **_NOTHING_CLAIMED}


def _related(one: str, how: str, other: str) -> Json:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}


def _quoted(text_: str) -> str:
    return quote(text_, safe=".-_~:/")

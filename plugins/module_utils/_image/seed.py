# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a machine is told at its first boot, whichever way it is told: the one description all transports are made from."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

Data = t.Union[None, str, t.Mapping[str, t.Any], t.Sequence[t.Any]]

# First line -> type of a part, as cloud-init's handlers know them. A text that begins otherwise is plain text.
_BEGINNINGS = (
    ("#!", "x-shellscript"), ("#cloud-config-archive", "cloud-config-archive"), ("#cloud-config", "cloud-config"), ("#cloud-boothook", "cloud-boothook"),
    ("#include-once", "x-include-once-url"), ("#include", "x-include-url"), ("## template: jinja", "jinja2"),
)
_HOSTNAME = re.compile(r"(?=.{1,253}$)[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*")
_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}( [^\r\n\0]*)?")
# Characters of JSON that are not allowed, or would be a line break, inside a string of YAML (YAML 1.1, section 5.1).
_NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
# The user's own list of keys or users stays, ours is added.
_MERGE = "dict(no_replace,recurse_list)+list(append)+str()"
_SECRETS = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")),
    ("a password", re.compile(r"(?i)\b(?:[a-z_]*passw(?:or)?d|passphrase|chpasswd|secret)\b[\"']?\s*[:=]\s*(?!(?:true|false|null|none)\b)\S")),
    ("a token", re.compile(r"(?i)\b[a-z_-]*(?:token|api_?key)\b[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9._~+/-]{12,}")),
    ("a login in a URL", re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@]+:[^/\s@]+@")),
)


class Seed(t.NamedTuple):
    """Everything is checked. parts: the user's own data; added: a cloud-config beside them; vendor_data: as cloud-init reads it."""

    instance_id: str
    hostname: str
    ssh_keys: t.Tuple[str, ...]
    parts: t.Tuple[str, ...]
    added: t.Mapping[str, t.Any]
    vendor_data: str
    network: t.Optional[t.Mapping[str, t.Any]]

    @property
    def user_data(self) -> str:
        """User data as cloud-init reads it; empty without any."""
        return text_of(self.parts, self.added)


def of(given: t.Mapping[str, t.Any]) -> Seed:
    """Check a description and work it out.

    given: ``hostname`` and, as wanted, ``instance_id`` (else made of the content: other content is another instance),
    ``user_data`` and ``vendor_data`` (text, a mapping that is a cloud-config, or a list of such parts), ``ssh_keys``,
    ``password`` of the default user, ``network`` (cloud-init's version 1 or 2).
    """
    hostname = given["hostname"]
    if not _HOSTNAME.fullmatch(hostname):
        raise _refusal(f"{hostname!r} is not a host name", "Use labels of letters, digits and hyphens, with dots between them")
    keys = tuple(key.strip() for key in given.get("ssh_keys") or ())
    for number, key in enumerate(keys, 1):
        if not _KEY.fullmatch(key):
            raise _refusal(f"SSH key {number} is not a public key on one line", "Give the content of a .pub file")
    password = given.get("password")
    added = {"password": password, "chpasswd": {"expire": False}, "ssh_pwauth": True} if password else {}
    network = given.get("network") or None
    if network is not None and network.get("version") not in (1, 2):
        raise _refusal("network has no version 1 or 2", "Give what cloud-init calls a network configuration, with its version")
    parts, vendor_data = _parts(given.get("user_data")), text_of(_parts(given.get("vendor_data")))
    identity = given.get("instance_id") or _identity(hostname, keys, parts, added, vendor_data, network)
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", identity):
        raise _refusal(f"{identity!r} is not an instance id", "Use up to 128 letters, digits, dots, colons, underscores and hyphens")
    return Seed(identity, hostname, keys, parts, added, vendor_data, network)


def text_of(parts: t.Sequence[str], added: t.Optional[t.Mapping[str, t.Any]] = None) -> str:
    """User or vendor data as cloud-init reads it: one part as it is, several as MIME. added: a cloud-config, the last of them."""
    if added:
        parts = [*parts, _part(added)]
    if len(parts) < 2:
        return parts[0] if parts else ""
    # The boundary follows from the content: the same parts give the same bytes.
    boundary = "part-" + hashlib.sha256("\0".join(parts).encode()).hexdigest()
    message = MIMEMultipart(boundary=boundary)
    for number, part in enumerate(parts, 1):
        kind = next((kind for beginning, kind in _BEGINNINGS if part.startswith(beginning)), "plain")
        body = MIMEText(part, kind, "utf-8")
        body.add_header("Content-Disposition", "attachment", filename=f"part-{number:03d}")
        if added and number == len(parts):
            body.add_header("Merge-Type", _MERGE)
        message.attach(body)
    return message.as_string()


def yaml(value: t.Any) -> str:
    """A value as JSON that is YAML too, so that no host needs a YAML library."""
    return _NOT_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False, sort_keys=True))


def secrets(given: t.Mapping[str, t.Any]) -> t.List[str]:
    """What of a description should be read by nobody but its machine, in words; a guess that rather says too much."""
    found = ["a password"] if given.get("password") else []
    for data in (given.get("user_data"), given.get("vendor_data"), given.get("network")):
        text = data if isinstance(data, str) else json.dumps(data, default=str).replace("\\n", "\n").replace('\\"', '"')
        found += [what for what, pattern in _SECRETS if pattern.search(text)]
    return sorted(set(found))


def _parts(data: Data) -> t.Tuple[str, ...]:
    return tuple(_part(part) for part in (data if isinstance(data, (list, tuple)) else [data]) if part)


def _part(part: t.Any) -> str:
    if isinstance(part, str):
        text = part
    elif isinstance(part, t.Mapping):
        text = f"#cloud-config\n{yaml(part)}\n"
    else:
        raise _refusal(f"a part of the data is a {type(part).__name__}", "Give texts and mappings")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _refusal("the data is not text of Unicode", "Give binary data base64 encoded, in write_files of a cloud-config") from None
    if "\0" in text:
        raise _refusal("the data has a null byte", "Give binary data base64 encoded, in write_files of a cloud-config")
    return text


def _identity(*content: t.Any) -> str:
    return "i-" + hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:17]


def _refusal(why: str, remedy: str) -> Failure:
    return Failure("make the seed", why, remedy)

# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The guest's own report: the script that cloud-init runs in it, and how the host reads it off the console.

A console is shared with the kernel and everybody else. So the report goes over it as base64 in lines that begin with a nonce,
twice, and with its digest: a line that somebody wrote into is noticed, and the second copy is taken.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import re
import typing as t
import zlib

_LARGEST = 16 << 20
# scripts-user is one of cloud-init's last modules, but result.json is written after it: so the script goes on by itself.
_SCRIPT = """\
#!/bin/sh
nonce='%(nonce)s'
install='%(install)s'
server='%(server)s'
names='%(names)s'
asked='%(asked)s'
section() { printf '#%%s %%s\\n' "$nonce" "$1"; shift; "$@" 2>&1; printf '\\n'; }
packages() {
    if command -v dpkg-query >/dev/null; then dpkg-query -W -f '${db:Status-Abbrev}|${Package}|${Version}|${Architecture}\\n' | sed -n 's/^.i *|//p'
    else rpm -qa --qf '%%{NAME}|%%{EVR}|%%{ARCH}\\n' | grep -v '^gpg-pubkey|'; fi | LC_ALL=C sort
}
sources() { cat /etc/apt/sources.list.d/egi-cmd-*.sources /etc/yum.repos.d/egi-cmd-*.repo 2>/dev/null; }
root() { df -P -k / | awk 'NR == 2 {print $2}'; }
served() {
    # Of the repositories those that the mirror serves: nothing else answers here.
    for name in $names; do
        if command -v apt-get >/dev/null; then
            awk -v RS= -v ORS='\\n\\n' -v name="$name" 'index($0, "://" name "/") || index($0, "://" name ":")' /etc/apt/sources.list.d/egi-cmd-*.sources
        else
            awk -F '[][]' -v name="$name" '/^\\[/ {id = $2} index($0, "://" name "/") {print "--enablerepo=" id}' /etc/yum.repos.d/egi-cmd-*.repo
        fi
    done
}
update() {
    if command -v apt-get >/dev/null; then
        mkdir -p /run/egi-cmd-sources
        served >/run/egi-cmd-sources/mirror.sources
        apt-get update -q -o APT::Update::Error-Mode=any -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/run/egi-cmd-sources
    else dnf -q makecache --disablerepo='*' $(served); fi
    printf '\\nexit %%s\\n' $?
}
add() {
    if command -v apt-get >/dev/null; then DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $install
    else dnf -qy install --disablerepo='*' $(served) $install; fi
    printf '\\nexit %%s\\n' $?
}
report() {
    section result cat /run/cloud-init/result.json
    section status cat /run/cloud-init/status.json
    section hostname cat /proc/sys/kernel/hostname
    section kernel uname -r
    section root root
    section packages packages
    section sources sources
    if [ -n "$names" ]; then
        for name in $names; do printf '%%s %%s\\n' "$server" "$name"; done >>/etc/hosts
        section update update
    fi
    [ -z "$asked" ] || section policy apt-cache policy $asked
    if [ -n "$install" ]; then section install add; section installed packages; fi
    section end true
}
say() {
    for copy in 1 2; do
        gzip -9n </run/egi-cmd-report | base64 -w 100 | sed "s/^/$nonce.$copy:/"
        printf '%%s.%%s=%%s\\n' "$nonce" "$copy" "$(sha256sum </run/egi-cmd-report | cut -c 1-64)"
    done | sed 's/$/\\r/'
}
tell() {
    waited=0
    while [ ! -e /run/cloud-init/result.json ] && [ $waited -lt %(patience)d ]; do sleep 1; waited=$((waited + 1)); done
    dmesg -n 1 2>/dev/null
    report >/run/egi-cmd-report
    say >/dev/console
    sleep 3
    poweroff
}
tell </dev/null >/dev/null 2>&1 &
"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:_~-]*")


class Package(t.NamedTuple):
    """An installed package, as dpkg or rpm spell it."""

    name: str
    version: str
    architecture: str


def is_name(text: str) -> bool:
    """Whether a package's or host's name can be put into the script."""
    return bool(_NAME.fullmatch(text))


def script(nonce: str, server: str, names: t.Sequence[str], install: t.Sequence[str], asked: t.Sequence[str], patience: int) -> str:
    """What the guest runs.

    names: hosts that the server at that address answers for, empty without a mirror; install: packages; asked: packages whose
    priorities are wanted; patience: seconds to wait for cloud-init's result.
    """
    words = {"names": names, "install": install, "asked": asked}
    return _SCRIPT % {"nonce": nonce, "server": server, "patience": patience, **{name: " ".join(value) for name, value in words.items()}}


def extracted(console: str, nonce: str) -> t.Optional[t.Dict[str, str]]:
    """Section -> text of the report on a console; None while no copy of it is there wholly."""
    lines = re.compile(rf"{re.escape(nonce)}\.([12])(?::([A-Za-z0-9+/=]+)\s*$|=([0-9a-f]{{64}}))", re.MULTILINE)
    begun: t.Dict[str, str] = {"1": "", "2": ""}
    for found in lines.finditer(console.replace("\r", "\n")):
        copy, encoded, digest = found.groups()
        begun[copy] += encoded or ""
        text = _unpacked(begun[copy], digest) if digest else None
        if text is not None:
            return _sections(text, nonce)
    return None


def copies(console: str, nonce: str) -> int:
    """How many copies have ended."""
    return len(re.findall(rf"{re.escape(nonce)}\.[12]=[0-9a-f]{{64}}", console))


def packages(text: str) -> t.List[Package]:
    """The packages of a section."""
    rows = [line.split("|") for line in text.splitlines()]
    return [Package(*row) for row in rows if len(row) == 3]


def exit_status(text: str) -> t.Tuple[int, str]:
    """Status and output of a section that ran a program."""
    found = re.search(r"\nexit (\d+)\s*$", f"\n{text}")
    return (int(found[1]), text[:text.rfind("exit ")].strip()) if found else (255, text.strip())


def candidate(policy: str, name: str) -> t.Tuple[str, t.Dict[str, int]]:
    """Of a package in ``apt-cache policy``'s answer: the version apt would install, and version -> priority of each."""
    block = re.search(rf"^{re.escape(name)}:\n((?: .*\n?)*)", policy, re.MULTILINE)
    if not block:
        return "", {}
    chosen = re.search(r"^  Candidate: (\S+)", block[1], re.MULTILINE)
    table = {found[1]: int(found[2]) for found in re.finditer(r"^ (?:\*\*\*|   ) (\S+) (-?\d+)$", block[1], re.MULTILINE)}
    return (chosen[1] if chosen else ""), table


def _unpacked(encoded: str, digest: str) -> t.Optional[str]:
    try:
        stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        data = stream.decompress(base64.b64decode(encoded, validate=True), _LARGEST)
    except (binascii.Error, ValueError, zlib.error, gzip.BadGzipFile):
        return None
    return data.decode("utf-8", "replace") if hashlib.sha256(data).hexdigest() == digest else None


def _sections(text: str, nonce: str) -> t.Dict[str, str]:
    parts = re.split(rf"^#{re.escape(nonce)} (\w+)\n", text, flags=re.MULTILINE)
    return {name: body.rstrip("\n") for name, body in zip(parts[1::2], parts[2::2])}

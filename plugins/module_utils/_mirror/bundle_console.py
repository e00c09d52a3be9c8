# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""cmd-mirror bundle: export, import, inventory."""

from __future__ import annotations

import os
import sys
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror import display
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import write_file

if t.TYPE_CHECKING:
    import argparse

    from ansible_collections.egi.cmd.plugins.module_utils._mirror.console import Result, Session

_KEY_HOME = "/etc/cmd-mirror/signing"
_KEYRING = "/etc/cmd-mirror/keys/bundles.gpg"


def add_commands(commands: t.Any, command: t.Callable[..., argparse.ArgumentParser]) -> None:
    """Add the bundle commands to the parser; command makes one."""
    bundle = commands.add_parser("bundle", help="carry snapshots to a site without network").add_subparsers(metavar="COMMAND", required=True)
    export = command(bundle, "export", "write a signed bundle of a snapshot, whole or what a site lacks", "bundle_")
    export.add_argument("what", metavar="SNAPSHOT", help="a snapshot, or a name that leads to one")
    target = export.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="DIRECTORY", help="write a plain directory; again: go on, or take it for the next bundle")
    target.add_argument("--tar", metavar="FILE", help="write a tar file, - for standard output")
    target.add_argument("--iso", metavar="FILE", help="write an ISO 9660 image for a disc, - for standard output")
    base = export.add_mutually_exclusive_group()
    base.add_argument("--inventory", metavar="FILE", help="leave out what the site has: the file its bundle inventory wrote")
    base.add_argument("--since", metavar="SNAPSHOT", help="leave out what this snapshot holds")
    export.add_argument("--key-home", metavar="DIRECTORY", default=_KEY_HOME, help=f"GnuPG home of the signing key (default: {_KEY_HOME})")
    export.add_argument("--key", metavar="FINGERPRINT", action="append", required=True, help="key to sign with; may be given several times")
    taking = command(bundle, "import", "verify a bundle and publish its snapshot here", "bundle_")
    taking.add_argument("path", metavar="BUNDLE", help="a bundle's directory, tar file or image, or the drive of its disc; - for a tar on standard input")
    taking.add_argument("--keyring", metavar="FILE", default=_KEYRING, help=f"binary keyring of those who may sign bundles (default: {_KEYRING})")
    command(bundle, "inventory", "write down what this mirror has, for the next export", "bundle_", sets=True).add_argument(
        "--to", metavar="FILE", default="-", help="where to (default: standard output)")


def export(session: Session) -> Result:
    """cmd-mirror bundle export"""
    from ansible_collections.egi.cmd.plugins.module_utils._mirror import bundle_export

    told, mirror = session.arguments, session.mirror
    base = None
    if told.inventory:
        base = bundle_export.load_inventory(told.inventory)
    elif told.since:
        base = bundle_export.inventory_of(mirror.generations, mirror.pointers.resolve(told.since))
    ready = bundle_export.prepare(mirror.generations, mirror.store, mirror.pointers.resolve(told.what), base)
    key = bundle_export.Key(told.key_home, tuple(told.key))
    target, form = next((path, form) for path, form in ((told.to, "directory"), (told.tar, "tar"), (told.iso, "iso")) if path)
    changed = bundle_export.write(form, ready, target, key, mirror.stop, lambda done, total: session.display.amount("export", done, total))
    data = {"changed": changed, "set": ready.bundle.set, "snapshot": ready.bundle.generation, "base": list(ready.bundle.base),
            "files": len(ready.bundle.contents()), "bytes": ready.size, "path": target}
    text = f"{ready.bundle.generation}: {len(ready.bundle.contents())} files, {display.size(ready.size)}" + (
        f", on top of {', '.join(ready.bundle.base)}" if ready.bundle.base else "")
    if target == "-":
        session.display.say(text)
        return 0, None, ""
    return 0, data, f"{text}, {'written to' if changed else 'already in'} {target}"


def bring(session: Session) -> Result:
    """cmd-mirror bundle import"""
    from ansible_collections.egi.cmd.plugins.module_utils._mirror import bundle_import

    with session.mirror.locked():
        done = bundle_import.take(session.mirror, session.arguments.path, session.arguments.keyring,
                                  lambda done, total: session.display.amount("import", done, total))
    for warning in done.warnings:
        session.display.say(f"warning: {warning}")
    data = {"changed": done.changed, "set": done.bundle.set, "snapshot": done.bundle.generation, "base": list(done.bundle.base),
            "files": len(done.bundle.contents()), "bytes": done.size, "published": done.published, "signers": list(done.signers), "warnings": done.warnings}
    state = "imported" if done.changed else "already here"
    return 0, data, f"{done.bundle.generation}: {state}, signed by {', '.join(done.signers)}, published: {done.published or 'nothing'}"


def inventory(session: Session) -> Result:
    """cmd-mirror bundle inventory"""
    from ansible_collections.egi.cmd.plugins.module_utils._mirror import bundle, bundle_export

    found = bundle_export.inventory(session.mirror.generations, [of_set.name for of_set in session.sets()])
    content = bundle.encode_inventory(found).decode()
    target = session.arguments.to
    if target == "-":
        sys.stdout.write(content)
        return 0, None, ""
    write_file(target, content, os.path.abspath(target) + ".new")
    data = {"snapshots": list(found.generations), "files": len(found.files), "path": target}
    return 0, data, f"{len(found.generations)} snapshots, {len(found.files)} files, written to {target}"

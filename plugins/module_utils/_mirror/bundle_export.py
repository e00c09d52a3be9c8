# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Making a bundle of a generation to carry to a site without network.

Every byte is read through its SHA-256 on the way out, so what has rotted on this disk does not travel. The two signed
documents are written last into a directory: before they are there it is no bundle, and exporting again goes on.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
import threading
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import signing
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import bundle as bundles
from ansible_collections.egi.cmd.plugins.module_utils._mirror import trust
from ansible_collections.egi.cmd.plugins.module_utils._mirror.bundle import MANIFEST, SIGNATURE, Bundle, Carried, Files, Inventory, path_of
from ansible_collections.egi.cmd.plugins.module_utils._mirror.bundle_medium import CHUNK, Chunks, checked, listing, open_medium, tar_header
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Generations
from ansible_collections.egi.cmd.plugins.module_utils._mirror.iso_write import Layout, padding, volume_name
from ansible_collections.egi.cmd.plugins.module_utils._mirror.manifest import Manifest
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store, make_directory, sha256_of, sync_directory, sync_file_system

_PARTIAL = "partial"
_LARGEST_INVENTORY = 1 << 28
_DAMAGED = "Repair it with cmd-mirror verify --repair, then export again"

Seen = t.Callable[[int, int], None]  # bytes done, bytes in all


class Export(t.NamedTuple):
    """A bundle to be written, and where this mirror has its files. document: what is signed."""

    bundle: Bundle
    document: bytes
    places: t.Dict[str, str]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(self.bundle.contents().values())


class Key(t.NamedTuple):
    """Who signs: a GnuPG home and fingerprints of keys in it."""

    home: str
    fingerprints: t.Tuple[str, ...]


def inventory(generations: Generations, sets: t.Sequence[str]) -> Inventory:
    """What a site has of some sets."""
    known = [one for name in sets for one in generations.all(name)]
    files = {file.sha256 for one in known for source in one.sources for file in generations.manifest(one.name, source).in_store()}
    return Inventory(tuple(one.name for one in known), frozenset(files))


def load_inventory(path: str) -> Inventory:
    """Read the file a site handed out."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_INVENTORY + 1)
    except OSError as error:
        raise Failure(f"read inventory {path}", error.strerror or str(error), "Name the file that cmd-mirror bundle inventory wrote") from error
    if len(data) > _LARGEST_INVENTORY:
        raise Failure(f"read inventory {path}", f"it is larger than {_LARGEST_INVENTORY} bytes", "Name the file that cmd-mirror bundle inventory wrote")
    return bundles.parse_inventory(data, path)


def inventory_of(generations: Generations, name: str) -> Inventory:
    """What a site has that holds this generation and nothing else."""
    manifests = [generations.manifest(name, source) for source in generations.load(name).sources]
    return Inventory((name,), frozenset(file.sha256 for manifest in manifests for file in manifest.in_store()))


def prepare(generations: Generations, store: Store, name: str, base: t.Optional[Inventory]) -> Export:
    """Say what a bundle of a generation holds. base: what the site has, None for a full bundle."""
    generation = generations.load(name)
    have = base.files if base else frozenset()
    sources, places = {}, {}
    metadata: Files = {}
    files: Files = {}
    for source, part in generation.sources.items():
        top = os.path.join(generations.path(name), source)
        manifest: Manifest = generations.manifest(name, source)
        written = generations.manifest_file(name, source)
        digest = sha256_of(written)
        metadata[digest], places[digest] = os.stat(written).st_size, written
        moments = {}
        for document in manifest.documents:
            path = os.path.join(top, document.path)
            metadata[document.sha256], places[document.sha256] = document.size, path
            moments[document.path] = int(os.stat(path).st_mtime)
        for file in manifest.in_store():
            if file.sha256 not in have:
                files[file.sha256] = file.size
                places.setdefault(file.sha256, store.path(file.sha256))
        sources[source] = Carried(part._replace(tree=""), digest, moments)
    named = tuple(sorted(one for one in base.generations if one.startswith(f"{generation.set}-"))) if base else ()
    bundle = Bundle(generation.set, name, generation.created, named, sources, metadata, files)
    return Export(bundle, bundles.encode(bundle), places)


def write(form: str, export: Export, path: str, key: Key, stop: threading.Event, seen: Seen, dry: bool = False) -> bool:
    """Write a bundle; return whether anything was to be written. form: directory, tar or iso; path: ``-`` is standard
    output for the last two. dry: only find out."""
    _check(key)
    if form == "directory":
        return _to_directory(export, path, key, stop, seen, dry)
    return _to_file(form, export, path, key, stop, seen, dry)


def _to_directory(export: Export, path: str, key: Key, stop: threading.Event, seen: Seen, dry: bool) -> bool:
    """As a plain directory: what is there already stays if it is right, what an earlier bundle left goes."""
    action = f"export to {path}"
    contents = export.bundle.contents()
    there = _present(path, action) if os.path.lexists(path) else {}
    wanted = {path_of(sha256): (sha256, size) for sha256, size in contents.items()}
    right = {name for name, size in there.items() if name in wanted and size == wanted[name][1]}
    with contextlib.suppress(Failure):
        if set(there) == {*wanted, MANIFEST, SIGNATURE} and right == set(wanted) and _complete(export, path, key, stop, "directory"):
            return False
    if dry:
        return True
    make_directory(path)
    for name in (MANIFEST, SIGNATURE):  # no bundle until it is whole
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(path, name))
    for name in set(there) - set(wanted) - {MANIFEST, SIGNATURE}:
        os.unlink(os.path.join(path, name))
    done = 0
    for name, (sha256, size) in sorted(wanted.items()):
        full = os.path.join(path, name)
        if name not in right or sha256_of(full) != sha256:
            make_directory(os.path.dirname(full))
            _write(os.path.join(path, _PARTIAL), full, _outgoing(export, sha256, action, stop))
        done += size
        seen(done, export.size)
    sync_file_system(path)
    for name, content in ((SIGNATURE, _signature(export.document, key)), (MANIFEST, export.document)):
        _write(os.path.join(path, _PARTIAL), os.path.join(path, name), iter([content]))
    sync_file_system(path)
    return True


def _to_file(form: str, export: Export, path: str, key: Key, stop: threading.Event, seen: Seen, dry: bool) -> bool:
    """As one file, which gets its name when it is whole."""
    stream = {"tar": _tar, "iso": _iso}[form]
    if path == "-":
        stream(export, sys.stdout.buffer, _signature(export.document, key), stop, seen, "export to standard output")
        return True
    if os.path.isfile(path):
        with contextlib.suppress(Failure):
            if _complete(export, path, key, stop, form):
                return False
    if not dry:
        partial = f"{path}.{_PARTIAL}"
        with open(partial, "wb") as file:
            stream(export, file, _signature(export.document, key), stop, seen, f"export to {path}")
            os.fsync(file.fileno())
        os.replace(partial, path)
        sync_directory(os.path.dirname(os.path.abspath(path)))
    return True


def _tar(export: Export, file: t.BinaryIO, signature: bytes, stop: threading.Event, seen: Seen, action: str) -> None:
    def member(name: str, size: int, chunks: Chunks) -> None:
        file.write(tar_header(name, size))
        for chunk in chunks:
            file.write(chunk)
        file.write(bytes(-size % 512))

    member(MANIFEST, len(export.document), iter([export.document]))
    member(SIGNATURE, len(signature), iter([signature]))
    done = 0
    for sha256, size in sorted(export.bundle.contents().items()):
        member(path_of(sha256), size, _outgoing(export, sha256, action, stop))
        done += size
        seen(done, export.size)
    file.write(bytes(1024))  # POSIX: two empty blocks end the archive
    file.flush()


def _iso(export: Export, file: t.BinaryIO, signature: bytes, stop: threading.Event, seen: Seen, action: str) -> None:
    contents = sorted(export.bundle.contents().items())
    heads = {MANIFEST: export.document, SIGNATURE: signature}
    sizes = {**{name: len(content) for name, content in heads.items()}, **{path_of(sha256): size for sha256, size in contents}}
    for chunk in Layout(sizes, volume_name(export.bundle.generation), export.bundle.created).head():
        file.write(chunk)
    for content in heads.values():
        file.write(content + padding(len(content)))
    done = 0
    for sha256, size in contents:
        for chunk in _outgoing(export, sha256, action, stop):
            file.write(chunk)
        file.write(padding(size))
        done += size
        seen(done, export.size)
    file.flush()


def _outgoing(export: Export, sha256: str, action: str, stop: threading.Event) -> Chunks:
    """The bytes of one file, no more than its size, which a reader of the stream relies on."""
    place = export.places[sha256]
    size = export.bundle.size_of(sha256)
    with open(place, "rb") as file:
        if os.fstat(file.fileno()).st_size != size:
            raise Failure(action, f"{place} has not {size} bytes", _DAMAGED)
        for chunk in checked(iter(lambda: file.read(CHUNK), b""), sha256, action, place, _DAMAGED):
            if stop.is_set():
                raise Failure(action, "stopped on request", "Run it again: it goes on from there")
            yield chunk


def _write(partial: str, full: str, chunks: Chunks) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)
    with open(partial, "xb") as file:
        for chunk in chunks:
            file.write(chunk)
    os.replace(partial, full)


def _present(path: str, action: str) -> Files:
    """The files of a directory that is empty, or holds a bundle or a part of one, and nothing else."""
    if os.path.islink(path) or not os.path.isdir(path):
        raise Failure(action, "it is no directory", "Name a new directory, or one that holds an earlier bundle")
    found = {}
    for name, about in listing(path):
        ours = name in (MANIFEST, SIGNATURE, _PARTIAL) or name == path_of(name.rpartition("/")[2])
        if not ours or not stat.S_ISREG(about.st_mode):
            raise Failure(action, f"{name} there is not of a bundle", "Name a new directory, or one that holds an earlier bundle")
        found[name] = about.st_size
    return found


def _complete(export: Export, path: str, key: Key, stop: threading.Event, form: str) -> bool:
    """Whether a medium of this form holds this bundle, every byte of it, signed by the keys that would sign it now."""
    with open_medium(path) as medium:
        if medium.form != form:
            return False
        document, signature = medium.head()
        if document != export.document or not _signed_by(document, signature, key):
            return False
        for sha256, chunks in medium.contents(export.bundle.contents()):
            for _chunk in checked(chunks, sha256, f"read bundle {path}", path_of(sha256), ""):
                if stop.is_set():
                    raise Failure(f"export to {path}", "stopped on request", "Run it again: it goes on from there")
    return True


def _check(key: Key) -> None:
    """Better before the first byte than after the last."""
    if not key.fingerprints:
        raise Failure("sign the bundle", "no key is named", "Name the fingerprint of a key in the GnuPG home")  # gpg would take any
    with signing.open_home(key.home) as keyring:
        keyring.check(key.fingerprints)


def _signature(document: bytes, key: Key) -> bytes:
    with signing.open_home(key.home) as keyring:
        keyring.check(key.fingerprints)
        return keyring.detach(document, key.fingerprints)


def _signed_by(document: bytes, signature: bytes, key: Key) -> bool:
    with signing.open_home(key.home) as keyring, tempfile.NamedTemporaryFile(prefix="egi-bundle-") as public:
        keyring.check(key.fingerprints)
        for fingerprint in key.fingerprints:
            public.write(keyring.export(fingerprint, armored=False))
        public.flush()
        signers = trust.detached(document, signature, public.name, MANIFEST)
    return set(signers) == set(key.fingerprints)

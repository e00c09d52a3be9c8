#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""egi.cmd.ovf, egi.cmd.ovf_info and egi.cmd.image_bundle with a disk of 64 MiB, judged by programs that know nothing of each other:
virt-v2v, COT, tar, bsdtar, openssl, gzip, qemu-img and libvirt's schema. DMTF's schema judges too where EGI_CMD_OVF_SCHEMAS names a directory with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
import typing as t
from pathlib import Path

TOP = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(TOP))
from tests.run.machine import collections, prepare  # noqa: E402

WORK = Path(os.environ["LAB_STATE"])
RAW, VMDK = WORK / "disk.raw", WORK / "alpha.vmdk"
SCHEMAS = os.environ.get("EGI_CMD_OVF_SCHEMAS", "")
Answer = t.Dict[str, t.Any]


def run(*command: t.Union[str, Path], good: t.Collection[int] = (0,), data: bytes = b"", **environment: str) -> str:
    """Run a program; return all it printed."""
    done = subprocess.run(list(map(str, command)), input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=300, cwd=WORK,
                          env={**os.environ, **environment})
    text = done.stdout.decode("utf-8", "replace")
    assert done.returncode in good, f"{' '.join(map(str, command))}: {done.returncode}\n{text}"
    return text


def module(of: str, *flags: str, good: bool = True, **arguments: t.Any) -> Answer:
    """Run a module here; return its result, with all that was printed as ``said``."""
    text = run("ansible", "-i", "localhost,", "-c", "local", "-e", "ansible_python_interpreter=/usr/bin/python3", "localhost", "-m", f"egi.cmd.{of}",
               "-a", json.dumps(arguments), *flags, good=(0,) if good else (2,))
    assert "Traceback" not in text and "PRIVATE KEY" not in text, text
    result = text.partition("localhost | ")[2]
    return {**json.JSONDecoder().raw_decode(result[result.index("{"):])[0], "said": text}


def system(**more: t.Any) -> Answer:
    """A machine with the disk."""
    return {"name": "alpha", "platform": "bookworm", "disks": [str(VMDK)], **more}


def packed(under: str = "alpha.ova", **more: t.Any) -> Path:
    """A package of one machine."""
    module("ovf", path=str(WORK / under), **{"systems": [system()], **more})
    return WORK / under


def rules(path: Path, **more: t.Any) -> t.List[str]:
    """Rules a package breaks, errors and warnings."""
    return [problem["rule"] for problem in module("ovf_info", paths=[str(path)], **more)["packages"][0]["problems"]]


def keys(name: str) -> t.Tuple[Path, Path]:
    """Paths of a new key and its certificate."""
    key, certificate = WORK / f"{name}.key", WORK / f"{name}.pem"
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", key, "-out", certificate)
    return key, certificate


def print_source(path: Path, good: t.Collection[int] = (0,)) -> str:
    """What virt-v2v takes a package for."""
    return run("virt-v2v", "-i", "ova", path, "-o", "null", "--print-source", good=good, LIBGUESTFS_BACKEND="direct")


def make_disk() -> None:
    """A file system with something in it, and its streamOptimized VMDK."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    shutil.copytree(TOP / "docs", WORK / "content")
    with RAW.open("wb") as file:
        file.truncate(64 << 20)
    run("mkfs.ext4", "-q", "-d", WORK / "content", RAW)
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", RAW, VMDK)


def the_same_input_is_the_same_package_and_check_mode_writes_nothing() -> None:
    first = WORK / "first/alpha.ova"
    first.parent.mkdir()
    assert module("ovf", "--check", "--diff", path=str(first), systems=[system()])["changed"]
    assert not first.exists()
    assert module("ovf", path=str(first), systems=[system()])["changed"]
    assert not module("ovf", path=str(first), systems=[system()])["changed"]
    (WORK / "second").mkdir()
    os.environ["TZ"] = "Asia/Tokyo"
    before = os.umask(0o077)
    second = packed("second/alpha.ova")
    os.umask(before)
    del os.environ["TZ"]
    assert first.read_bytes() == second.read_bytes()
    assert oct(second.stat().st_mode & 0o777) == "0o644"


def tar_and_openssl_find_what_the_manifest_says() -> None:
    path = packed()
    names = ["alpha.ovf", "alpha.mf", "alpha.vmdk"]
    assert run("tar", "-tf", path).split() == run("bsdtar", "-tf", path).split() == names
    out = WORK / "by-tar"
    out.mkdir()
    run("tar", "-C", out, "-xf", path)
    digests = [run("openssl", "dgst", "-sha256", out / name).split()[-1] for name in ("alpha.ovf", "alpha.vmdk")]
    assert (out / "alpha.mf").read_text() == f"SHA256(alpha.ovf)= {digests[0]}\nSHA256(alpha.vmdk)= {digests[1]}\n"
    run("qemu-img", "compare", "-f", "raw", "-F", "vmdk", RAW, out / "alpha.vmdk")


def virt_v2v_imports_what_was_packed() -> None:
    text = print_source(packed("v2v.ova", systems=[system(cpus=2, memory=2048, networks=["inside", "outside"])]))
    assert re.search(r"nr vCPUs: 2\n", text) and "2147483648 (bytes)" in text and "[ide]" in text and "CD-ROM" in text, text
    assert text.count("vmxnet3") == 2, text


def virt_v2v_and_this_reader_refuse_a_changed_disk() -> None:
    path = packed("changed.ova")
    whole = bytearray(path.read_bytes())
    place = whole.rindex(b"KDMV") + 70000
    whole[place] ^= 255
    path.write_bytes(bytes(whole))
    assert "does not match manifest" in print_source(path, good=(1,))
    assert rules(path) == ["digest-mismatch"]
    assert "digest-mismatch" in module("ovf", good=False, state="unpacked", src=str(path), path=str(WORK / "changed"))["msg"]
    assert not (WORK / "changed").exists()


def cot_finds_no_error_and_what_it_edits_is_read() -> None:
    cot = Path(prepare("need_venv", "cot", "cot==2.2.1")) / "bin/cot"
    path = packed("cot.ova", manifest_digest="sha1")
    text = run(cot, "info", "--verbose", path)
    # It ends with 0 whatever it finds.
    assert "ERROR" not in text and "user-data" in text, text
    run(cot, "--force", "edit-hardware", path, "--output", WORK / "by-cot.ova", "--cpus", "3", "--memory", "3GB")
    package = module("ovf_info", paths=[str(WORK / "by-cot.ova")])["packages"][0]
    assert package["valid"], package["problems"]
    assert [package["envelope"]["systems"][0][name] for name in ("cpus", "memory")] == [3, 3072]


def several_machines_and_disks_are_one_package() -> None:
    shutil.copy(VMDK, WORK / "data.vmdk")
    machines = [system(networks=["inside"]), system(name="beta", disks=[str(WORK / "data.vmdk")], storage={"bus": "scsi", "model": "VirtualSCSI"})]
    package = module("ovf_info", paths=[str(packed("both", form="directory", name="both", systems=machines))])["packages"][0]
    assert package["valid"] and package["envelope"]["name"] == "both", package
    assert [one["id"] for one in package["envelope"]["systems"]] == ["alpha", "beta"]
    assert sorted(path.name for path in (WORK / "both").iterdir()) == ["alpha.vmdk", "both.mf", "both.ovf", "data.vmdk"]


def dmtfs_schema_accepts_every_descriptor() -> t.Optional[str]:
    if not SCHEMAS:
        return "EGI_CMD_OVF_SCHEMAS names no directory with DMTF's schema"
    module("ovf", path=str(packed("schema", form="directory")), state="edited", systems=[{"memory": 4096, "properties": [{"key": "hostname", "value": "a"}]}])
    for name in ("both/both.ovf", "schema/schema.ovf"):
        run("xmllint", "--nonet", "--noout", "--schema", Path(SCHEMAS) / "ovf-envelope.xsd", WORK / name)
    return None


def an_edit_is_seen_by_others_and_done_once() -> None:
    path = packed("edit.ova")
    changes: Answer = {"path": str(path), "state": "edited", "systems": [{"memory": 4096, "properties": [{"key": "password", "value": "hunter2"}]}]}
    diff = module("ovf", "--check", "--diff", **changes)
    assert diff["changed"] and "4096" in diff["said"] and "hunter2" not in diff["said"].replace('"value": "hunter2"', ""), diff["said"]
    assert module("ovf", **changes)["changed"]
    assert not module("ovf", **changes)["changed"]
    assert "4294967296 (bytes)" in print_source(path)
    assert rules(path) == []


def a_signature_is_openssls_and_counts_for_who_trusts_it() -> None:
    (key, certificate), (_key, stranger) = keys("release"), keys("stranger")
    path = packed("signed.ova", signing_key=str(key), signing_certificate=str(certificate))
    out = WORK / "signed"
    out.mkdir()
    run("tar", "-C", out, "-xf", path)
    assert run("tar", "-tf", path).split()[:3] == ["signed.ovf", "signed.mf", "signed.cert"]
    (out / "signature").write_bytes(bytes.fromhex((out / "signed.cert").read_text().splitlines()[0].split("= ")[1]))
    (out / "public").write_text(run("openssl", "x509", "-in", certificate, "-noout", "-pubkey"))
    assert "Verified OK" in run("openssl", "dgst", "-sha256", "-verify", out / "public", "-signature", out / "signature", out / "signed.mf")
    assert "PRIVATE" not in (out / "signed.cert").read_text()
    assert rules(path, authorities=str(certificate)) == []
    assert rules(path, authorities=str(stranger)) == ["certificate-untrusted"]
    unsigned = module("ovf", good=False, state="edited", path=str(path), systems=[{"memory": 512}])
    assert "signature would no longer be good" in unsigned["msg"]


def archives_of_tar_that_hide_something_are_refused() -> None:
    out = WORK / "hostile"
    out.mkdir()
    run("tar", "-C", out, "-xf", packed("hostile.ova"))
    names = ["hostile.ovf", "hostile.mf", "alpha.vmdk"]
    (out / "link").symlink_to("/etc/hostname")
    (out / "extra").write_text("x")
    for name, rule, more in (("link.ova", "symbolic-link", "link"), ("pax.ova", "pax-header", "--pax-option=comment=hidden"),
                             ("up.ova", "name-parent", "../hostile.ova"), ("extra.ova", "undeclared-file", "extra")):
        form = "--format=pax" if rule == "pax-header" else "--format=ustar"
        run("tar", "-C", out, "-P", form, "-cf", WORK / name, *names, more)
        assert rule in rules(WORK / name), name
        module("ovf", good=False, state="unpacked", src=str(WORK / name), path=str(WORK / "nowhere"))
        assert not (WORK / "nowhere").exists()
    run("tar", "-C", out, "--format=gnu", "-cf", WORK / "gnu.ova", *names)
    assert rules(WORK / "gnu.ova") == ["not-plain-ustar"]


def hardware_without_driver_is_refused() -> None:
    kernel = WORK / "config-cloud"
    kernel.write_text("CONFIG_BLK_DEV_SD=m\nCONFIG_BLK_DEV_SR=m\nCONFIG_ATA_PIIX=m\n# CONFIG_SATA_AHCI is not set\nCONFIG_VMXNET3=m\n")
    packed("driven.ova", kernel_config=str(kernel))
    answer = module("ovf", good=False, path=str(WORK / "undriven.ova"), kernel_config=str(kernel), systems=[system(cdrom={"bus": "sata"})])
    assert "no driver for the cdrom on AHCI" in answer["msg"]
    assert not (WORK / "undriven.ova").exists()


def an_image_of_the_build_becomes_a_package() -> None:
    cell = {"schema": 1, "name": "cmd-cloud", "release": "cmd-os-1", "platform": "bookworm", "variant": "generic", "architecture": "x86_64",
            "source_date_epoch": 1763596800, "disk": {"virtual_size": 64 << 20, "minimum_memory": 512, "boot": ["bios", "uefi"]},
            "files": [{"name": "alpha.vmdk", "format": "vmdk"}]}
    (WORK / "image.json").write_text(json.dumps(cell))
    path = WORK / "built.ova"
    module("ovf", path=str(path), image=str(WORK / "image.json"))
    assert "2025-11-20" in run("tar", "-tvf", path, TZ="UTC")
    assert "source name: cmd-cloud-generic" in print_source(path)


def libvirt_accepts_the_domain_and_a_domain_becomes_a_package() -> None:
    packed("domain", form="directory", systems=[system(storage={"bus": "scsi", "model": "virtio-scsi"}, card="virtio", memory=3072)])
    package = module("ovf_info", paths=[str(WORK / "domain")], domain_directory=str(WORK / "domain"), domain_type="qemu")["packages"][0]
    domain = WORK / "domain.xml"
    domain.write_text(package["domains"][0])
    assert "validates" in run("virt-xml-validate", domain, "domain")
    module("ovf", path=str(WORK / "back.ova"), domain=str(domain))
    back = module("ovf_info", paths=[str(WORK / "back.ova")])["packages"][0]["envelope"]["systems"][0]
    wanted = package["envelope"]["systems"][0]
    assert [back[name] for name in ("memory", "cpus", "controllers", "drives", "cards")] == [
        wanted[name] for name in ("memory", "cpus", "controllers", "drives", "cards")]


def a_disk_goes_through_a_bundle_and_back_unchanged() -> None:
    (user, _user), (cloud, cloud_certificate) = keys("user"), keys("cloud")
    package = packed("bundled.ova")
    wanted: Answer = {"state": "bundled", "image": str(package), "path": str(WORK / "bundle"), "name": "alpha", "user": "123456789012", "key": str(user),
                      "cloud_certificate": str(cloud_certificate), "part_size": 1, "kernel": "eki-0123abcd", "ramdisk": "eri-0123abcd"}
    assert module("image_bundle", "--check", **wanted)["changed"] and not (WORK / "bundle").exists()
    answer = module("image_bundle", **wanted)
    assert answer["changed"] and answer["image_size"] == 64 << 20
    assert not module("image_bundle", **wanted)["changed"]
    manifest = Path(answer["manifest"])
    text = manifest.read_text()

    def opened(name: str) -> str:
        value = bytes.fromhex(re.findall(f"<{name}[^>]*>([0-9a-f]+)</{name}>", text)[0])
        return run("openssl", "pkeyutl", "-decrypt", "-inkey", cloud, "-pkeyopt", "rsa_padding_mode:pkcs1", data=value)

    parts = " ".join(f"bundle/alpha.part.{number}" for number in range(answer["parts"]))
    session, vector = opened("ec2_encrypted_key"), opened("ec2_encrypted_iv")
    run("sh", "-euc", f"cat {parts} | openssl enc -d -aes-128-cbc -K {session} -iv {vector} | gzip -dc >bundle.tar && tar -xOf bundle.tar >bundle.raw")
    assert run("sha1sum", WORK / "bundle.tar").split()[0] == answer["sha1"]
    assert (WORK / "bundle.raw").read_bytes() == RAW.read_bytes()
    unbundled: Answer = {"state": "unbundled", "manifest": str(manifest), "key": str(user)}
    assert module("image_bundle", path=str(WORK / "out.raw"), **unbundled)["changed"]
    assert not module("image_bundle", path=str(WORK / "out.raw"), **unbundled)["changed"]
    assert (WORK / "out.raw").read_bytes() == RAW.read_bytes()
    module("image_bundle", path=str(WORK / "out.ova"), form="ova", **unbundled)
    assert not module("image_bundle", path=str(WORK / "out.ova"), form="ova", **unbundled)["changed"]
    module("ovf", state="unpacked", src=str(WORK / "out.ova"), path=str(WORK / "out"))
    run("qemu-img", "compare", "-f", "raw", "-F", "vmdk", RAW, WORK / "out/out.vmdk")
    refused = module("image_bundle", good=False, path=str(WORK / "none.raw"), **{**unbundled, "key": str(cloud)})
    assert "bundle-signature" in refused["msg"] and not (WORK / "none.raw").exists()


def a_killed_run_leaves_the_old_package_or_the_new_one() -> None:
    """The writer itself is killed, at moments between its start and its end; afterwards a run completes."""
    disk, target = WORK / "large.bin", WORK / "killed.ova"
    program = (
        "import sys; from ansible_collections.egi.cmd.plugins.module_utils._image import ova; print('go', flush=True);"
        "ova.write(sys.argv[1], [ova.from_file('large.bin', sys.argv[2])], int(sys.argv[3]))"
    )
    disk.write_bytes(os.urandom(1 << 20) * 160)
    command = [sys.executable, "-c", program, str(target), str(disk)]
    environment = {**os.environ, "PYTHONPATH": str(collections())}
    subprocess.run([*command, "0"], check=True, env=environment, stdout=subprocess.DEVNULL)
    good = {hashlib.sha256(target.read_bytes()).hexdigest()}
    generator = random.Random(6)
    for number in range(1, 9):
        with subprocess.Popen([*command, str(number)], env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(generator.uniform(0, 0.5))
            process.send_signal(signal.SIGKILL)
        with target.open("rb") as file:
            assert int(file.read(512)[136:147], 8) <= number
            file.seek(0)
            whole = len(file.read())
        assert whole == 167782400, whole
    subprocess.run([*command, "0"], check=True, env=environment, stdout=subprocess.DEVNULL)
    assert {hashlib.sha256(target.read_bytes()).hexdigest()} == good
    assert not list(WORK.glob(".*.new"))


TESTS: t.List[t.Callable[[], t.Optional[str]]] = [
    the_same_input_is_the_same_package_and_check_mode_writes_nothing, tar_and_openssl_find_what_the_manifest_says, virt_v2v_imports_what_was_packed,
    virt_v2v_and_this_reader_refuse_a_changed_disk, cot_finds_no_error_and_what_it_edits_is_read, several_machines_and_disks_are_one_package,
    dmtfs_schema_accepts_every_descriptor, an_edit_is_seen_by_others_and_done_once, a_signature_is_openssls_and_counts_for_who_trusts_it,
    archives_of_tar_that_hide_something_are_refused, hardware_without_driver_is_refused, an_image_of_the_build_becomes_a_package,
    libvirt_accepts_the_domain_and_a_domain_becomes_a_package, a_disk_goes_through_a_bundle_and_back_unchanged,
    a_killed_run_leaves_the_old_package_or_the_new_one,
]


def main() -> int:
    """Run all, or those named; the last line is the tally that the runner reads."""
    make_disk()
    failed = skipped = 0
    chosen = [test for test in TESTS if not sys.argv[1:] or test.__name__ in sys.argv[1:]]
    for test in chosen:
        try:
            reason = test()
        except Exception:
            failed += 1
            print(f"FAILED {test.__name__}\n{traceback.format_exc()}")
            continue
        if reason:
            skipped += 1
            print(f"SKIPPED {test.__name__}: {reason}")
    print(f"{len(chosen) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

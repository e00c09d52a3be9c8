# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt is told is safe whatever a set holds: it is read, it is in order, and no value becomes another field."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import apt_files, policy
from ansible_collections.egi.cmd.plugins.module_utils._host.family import HEADER, File
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Key, Repository, parse
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import BANDS, KINDS

FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"
OTHER = "89ABCDEF0123456789ABCDEF0123456789ABCDEF"
# What apt reads in sources.list.d, preferences.d and apt.conf.d: the name before the ending, and the endings (measured).
_READ_BY_APT = re.compile(r"[A-Za-z0-9_.-]+\.(?:sources|pref|conf|gpg)\Z")


def repository(**changes: t.Any) -> t.Dict[str, t.Any]:
    entry = {"name": "example-updates", "kind": "updates", "uris": ["https://repo.example.org/apt"], "suite": "example-updates",
             "components": ["main"], "origin": "Example", "label": "Example 1", "keys": [{"content": "key"}]}
    return {**entry, **changes}


def rendered(set_name: str, *entries: t.Dict[str, t.Any]) -> t.Tuple[t.List[Repository], t.Dict[str, File]]:
    """Return the checked repositories and the files of a set in which every repository has one key."""
    repositories = parse(entries, "apt", set_name)
    policy.check_order("apt", set_name, repositories)
    return repositories, apt_files.render(set_name, repositories, {one.name: [Key(FINGERPRINT, b"packets")] for one in repositories})


def stanzas(file: File) -> t.List[t.List[t.Tuple[str, str]]]:
    """Read deb822 text the way apt does: comments, blank lines between stanzas, field and value on one line."""
    found = []
    for block in re.split(r"\n{2,}", file.content.decode()):
        lines = [line for line in block.split("\n") if line and not line.startswith("#")]
        if lines:
            found.append([(line.split(":", 1)[0], line.split(":", 1)[1].strip()) for line in lines])
    return found


def mostly(harmless: st.SearchStrategy[t.Any], wild: st.SearchStrategy[t.Any]) -> st.SearchStrategy[t.Any]:
    """Mostly harmless, so that many sets are accepted and get as far as apt; sometimes anything at all."""
    return st.integers(0, 19).flatmap(lambda die: wild if die == 0 else harmless)


one_line = mostly(st.from_regex(r"[A-Za-z][A-Za-z0-9 .:=#-]{0,18}[a-z]", fullmatch=True),
                  st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=20))
entries = st.lists(
    st.fixed_dictionaries(
        {"band_or_kind": st.one_of(st.sampled_from(KINDS).map(lambda kind: {"kind": kind}),
                                   st.sampled_from(BANDS).map(lambda band: {"kind": None, "band": band}))},
        optional={"opt_in": st.booleans(), "enabled": st.booleans(), "description": one_line, "origin": one_line, "label": one_line,
                  "architectures": st.just(["amd64", "i386"]), "priority": mostly(st.none(), st.integers(-10, 1450))}),
    min_size=1, max_size=6)


def asked(wishes: t.Sequence[t.Mapping[str, t.Any]]) -> t.List[t.Dict[str, t.Any]]:
    """Return repositories as a user would give them, each with a name and a suite of its own."""
    result = []
    for index, wish in enumerate(wishes):
        rest = {field: value for field, value in wish.items() if field != "band_or_kind"}
        result.append(repository(**{**rest, **wish["band_or_kind"], "name": f"r{index}", "suite": f"suite-{index}"}))
    return result


@given(st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,12}[a-z0-9])?", fullmatch=True), entries)
def test_every_set_that_is_accepted_is_safe(set_name: str, wishes: t.List[t.Dict[str, t.Any]]) -> None:
    try:
        repositories, files = rendered(set_name, *asked(wishes))
    except Failure:
        return
    assert all(_READ_BY_APT.match(path.rsplit("/", 1)[1]) for path in files)
    assert all(file.content.startswith(f"{HEADER}{set_name}\n".encode()) for path, file in files.items() if not path.endswith(".gpg"))

    sources = stanzas(files[apt_files.sources_path(set_name)])
    allowed = {"Types", "URIs", "Suites", "Components", "Architectures", "Enabled", "Signed-By"}
    assert [dict(one)["Suites"] for one in sources] == [one.suite for one in repositories]
    assert all({field for field, _value in one} <= allowed for one in sources)
    assert all(dict(one)["Signed-By"] in files for one in sources)

    pins = stanzas(files[apt_files.preferences_path(set_name)])
    assert len(pins) == len(repositories)
    numbers = {}
    for pin in pins:
        assert [field for field, _value in pin] == ["Explanation", "Explanation", "Package", "Pin", "Pin-Priority"]
        fields = dict(pin)
        assert fields["Package"] == "*"
        release = dict(part.split("=", 1) for part in fields["Pin"][len("release "):].split(","))
        assert set(release) <= {"a", "o", "l"}
        assert {"o", "l"} & set(release)
        assert re.fullmatch(r"-?[0-9]+", fields["Pin-Priority"])
        assert int(fields["Pin-Priority"]) in range(1, 32768)
        numbers[release["a"]] = int(fields["Pin-Priority"])
    in_file = [int(dict(pin)["Pin-Priority"]) for pin in pins]
    assert in_file == sorted(in_file, reverse=True)
    for one in repositories:
        for other in repositories:
            if BANDS.index(one.band) < BANDS.index(other.band):
                assert numbers[one.suite] > numbers[other.suite]


def asked_apt(place: Path, files: t.Mapping[str, File]) -> t.Tuple[t.Set[t.Tuple[str, str]], str]:
    """Let the machine's own apt read the files; return the (URI, suite) of its sources and everything it complains about."""
    for name in ("sources.list.d", "preferences.d", "apt.conf.d", "auth.conf.d", "keyrings", "state", "cache"):
        (place / name).mkdir()
    for path, file in files.items():
        content = file.content.replace(apt_files.KEYRINGS.encode(), str(place / "keyrings").encode())
        (place / path[len("/etc/apt/"):]).write_bytes(content)
    settings = {"Dir::Etc": str(place), "Dir::Etc::parts": str(place / "apt.conf.d"), "Dir::State": str(place / "state"),
                "Dir::State::status": "/dev/null", "Dir::Cache": str(place / "cache"), "Dir::Ignore-Files-Silently::": "nothing"}
    (place / "first.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    environment = {**os.environ, "APT_CONFIG": str(place / "first.conf"), "LC_ALL": "C"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    targets = run("apt-get", "indextargets", "--no-release-info", "--format", "$(SITE) $(RELEASE)")
    pins = run("apt-cache", "policy")
    return {(line.split()[0], line.split()[1]) for line in targets.stdout.splitlines()}, targets.stderr + pins.stderr


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt is not installed")
@settings(max_examples=15, deadline=None)
@given(st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,12}[a-z0-9])?", fullmatch=True), entries)
def test_apt_itself_reads_every_set_that_is_accepted_without_complaint(set_name: str, wishes: t.List[t.Dict[str, t.Any]]) -> None:
    try:
        repositories, files = rendered(set_name, *asked(wishes))
    except Failure:
        return
    with tempfile.TemporaryDirectory() as place:
        sources, complaints = asked_apt(Path(place), files)
    assert complaints == ""
    assert sources == {(uri, one.suite) for one in repositories if one.enabled for uri in one.uris}


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt is not installed")
@pytest.mark.parametrize("old, new", [(b"Pin-Priority: 1200", b"Pin-Priority: 0"), (b"Pin-Priority: 1200", b"Pin-Priority: high"),
                                      (b"Suites: example-updates", b"Suites: example-updates\nSuites")])
def test_apt_complains_about_what_is_never_written(tmp_path: Path, old: bytes, new: bytes) -> None:
    _repositories, files = rendered("example", repository())
    poisoned = {path: File(file.content.replace(old, new)) for path, file in files.items()}
    assert asked_apt(tmp_path, poisoned)[1] != ""


def test_each_repository_trusts_its_own_keys_only() -> None:
    repositories = parse([repository(), repository(name="extra", suite="extra", kind=None, band="distribution")], "apt", "example")
    keys = {"example-updates": [Key(FINGERPRINT, b"a"), Key(OTHER, b"b")], "extra": [Key(OTHER, b"b")]}
    files = apt_files.render("example", repositories, keys)
    first, second = (dict(one)["Signed-By"].split() for one in stanzas(files[apt_files.sources_path("example")]))
    assert first == [apt_files.key_path("example", FINGERPRINT), apt_files.key_path("example", OTHER)]
    assert second == [apt_files.key_path("example", OTHER)]
    assert files[second[0]].content == b"b"


def test_logins_are_for_root_alone_and_are_never_shown() -> None:
    _repositories, files = rendered("example", repository(uris=["http://robot:s3cret@repo.example.org/apt"]))
    login = files[apt_files.logins_path("example")]
    assert login.content.decode().splitlines()[-1] == "machine http://repo.example.org/apt login robot password s3cret"
    assert login.mode == 0o600
    assert login.shown is not None
    assert "s3cret" not in login.shown
    assert not any(b"s3cret" in file.content for file in files.values() if file is not login)


def test_proxy_and_certificates_are_settings_of_the_server() -> None:
    certificate = {"client_certificate": "/etc/ssl/host.pem", "client_key": "/etc/ssl/host.key", "ca_certificate": "/etc/ssl/ca.pem"}
    _repositories, files = rendered("example", repository(proxy="http://proxy.example.org:3128", **certificate))
    assert files[apt_files.settings_path("example")].content.decode().splitlines()[2:] == [
        'Acquire::https::Proxy::repo.example.org "http://proxy.example.org:3128";',
        'Acquire::https::repo.example.org::CaInfo "/etc/ssl/ca.pem";',
        'Acquire::https::repo.example.org::SslCert "/etc/ssl/host.pem";',
        'Acquire::https::repo.example.org::SslKey "/etc/ssl/host.key";',
    ]


def test_a_password_of_a_proxy_is_for_root_alone() -> None:
    _repositories, files = rendered("example", repository(proxy="http://robot:s3cret@proxy.example.org:3128"))
    settings = files[apt_files.settings_path("example")]
    assert settings.mode == 0o600
    assert "s3cret" not in str(settings.shown)


@pytest.mark.parametrize("change", [{"proxy": "http://proxy.example.org"}, {"uris": ["https://a:b@repo.example.org/apt"]}])
def test_two_repositories_on_one_server_cannot_differ_in_what_apt_keeps_per_server(change: t.Dict[str, t.Any]) -> None:
    first = repository(uris=["https://c:d@repo.example.org/apt"]) if "uris" in change else repository()
    with pytest.raises(Failure, match="'second' has another"):
        rendered("example", first, repository(name="second", suite="second", **change))


def test_the_file_says_which_stanza_is_whose() -> None:
    _repositories, files = rendered("example", repository(description="Repository: wrong"), repository(name="second", suite="second"))
    text = files[apt_files.sources_path("example")].content.decode()
    assert list(apt_files.repository_names(text)) == [
        ("example-updates", ["https://repo.example.org/apt"], "example-updates"), ("second", ["https://repo.example.org/apt"], "second")]

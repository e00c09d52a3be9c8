# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare generated versions with both engines and with the real tools, and stop at the first disagreement.

    python3 tests/exact/versions.py --pairs 100000

Debian pairs go to ``dpkg --compare-versions`` (one process each, so this sets the time: about 2 minutes for 100,000)
and ten times as many to apt's comparison; ten times as many RPM pairs go to rpm's own. Pairs are made to be close:
the second version is mostly a small change of the first. --seed repeats a run.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import types
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checkout import load  # noqa: E402  # pylint: disable=wrong-import-position

deb, rpm, tables, failure = load(
    "plugins.module_utils._version.deb", "plugins.module_utils._version.rpm",
    "tests.unit.plugins.module_utils._version.known_orders", "plugins.module_utils._failure",
)

SYSTEM_PYTHON = "/usr/bin/python3"  # apt and rpm ship their bindings for this one only
CHUNK = 50000
RELATION = {-1: "lt", 0: "eq", 1: "gt"}

Pair = t.Tuple[str, str]
Judge = t.Callable[[t.List[Pair], t.List[int]], t.List[int]]

# Every fragment is short and many differ in one sign only, so that near-equal versions are the rule.
MARKS = [".", ".", ".", "+", "~", "~~"]
NUMBERS = ["0", "00", "1", "01", "001", "2", "9", "10", "010", "11", "99", "100", "20161215", "9" * 19, "1" + "0" * 40]
WORDS = ["a", "b", "z", "A", "Z", "rc", "rc1", "alpha", "beta", "git", "dfsg", "ds", "p1", "svn123", "el", "fc", "x"]
DEB_SUFFIXES = [
    "+mos1", "+mos2", "+mos10", "~u14.04", "~u16.04+mos1", "+mos6.1+1", "~mos6.1+1", "ubuntu1", "ubuntu1.1", "ubuntu10",
    "0ubuntu0.22.04.1", "build1", "~bpo12+1", "~bpo11+1", "+deb12u1", "+deb12u2", "+deb12u10", "+b1", "+nmu1", ".1",
]
RPM_SUFFIXES = [
    ".el7", ".el8", ".el9", ".el10", ".el7_9", ".el7.centos", "~mos0", "~mos1", "~mos10", "~mos201.1", "~mos201.sec.1",
    "^git1", "^20161215git", "^", "~", "~rc1", ".fc40", "_1", "_", "..", "+", ".1",
]
# What a parser may trip over; deliberately without the line end that separates texts on their way to the shell.
JUNK = ["", " ", "\t", ":", "::", "-", "--", "~", "_", "/", "+", "1:", "0:", "a:", "+1:", "1.0", "a", "1", "2147483647:",
        "2147483648:", "99999999999999999999:", "é", "%", "^", "1.0-1", "-1", "*", "'", "\\", "0x1:", "."]


class Disagreement(Exception):
    """The engine and the real tool differ."""


def part(rng: random.Random, marks: list[str], suffixes: list[str]) -> list[str]:
    """Return one version part as fragments."""
    fragments = [rng.choice(NUMBERS)]
    for _unused in range(rng.randrange(4)):
        fragments += (rng.choice(marks), rng.choice(NUMBERS if rng.random() < 0.7 else WORDS))
    if rng.random() < 0.5:
        fragments.append(rng.choice(suffixes))
    return fragments


def changed(rng: random.Random, fragments: list[str], marks: list[str], suffixes: list[str]) -> list[str]:
    """Return fragments with one small change behind the first of them."""
    result = list(fragments)
    place = rng.randrange(len(result)) + 1
    kind = rng.randrange(7)
    if kind == 0:
        result.insert(place, rng.choice(marks))
    elif kind == 1:
        result.insert(place, rng.choice(suffixes))
    elif kind == 2:
        result.insert(place, rng.choice(WORDS))
    elif kind == 3 and place < len(result):
        del result[place]
    elif kind == 4 and place < len(result):
        result[place] = rng.choice(rng.choice((marks, NUMBERS, WORDS, suffixes)))
    elif kind == 5:
        number = rng.choice([index for index, fragment in enumerate(result) if fragment[0].isdigit()])
        result[number] = "0" * rng.randrange(3) + result[number]  # most often an equal version
    else:
        result.append(rng.choice(("0", "00", "~", ".", "+", "a", "a0")))
    return result


def parts_pair(
    rng: random.Random, marks: tuple[list[str], list[str]], suffixes: list[str]
) -> tuple[list[list[str]], list[list[str]]]:
    """Return two versions as (version, release) fragments: one in five pairs is unrelated, the others differ once."""
    left = [part(rng, each, suffixes) for each in marks]
    if rng.random() < 0.2:
        return left, [part(rng, each, suffixes) for each in marks]
    place = rng.randrange(2)
    right = list(left)
    right[place] = changed(rng, left[place], marks[place], suffixes)
    return (left, right) if rng.random() < 0.5 else (right, left)


def epochs(rng: random.Random) -> tuple[int, int]:
    """Return the epochs of a pair; they rarely differ, for then nothing else is compared."""
    epoch = int(rng.random() < 0.2)
    return epoch, 1 - epoch if rng.random() < 0.05 else epoch


def deb_pair(rng: random.Random) -> Pair:
    """Return two valid Debian versions."""
    left, right = parts_pair(rng, (MARKS + ["-", ":"], MARKS), DEB_SUFFIXES)
    here, there = epochs(rng)
    return deb_text(rng, here, left), deb_text(rng, there, right)


def deb_text(rng: random.Random, epoch: int, parts: list[list[str]]) -> str:
    """Join the parts of one version, now and then without a revision."""
    upstream, revision = ("".join(fragments) for fragments in parts)
    text = (f"{upstream}-{revision}" if rng.random() < 0.8 else upstream).rstrip("-")
    if ":" in text:  # a colon in the upstream version is allowed behind an epoch only, and nowhere in a revision
        head, hyphen, tail = text.rpartition("-")
        text = f"{head}{hyphen}{tail.replace(':', '.')}"
        return rng.choice(("1:", "01:") if epoch else ("0:", "00:")) + text
    return rng.choice(("1:", "01:") if epoch else ("", "", "", "0:", "00:")) + text


def rpm_pair(rng: random.Random) -> Pair:
    """Return two valid RPM versions with or without epoch and release."""
    marks = [".", ".", "_", "+", "~", "^", "~~", "^^", ".."]
    left, right = parts_pair(rng, (marks, marks), RPM_SUFFIXES)
    here, there = epochs(rng)
    # Unlike in Debian a part may begin with a sign or a word; mostly the same one on both sides.
    leads = [rng.choice(("", "", "", "", "~", "^", "a", ".")) for _unused in range(2)]
    return rpm_text(rng, here, leads, left), rpm_text(rng, there, leads, right)


def rpm_text(rng: random.Random, epoch: int, leads: list[str], parts: list[list[str]]) -> str:
    """Join the parts of one version, now and then without a release or with other separators."""
    version, release = (lead + "".join(fragments) for lead, fragments in zip(leads, parts))
    text = f"{version}-{release}" if rng.random() < 0.8 else version
    if rng.random() < 0.2:
        text = text.replace(".", rng.choice("._+"))  # to rpm separators all mean the same
    return rng.choice(("1:", "01:") if epoch else ("", "", "", "0:", "00:", ":")) + text


def dpkg(pairs: list[Pair], said: list[int]) -> list[int]:
    """Return what dpkg says: our answer where it agrees. Asking for the relation we expect costs one process a pair."""
    script = 'while read -r a r b; do dpkg --compare-versions "$a" "$r" "$b" && echo y || echo n; done'
    lines = [f"{left} {RELATION[order]} {right}\n" for (left, right), order in zip(pairs, said)]
    agreed = spread(script, lines)
    return [order if answer == "y" else reask(pair) for pair, order, answer in zip(pairs, said, agreed)]


def reask(pair: Pair) -> int:
    """Return dpkg's order of a pair we were wrong about."""
    left, right = pair
    for order, relation in RELATION.items():
        if subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False).returncode == 0:
            return order
    raise Disagreement(f"dpkg holds no relation true for {left!r} and {right!r}")


def spread(script: str, lines: list[str], shells: int = 2) -> list[str]:
    """Run a shell loop over lines in several shells at once; return its answers in the order of lines."""
    answers: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        running = []
        for number in range(shells):
            source = pathlib.Path(directory, str(number))
            source.write_text(
                "".join(lines[number * len(lines) // shells:(number + 1) * len(lines) // shells]), encoding="utf-8"
            )
            with source.open(encoding="utf-8") as stream:
                running.append(subprocess.Popen(  # pylint: disable=consider-using-with
                    ["sh", "-c", script], stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                    env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                ))
        for process in running:
            answers += process.communicate()[0].splitlines()
    if len(answers) != len(lines):
        raise Disagreement(f"{len(lines)} questions asked, {len(answers)} answered")
    return answers


APT = """
import sys, apt_pkg
apt_pkg.init_system()
for line in sys.stdin:
    order = apt_pkg.version_compare(*line.rstrip("\\n").split("\\t"))
    print((order > 0) - (order < 0))
"""

# rpm splits the text itself, so that our splitting is judged too.
RPM = """
import sys, rpm
def label(text):
    version = rpm.ver(text)
    return version.e, version.v, version.r
for line in sys.stdin:
    left, right = line.rstrip("\\n").split("\\t")
    print(rpm.labelCompare(label(left), label(right)))
"""


def bindings(script: str) -> Judge:
    """Return a judge that runs script under the system's Python, a pair per line."""
    def judge(pairs: list[Pair], said: list[int]) -> list[int]:
        run = subprocess.run(
            [SYSTEM_PYTHON, "-c", script], input="".join(f"{left}\t{right}\n" for left, right in pairs),
            stdout=subprocess.PIPE, encoding="utf-8", env={"LC_ALL": "C.UTF-8"}, check=True,
        )
        answers = [int(line) for line in run.stdout.split()]
        if len(answers) != len(said):
            raise Disagreement(f"{len(said)} questions asked, {len(answers)} answered")
        return answers
    return judge


def known(
    title: str, engine: types.ModuleType, ascending: list[list[str]], equal: list[Pair], judge: Judge
) -> None:
    """Judge the tables of known orders themselves; raise Disagreement at the first wrong entry."""
    pairs, expected = list(equal), [0] * len(equal)
    for row in ascending:
        for (low, left), (high, right) in itertools.product(enumerate(row), repeat=2):
            pairs.append((left, right))
            expected.append((low > high) - (low < high))
    for (left, right), order, theirs in zip(pairs, expected, judge(pairs, expected)):
        ours = compared(engine, (left, right))
        if not order == theirs == ours:
            raise Disagreement(f"{left!r} and {right!r}: table {order}, ours {ours}, theirs {theirs}")
    print(f"{title}: {len(pairs)} pairs agree", flush=True)


def orders(
    title: str, engine: types.ModuleType, make: t.Callable[[random.Random], Pair], judge: Judge, count: int,
    rng: random.Random,
) -> None:
    """Judge count generated pairs, chunk by chunk; raise Disagreement at the first difference."""
    started = time.monotonic()
    seen: collections.Counter[int] = collections.Counter()
    for start in range(0, count, CHUNK):
        pairs = [make(rng) for _unused in range(min(CHUNK, count - start))]
        said = [compared(engine, pair) for pair in pairs]
        for (left, right), ours, theirs in zip(pairs, said, judge(pairs, said)):
            if ours != theirs:
                raise Disagreement(f"{left!r} and {right!r}: ours {ours}, theirs {theirs}")
        seen.update(said)
    seconds = time.monotonic() - started
    print(f"{title}: {count} pairs agree (lt {seen[-1]}, eq {seen[0]}, gt {seen[1]}) in {seconds:.0f} s", flush=True)


def refusals(count: int, rng: random.Random) -> None:
    """Judge what the Debian parser refuses; raise Disagreement at the first difference."""
    texts: list[str] = []
    while len(texts) < count:
        text = "".join(rng.choice(JUNK) for _unused in range(rng.randrange(1, 5)))
        if rng.random() < 0.5:
            valid_text = deb_pair(rng)[0]
            place = rng.choice((0, rng.randrange(len(valid_text) + 1)))
            text = valid_text[:place] + rng.choice(JUNK) + valid_text[place:]
        if not text.startswith("-"):  # dpkg takes that for an option
            texts.append(text)
    script = 'while IFS= read -r v; do dpkg --validate-version "$v" && echo y || echo n; done'
    valid = [answer == "y" for answer in spread(script, [f"{text}\n" for text in texts])]
    for text, theirs in zip(texts, valid):
        if accepts(text) != theirs:
            raise Disagreement(f"{text!r}: dpkg {'accepts' if theirs else 'refuses'} it, we do not")
    print(f"refused versions, dpkg: {count} texts agree ({sum(valid)} valid)", flush=True)


def accepts(text: str) -> bool:
    """Return whether our Debian engine reads text; anything but a Failure is a bug and escapes."""
    try:
        deb.parse(text)
    except failure.Failure:
        return False
    return True


def compared(engine: types.ModuleType, pair: Pair) -> int:
    """Return our order of a pair of valid versions."""
    try:
        return int(engine.compare(*pair))
    except failure.Failure as error:
        raise Disagreement(f"{pair[0]!r} and {pair[1]!r} are valid, but: {error}") from error


def missing() -> list[str]:
    """Return the names of the real tools that are not here; without them nothing would be proved."""
    absent = [] if shutil.which("dpkg") else ["dpkg"]
    if not importable("import rpm; rpm.ver"):
        absent.append("python3-rpm (4.17 or later)")
    return absent


def importable(statement: str) -> bool:
    """Return whether the system's Python can run statement."""
    if not os.path.exists(SYSTEM_PYTHON):
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", statement], stderr=subprocess.DEVNULL, check=False).returncode == 0


def main() -> int:
    """Run every comparison; return the exit status."""
    parser = argparse.ArgumentParser(description="compare the version engines with dpkg, apt and rpm")
    parser.add_argument("--pairs", type=int, default=100000, help="pairs for dpkg; apt and rpm get ten times as many")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32), help="repeat a run")
    options = parser.parse_args()
    absent = missing()
    if absent:
        print(f"not installed: {', '.join(absent)}")
        print("0 passed, 1 failed, 0 skipped")
        return 2
    print(f"seed {options.seed}", flush=True)
    rng, many = random.Random(options.seed), options.pairs * 10
    checks: list[t.Callable[[], None]] = [
        lambda: known("known rpm orders, rpm.labelCompare", rpm, tables.RPM_ASCENDING, tables.RPM_EQUAL, bindings(RPM)),
        lambda: known("known deb orders, dpkg --compare-versions", deb, tables.DEB_ASCENDING, tables.DEB_EQUAL, dpkg),
        lambda: orders("rpm order, rpm.labelCompare", rpm, rpm_pair, bindings(RPM), many, rng),
        lambda: refusals(max(options.pairs // 20, 1), rng),
        lambda: orders("deb order, dpkg --compare-versions", deb, deb_pair, dpkg, options.pairs, rng),
    ]
    skipped = 0
    if importable("import apt_pkg"):
        checks.append(lambda: orders("deb order, apt_pkg.version_compare", deb, deb_pair, bindings(APT), many, rng))
    else:
        print("deb order, apt_pkg.version_compare: skipped, python3-apt is not installed")
        skipped = 1
    for passed, check in enumerate(checks):
        try:
            check()
        except Disagreement as error:
            print(f"DISAGREEMENT: {error}")
            print(f"{passed} passed, 1 failed, {skipped} skipped")
            return 1
    print(f"{len(checks)} passed, 0 failed, {skipped} skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())

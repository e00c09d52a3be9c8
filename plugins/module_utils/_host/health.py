# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Health checks as the host itself runs them: commands, services, ports, URLs; and what is worse than it was before."""

from __future__ import annotations

import re
import shlex
import socket
import ssl
import subprocess
import time
import typing as t
import urllib.error
import urllib.request

PASSED, FAILED, AS_BEFORE = "passed", "failed", "failed_before"
"""failed_before: it failed before the change as well; the change is not to blame, and it is no pass either."""

Check = t.Mapping[str, t.Any]
Result = t.Dict[str, t.Any]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MOST_BYTES = 1 << 20


class _Broken(Exception):
    """A check did not find what it should; the text says what it found."""


def run_all(checks: t.Sequence[Check], before: t.Optional[t.Mapping[str, Result]] = None) -> t.List[Result]:
    """Run checks in order, up to the first that fails; return name, verdict, detail and value of each that ran.

    checks: complete, as the filter rollout_checks returns them. before: name -> result of the same check before the
    change; a check with ``compare`` is judged against it.
    """
    results: t.List[Result] = []
    for check in checks:
        results.append(_judged(check, _tried(check), (before or {}).get(check["name"])))
        if results[-1]["verdict"] == FAILED:
            break
    return results


def baseline(checks: t.Sequence[Check]) -> t.List[Result]:
    """Run every check that is compared with its result before the change, once and without patience; return all results."""
    return [_tried({**check, "retries": 0}) for check in checks if check["compare"]]


def _tried(check: Check) -> Result:
    """Return the result of a check, after as many tries as it may have; value is its output's first number, or None."""
    left = check["retries"]
    while True:
        try:
            said = _KINDS[check["kind"]](check)
        except _Broken as broken:
            if not left:
                return {"name": check["name"], "verdict": FAILED, "detail": str(broken), "value": None}
            left -= 1
            time.sleep(check["delay"])
        else:
            number = _NUMBER.search(said)
            return {"name": check["name"], "verdict": PASSED, "detail": "", "value": float(number.group()) if number else None}


def _judged(check: Check, now: Result, before: t.Optional[Result]) -> Result:
    """Return the result with what the comparison says of it."""
    if check["compare"] == "result" and now["verdict"] == FAILED and before is not None and before["verdict"] == FAILED:
        return {**now, "verdict": AS_BEFORE, "detail": f"{now['detail']}, as before the change"}
    if check["compare"] == "number" and now["verdict"] == PASSED:
        problem = _number_problem(check, now["value"], before["value"] if before else None)
        return {**now, "verdict": FAILED, "detail": problem} if problem else now
    return now


def _number_problem(check: Check, now: t.Optional[float], before: t.Optional[float]) -> str:
    if now is None or before is None:
        return f"printed no number {'now' if now is None else 'before the change'} to compare"
    tolerance = check["tolerance"]
    try:
        allowed = abs(before) * float(tolerance[:-1]) / 100 if tolerance.endswith("%") else float(tolerance)
    except ValueError:
        return f"has the tolerance '{tolerance}', which is no number"
    return f"was {before:g} before the change and is {now:g}, more than {tolerance} away" if abs(now - before) > allowed else ""


def _command(check: Check) -> str:
    return _output(shlex.split(check["command"]), check["rc"], check["timeout"])


def _service(check: Check) -> str:
    return _output(["systemctl", "is-active", "--", check["service"]], 0, check["timeout"])


def _output(argv: t.Sequence[str], expected: int, timeout: int) -> str:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise _Broken(f"did not end in {timeout} s") from None
    except OSError as error:
        raise _Broken(f"could not be run ({error.strerror})") from None
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode != expected:
        last = said.strip().splitlines()[-1:]
        raise _Broken(f"exited {done.returncode}" + (f": {last[0]}" if last else ""))
    return said


def _port(check: Check) -> str:
    deadline = time.monotonic() + check["timeout"]
    while True:
        try:
            socket.create_connection(("127.0.0.1", check["port"]), timeout=max(0.1, deadline - time.monotonic())).close()
            return ""
        except OSError:
            if time.monotonic() >= deadline:
                raise _Broken(f"nothing listened on port {check['port']} in {check['timeout']} s") from None
            time.sleep(0.5)


def _url(check: Check) -> str:
    """Ask a URL, without a proxy: it is the host's own service. A certificate is verified by the host's own authorities."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(check["url"], timeout=check["timeout"]) as answer:
            status, body = answer.status, answer.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read(_MOST_BYTES)
    except (OSError, ValueError) as error:
        raise _Broken(f"did not answer ({getattr(error, 'reason', error)})") from None
    if status != check["status"]:
        raise _Broken(f"answered {status} instead of {check['status']}")
    text = body.decode("utf-8", "replace")
    if check["contains"] and check["contains"] not in text:
        raise _Broken(f"answered without '{check['contains']}'")
    return text


_KINDS: t.Dict[str, t.Callable[[Check], str]] = {"command": _command, "service": _service, "port": _port, "url": _url}

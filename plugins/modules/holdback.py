#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: holdback
short_description: Hold back broken updates of the base distribution, and let go of them again
version_added: 0.1.0
description:
  - A hold keeps hosts of a release on the last good version of some packages while the base distribution offers a broken one.
    That version is found in an earlier snapshot of the base's mirror, and the same bytes are published in the release's holdback
    repository, which every host of the release has, above the base.
  - Before that, libsolv tries the hold on every kind of host - on the good version, on the broken one, on the overlay's own build -
    of every platform. A hold that would not hold, would remove a package or would stop other updates is refused, and the message
    says which host and why.
  - A review looks at what the base offers by now, runs the product's test, and lifts the hold when the base is good again.
    Hosts then come back to the base by their own upgrades.
  - Readers see each change at once, on all platforms, by one switch of a pointer.
extends_documentation_fragment:
  - egi.cmd.attributes
  - egi.cmd.desk
author:
  - egi.cmd contributors (@egi-cmd)
requirements:
  - GnuPG 2.2 or newer
  - createrepo_c for platforms of format rpm
  - python3-solv, and with it the system's own Python
attributes:
  check_mode:
    support: full
    details: [Proves a hold, and does not run tests.]
  diff_mode:
    details: [Shows the holds, and the packages in each kind of repository.]
    support: full
  idempotent:
    support: full
options:
  key_home:
    description: GnuPG home with the signing keys, see M(egi.cmd.repository_key).
    type: path
    required: true
  signing_keys:
    description: Fingerprints of the keys that sign, all 40 digits of each.
    type: list
    elements: str
    required: true
  base:
    description:
      - Where the base distribution of each platform is mirrored on this host. Its snapshots are where good versions are found.
      - A platform may have several, such as one for its security updates.
    type: list
    elements: dict
    default: []
    suboptions:
      platform:
        description: Platform of the release manifest.
        type: str
        required: true
      root:
        description: Directory that C(cmd-mirror) or M(egi.cmd.mirror) writes.
        type: path
        required: true
      set:
        description: Name of the set in it.
        type: str
        required: true
  state:
    description:
      - V(opened) opens O(holds) and lifts O(names), in one step. A hold that is open stays; its reason, link, expiry, test and
        bad range may change.
      - V(reviewed) reviews O(names), or every open hold.
      - V(lifted) lifts O(names), whatever the base offers.
    type: str
    choices: [opened, reviewed, lifted]
    required: true
  names:
    description: Names of holds that were opened.
    type: list
    elements: str
    default: []
  holds:
    description: Holds to open. Packages that depend on each other's versions are held together.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: A name of a-z, 0-9, dots and hyphens. It is given once.
        type: str
        required: true
      packages:
        description: The packages to hold back, as apt or dnf spell them.
        type: list
        elements: str
        default: []
      platforms:
        description: Platforms of the release manifest.
        type: list
        elements: str
        default: []
      bad:
        description:
          - For each package format the versions that are bad, such as V(>= 2.2-1, << 2.4-1). All conditions have to hold.
          - A hold whose platforms have one format may write the range alone.
        type: raw
      reason:
        description: Why, in words.
        type: str
      link:
        description: URL of an issue that somebody works on.
        type: str
      expires:
        description: Last day of the hold, C(YYYY-MM-DD), within a year. Then it shouts; it does not end by itself.
        type: str
      test:
        description:
          - The product's own test, a command with its arguments. A review runs it on this host for each platform when the base offers
            versions that are not bad. It finds C(CMD_HOLD), C(CMD_PLATFORM) and C(CMD_PACKAGES) in its environment.
          - Without one, a review needs O(verdicts).
        type: list
        elements: str
        default: []
      fixed_in:
        description: The version that is said to be good again. For people.
        type: str
        default: ""
      files:
        description: Package files to hold hosts on, for what no snapshot of the base has.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: Path of the file, on the repository host.
            type: path
            required: true
          sha256:
            description: Its SHA-256.
            type: str
            required: true
          platform:
            description: Platform of the release manifest.
            type: str
            required: true
  verdicts:
    description: For O(state=reviewed), what a test that ran elsewhere said of what the base offers now.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the hold.
        type: str
        required: true
      verdict:
        description: Whether the test passed.
        type: str
        choices: [pass, fail]
        required: true
      text:
        description: What it said.
        type: str
        default: ""
  fail_on_expired:
    description: Fail, after all is done, when a hold is open past its last day or a review needs somebody to act.
    type: bool
    default: false
  test_timeout:
    description: Seconds that a test may take on one platform.
    type: int
    default: 3600
  by:
    description: Who asks for it.
    type: str
    required: true
seealso:
  - module: egi.cmd.holdback_info
  - module: egi.cmd.package_sync
  - plugin: egi.cmd.resolve
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Hold back a broken library
  egi.cmd.holdback:
    path: /srv/desk/cmd-os-1
    release: "{{ lookup('egi.cmd.release', 'release.yml') }}"
    mirror_root: /srv/repository
    key_home: /var/lib/repository-keys
    signing_keys: [0123456789ABCDEF0123456789ABCDEF01234567]
    base:
      - {platform: jammy, root: /srv/mirror, set: ubuntu-22.04}
      - {platform: el9, root: /srv/mirror, set: almalinux-9}
    by: Release Team
    state: opened
    holds:
      - name: libcloud-2.2
        packages: [libcloud]
        platforms: [jammy, el9]
        bad: {deb: ">= 2.2-1", rpm: ">= 2.2-1.el9"}
        reason: loses connections under load
        link: https://bugs.example.org/4711
        expires: "2026-12-20"
        test: [/usr/local/bin/test-cloud]

- name: Review every hold
  egi.cmd.holdback:
    path: /srv/desk/cmd-os-1
    release: "{{ lookup('egi.cmd.release', 'release.yml') }}"
    mirror_root: /srv/repository
    key_home: /var/lib/repository-keys
    signing_keys: [0123456789ABCDEF0123456789ABCDEF01234567]
    base:
      - {platform: jammy, root: /srv/mirror, set: ubuntu-22.04}
      - {platform: el9, root: /srv/mirror, set: almalinux-9}
    by: Release Team
    state: reviewed
    fail_on_expired: true
"""

RETURN = r"""
holds:
  description: Every hold of the desk, as M(egi.cmd.holdback_info) returns them.
  returned: success
  type: list
  elements: dict
expired:
  description: Names of holds that are open past their last day.
  returned: success
  type: list
  elements: str
  sample: []
repository_holds:
  description:
    - What hosts have to hide from dnf, for P(egi.cmd.resolve#filter) and the role P(egi.cmd.cmd_repo#role). Empty when the holdback
      repository alone holds.
  returned: success
  type: list
  elements: dict
  contains:
    platform:
      description: Platform of the release manifest.
      type: str
    excludes:
      description: Exact builds of the base distribution.
      type: list
      elements: str
  sample: [{platform: el9, excludes: [libcloud-2.2-1.el9.noarch]}]
proofs:
  description: What was proved in this call.
  returned: success
  type: list
  elements: dict
  contains:
    platform:
      description: Platform of the release manifest.
      type: str
    architecture:
      description: Architecture, in the word of the platform's format.
      type: str
    hosts:
      description: The hosts that were tried.
      type: list
      elements: str
reviews:
  description: What the review found.
  returned: success
  type: list
  elements: dict
  contains:
    hold:
      description: Its name.
      type: str
    lifts:
      description: Whether the hold was lifted.
      type: bool
    why:
      description: What the base offers, and what the test said.
      type: str
    alarm:
      description: Whether somebody has to act.
      type: bool
generation:
  description: The snapshot that readers see.
  returned: success
  type: str
  sample: cmd-os-1-2026-11-20-120000
"""

import datetime
import functools
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door, respawn_for
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import display, hold_parameters, hold_record, hold_review, holds, parameters
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Desk
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk_directory import DeskDirectory
from ansible_collections.egi.cmd.plugins.module_utils._promotion.flow import Actor
from ansible_collections.egi.cmd.plugins.module_utils._promotion.publication import Publication
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import day_of

Result = t.Dict[str, t.Any]


def _request(params: t.Mapping[str, t.Any]) -> holds.Request:
    state, names = params["state"], params["names"]
    empty = {"opened": not params["holds"], "lifted": not names, "reviewed": False}
    if empty[state]:
        raise Failure("change holds", f"{'holds' if state == 'opened' else 'names'} is empty", f"Say which holds shall be {state}")
    if not params["by"].strip():
        raise Failure("change holds", "option by is empty", "Say who asks for it")
    if params["test_timeout"] < 1:
        raise Failure("change holds", f"test_timeout is {params['test_timeout']}", "Give 1 second or more")
    if state == "reviewed":
        return holds.Request(reviewed=names, verdicts={one["name"]: (one["verdict"], one["text"]) for one in params["verdicts"]})
    declared = [{**one, "by": params["by"]} for one in params["holds"]] if state == "opened" else []
    return holds.Request(opened=declared, lifted=names)


def _run(params: t.Mapping[str, t.Any], dry: bool, day: datetime.date) -> holds.Outcome:
    request, manifest = _request(params), parameters.manifest_of(params["release"])
    for path in (params["path"], params["mirror_root"]):
        parameters.require_own(path)
    for one in params["base"]:
        if one["platform"] not in manifest["platforms"]:
            raise Failure("read the base", f"the release has no platform {one['platform']!r}", f"Name one of {', '.join(manifest['platforms'])}")
    base = tuple(holds.Base(one["platform"], one["root"], one["set"]) for one in params["base"])
    tester = None if dry else functools.partial(hold_review.run_test, seconds=params["test_timeout"])
    setting = holds.Setting(manifest, day, base, Actor(params["by"], holds.now()), tester)
    directory = DeskDirectory(params["path"], manifest["name"])
    publication = Publication(directory, manifest, params["mirror_root"], parameters.signing_of(params))
    return holds.run(directory, publication, setting, request, dry)


def _rows(desk: Desk, day: datetime.date) -> t.List[Result]:
    return [hold_record.row(record, day) for _name, record in sorted(hold_record.records(desk).items())]


def _result(outcome: holds.Outcome, day: datetime.date) -> Result:
    rows = _rows(outcome.after, day)
    return {
        "changed": outcome.before != outcome.after,
        "holds": rows,
        "expired": [row["name"] for row in rows if row["state"] == "expired"],
        "repository_holds": hold_record.excludes(outcome.after),
        "proofs": [{"platform": proof.platform, "architecture": proof.architecture, "hosts": list(proof.hosts)} for proof in outcome.proofs],
        "reviews": [review._asdict() for review in outcome.reviews],
        "generation": outcome.after.generation,
    }


def _alarms(result: Result) -> t.List[str]:
    """What somebody has to act on."""
    late = [f"hold {row['name']} EXPIRED {-row['days_left']} days ago ({row['link']})" for row in result["holds"] if row["state"] == "expired"]
    return late + [f"hold {review['hold']}: {review['why']}" for review in result["reviews"] if review["alarm"]]


def _finish(module: AnsibleModule, outcome: holds.Outcome, day: datetime.date) -> None:
    result = _result(outcome, day)
    if module._diff:  # pylint: disable=protected-access
        texts = [hold_record.table(_rows(desk, day)) + display.table(desk) for desk in (outcome.before, outcome.after)]
        result["diff"] = {"before_header": module.params["path"], "after_header": module.params["path"], "before": texts[0], "after": texts[1]}
    alarms = _alarms(result)
    if alarms and module.params["fail_on_expired"]:
        remedy = "Get it fixed in the base distribution, or open the hold with a later expiry"
        module.fail_json(msg=str(Failure("let go of every hold", "; ".join(alarms), remedy)), **result)
    for alarm in alarms:
        module.warn(alarm)
    module.exit_json(**result)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=hold_parameters.ARGUMENTS, supports_check_mode=True)
    respawn_for(module, "solv", "python3-solv")
    with door(module):
        day = day_of(module.params["day"], "judge holds") if module.params["day"] else datetime.date.today()
        _finish(module, _run(module.params, module.check_mode, day), day)


if __name__ == "__main__":
    main()

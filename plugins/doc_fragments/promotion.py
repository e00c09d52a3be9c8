# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This doc fragment is PRIVATE to the egi.cmd collection; its content may change in any release.
"""Options of the modules that work at a release team's desk."""

from __future__ import annotations


class ModuleDocFragment:
    """Use as ``egi.cmd.promotion``; the argument spec is _promotion/parameters.py."""

    DOCUMENTATION = r"""
options:
  path:
    description:
      - Directory of the desk, on the repository host. It is made when missing, and not for a web server to show.
      - It and O(mirror_root) belong to the user the module runs as.
    type: path
    required: true
  release:
    description: The release manifest, as the lookup P(egi.cmd.release#lookup) gives it.
    type: dict
    required: true
  mirror_root:
    description:
      - Directory that the web server serves. Readers find the release's repositories below C(<mirror_root>/<release>/).
    type: path
    required: true
  base:
    description:
      - Repositories of the base distribution, for each platform. Without them nobody can prove that a batch can be installed,
        and the condition C(installable.unproven) is not met.
    type: list
    elements: dict
    default: []
    suboptions:
      platform:
        description: Platform of the release manifest.
        type: str
        required: true
      paths:
        description:
          - C(Packages) or C(primary.xml) files, or directories that have C(dists) or C(repodata) below them, such as a snapshot
            of a mirror.
        type: list
        elements: path
        required: true
      security:
        description: Whether these are security repositories, whose versions the overlay must not hide.
        type: bool
        default: false
  previous:
    description: Repositories of the release before this one. Hosts that have its packages have to be able to upgrade.
    type: list
    elements: dict
    default: []
    suboptions:
      platform:
        description: Platform of the release manifest.
        type: str
        required: true
      paths:
        description: As in O(base[].paths).
        type: list
        elements: path
        required: true
  gates:
    description: What has to hold before a batch is promoted, besides what always has to.
    type: dict
    suboptions:
      adopters:
        description: How many early adopters have to accept a batch before it reaches all hosts.
        type: int
        default: 2
      verification:
        description: Whether a verification has to have passed before a batch reaches all hosts.
        type: bool
        default: true
      version_scheme:
        description: V(mos) holds versions to the grammar of overlay versions. V(none) does not.
        type: str
        choices: [mos, none]
        default: mos
      metadata:
        description: What packages have to say of themselves, see M(egi.cmd.package_check). Without it nobody looks.
        type: dict
        suboptions:
          series:
            description: Release series the newest changelog entry has to name.
            type: str
            required: true
          organisation:
            description: Who the newest changelog entry has to name.
            type: str
            required: true
          maintainer:
            description: Name and address of the release team.
            type: str
            required: true
          backports:
            description: Source packages taken from another release of a base distribution.
            type: list
            elements: str
            default: []
      products:
        description: Products with their tags and versions, as P(egi.cmd.completeness_problems#filter) takes them. Without it nobody looks.
        type: list
        elements: dict
        default: []
      product_waivers:
        description: Permissions to leave a product out on a platform, as P(egi.cmd.completeness_problems#filter) takes them.
        type: list
        elements: dict
        default: []
  day:
    description: The day to judge for, C(YYYY-MM-DD). Default is today.
    type: str
requirements:
  - python3-solv, and with it the system's own Python, where excuses are looked for
"""

# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that says how the images of a build are to be booted."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.boot_matrix import boots_of

DOCUMENTATION = r"""
name: image_boots
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Say how the images of a build are to be booted
description:
  - Return O(egi.cmd.image_boot#module:boots) for the images that M(egi.cmd.image) returned, each in each way that is made for it.
  - An image without a disk has no boot. A guest has to have exactly the packages and repositories that C(image.json) names.
options:
  _input:
    description: The RV(egi.cmd.image#module:images) of the build.
    type: list
    elements: dict
    required: true
  boots:
    description: Ways to boot, as in O(egi.cmd.image_drop#module:required_boots).
    type: list
    elements: dict
    required: true
  mirror:
    description: Directories that guests are served.
    type: list
    elements: dict
    default: []
  install:
    description: Packages that guests have to be able to install.
    type: list
    elements: str
    default: []
  priorities:
    description: Package -> the priority its candidate has to have.
    type: dict
    default: {}
  timeout:
    description: Seconds until a guest has to have reported.
    type: int
    default: 600
seealso:
  - module: egi.cmd.image_boot
"""

EXAMPLES = r"""
- name: Boot every image with BIOS
  egi.cmd.image_boot:
    boots: "{{ built.images | egi.cmd.image_boots([{'firmware': 'bios', 'transport': 'nocloud'}]) }}"
    reports: /var/lib/egi-cmd/image/reports
"""

RETURN = r"""
_value:
  description: One mapping for each boot.
  type: list
  elements: dict
"""


def image_boots(
    images: t.Sequence[t.Mapping[str, t.Any]], boots: t.Sequence[t.Mapping[str, t.Any]], mirror: t.Sequence[t.Mapping[str, t.Any]] = (),
    install: t.Sequence[str] = (), priorities: t.Mapping[str, t.Any] | None = None, timeout: int = 600,
) -> list[dict[str, t.Any]]:
    """Return the boots of all images."""
    try:
        return boots_of(images, boots, mirror, install, priorities, timeout)
    except Failure as failure:
        raise AnsibleFilterError(str(failure)) from None


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"image_boots": image_boots}

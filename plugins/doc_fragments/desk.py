# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This doc fragment is PRIVATE to the egi.cmd collection; its content may change in any release.
"""Options of the modules of holds that say which desk it is."""

from __future__ import annotations


class ModuleDocFragment:
    """Use as ``egi.cmd.desk``; the argument spec is that of the same options in _promotion/parameters.py."""

    DOCUMENTATION = r"""
options:
  path:
    description:
      - Directory of the desk, on the repository host, see M(egi.cmd.promotion).
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
  day:
    description: The day to judge for, C(YYYY-MM-DD). Default is today.
    type: str
"""

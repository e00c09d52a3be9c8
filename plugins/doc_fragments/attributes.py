# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This doc fragment is PRIVATE to the egi.cmd collection; its content may change in any release.
"""What the attributes in a module's documentation mean; each module says how far it supports them."""

from __future__ import annotations


class ModuleDocFragment:
    """Use as ``egi.cmd.attributes``, then give ``support`` (and ``details``) per attribute in the module."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status it would have without changing anything.
  diff_mode:
    description: Shows what has changed, or in check mode would change, when in C(diff) mode.
  idempotent:
    description:
      - When run twice in a row with the same arguments, the second run says that nothing changed.
      - This assumes that what the module looks at has not changed in between.
"""

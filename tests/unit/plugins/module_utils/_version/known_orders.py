# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders everybody knows, as tables: the unit tests judge the engines by them, the real tools judge the tables."""

from __future__ import annotations

# Each row ascends strictly.
DEB_ASCENDING = [
    # Debian Policy 5.6.12 and the tilde
    ["1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1+", "1.0a", "1.0+", "1.0--1", "1.0."],
    ["1.0~beta1~svn1245", "1.0~beta1", "1.0~rc1", "1.0", "1.0.1"],
    ["1.2.3-1", "1.2.3a", "1.2.3+a", "1.2.3.a"],
    # stable updates, backports, binary rebuilds, non-maintainer uploads
    ["1.0-1~bpo12+1", "1.0-1", "1.0-1+b1", "1.0-1+deb12u1", "1.0-1+deb12u2", "1.0-1+deb12u10", "1.0-1.1", "1.0-2"],
    ["1.0-1", "1.0+dfsg-1", "1.0.1-1"],
    # derivatives
    ["1.0-1build1", "1.0-1ubuntu0.22.04.1", "1.0-1ubuntu1~22.04.1", "1.0-1ubuntu1", "1.0-1ubuntu1.1", "1.0-1ubuntu2"],
    ["1.0-1ubuntu1", "1.0-1+deb12u1"],
    # overlays
    ["2.1.0-1~u14.04+mos1", "2.1.0-1~u14.04+mos1+mos6.1+1", "2.1.0-1~u14.04+mos2~mos6.1+1", "2.1.0-1~u14.04+mos2", "2.1.0-1"],
    ["6.14.0-2.3~u14.04+mos9", "6.14.0-2.3~u14.04+mos10", "6.14.0-2.3ubuntu4", "6.14.0-3~u14.04+mos1", "6.14.0-3ubuntu1"],
    ["1.2-0~u14.04+mos1", "1.2-0u~u14.04+mos1", "1.2-0ubuntu0.1", "1.2-0ubuntu1", "1.2-0ubuntu10"],
    ["1.2-1~bpo8+1~u14.04+mos1", "1.2-1~u14.04+mos1"],
    # numbers are numbers, of any length; an epoch beats everything
    ["0.9.9", "0.9.10", "4.9.2", "4.10.0", "1" + "0" * 5000, "1" + "0" * 5001, "1:0", "2:0~", "10:0~~"],
    # a colon, a hyphen inside the upstream version
    ["0:1", "0:1a", "0:1+", "0:1-2-3", "0:1.", "0:1:", "0:1:2", "0:1:10", "0:2"],
    ["1-1", "1-1-1", "1-1.1-1"],
    ["0~", "0", "0-0a", "0-0.", "0a"],
]

DEB_EQUAL = [
    ("1.0", "1.0-0"), ("0:1.0-1", "1.0-1"), ("1.0-01", "1.0-1"), ("1.0", "1.00"), ("00", "0"), ("0", "0-00"),
    ("1.0a", "1.0a0"), ("1.0-1~", "1.0-1~0"), ("001:1", "+1:1"), ("1.0-0.0", "1.0-0.00"),
]

# Each row ascends strictly.
RPM_ASCENDING = [
    # the cases rpm's own test suite is known for
    ["1.0", "2.0"], ["2.0", "2.0.1", "2.0.1a"], ["5.5p1", "5.5p2", "5.5p10"], ["10xyz", "10.1xyz"],
    ["xyz10", "xyz10.1"], ["xyz.4", "2"], ["xyz.4", "8"],
    ["5.5p2", "5.6p1"], ["5.6p1", "6.5p1"], ["6.0", "6.0.rc1"], ["10a2", "10b1"], ["1.0a", "1.0aa"],
    ["10.0001", "10.0039"], ["4.999.9", "5.0"], ["20101121", "20101122"], ["FC5", "fc4"], ["2a", "2.0"],
    ["a", "1"], ["a", "b"], ["A", "a"], ["1.fc4", "1.4"], ["3.0.0.fc", "3.0.0_1"],
    ["1.0~rc1", "1.0~rc2", "1.0"], ["1.0~rc1~git123", "1.0~rc1"],
    ["1.0", "1.0^", "1.0^git1", "1.0^git2", "1.01"], ["1.0^20160101", "1.0.1"],
    ["1.0^20160101^git1", "1.0^20160102"], ["1.0~rc1", "1.0~rc1^git1", "1.0"], ["1.0^git1~pre", "1.0^git1"],
    # every place at once: tilde, end, caret, letters, number
    ["1.0~~", "1.0~", "1.0~rc1", "1.0~1", "1.0", "1.0^~", "1.0^", "1.0^^", "1.0^git", "1.0a", "1.0.1"],
    # distribution tags and overlays; digits beat letters
    ["1-1.el9", "1-1.el10"], ["1-1.el7~mos1", "1-1.el7", "1-1.el7.centos", "1-1.el7_9"],
    ["1-1.el7~mos201", "1-1.el7~mos201.sec.1", "1-1.el7~mos201.1", "1-1.el7~mos202"],
    ["0.1.10-1~mos2", "0.1.10-1.el7~mos1", "0.1.10-1.el7~mos2", "0.1.10-1.el7", "0.1.11-1.el7~mos1"],
    ["2015.2-1.el7~mos123", "2015.2-1.el7~mos124", "2015.2-1.el7", "2015.2-2.el7~mos123", "2015.3-1.el7~mos0"],
    # numbers are numbers, of any length; an epoch beats everything; no release is below every release
    ["0.9.9", "0.9.10", "1" + "0" * 5000, "1" + "0" * 5001, "1:0", "2:0", "10:0~"],
    ["1.0", "1.0-~", "1.0-^", "1.0-a", "1.0-0", "1.0-1", "1.0.1"],
]

RPM_EQUAL = [
    ("1.0", "1.00"), ("10.0001", "10.1"), ("1.0_1", "1.0.1"), ("2_0", "2.0"), ("a+", "a_"), ("+a", "a"), ("_a+", "+a_"),
    ("1.0.", "1.0"), ("1.0-1.", "1.0-1"), ("0:1", "1"), (":1", "1"), ("01:1", "1:1"), ("1..0", "1.0"), ("+", "_"),
    ("1.1.\u03b1", "1.1.\u03b2"), ("1.0~.1", "1.0~1"), ("1_~", "1~"),
]

#!/bin/sh
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Test bin/demo; needs root. tests/demo/stranger.py says what is tested.
exec /usr/bin/python3 "$(dirname -- "$0")/stranger.py" "$@"

#!/bin/sh
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Name, type, size, time of change, inode and content of all that is published below $1: equal output means that not a
# byte was touched. The module's own record (.egi-cmd) is left out.
set -eu
cd "$1"
find . -path ./.egi-cmd -prune -o -printf '%p %y %s %T@ %i\n' | sort
find . -path ./.egi-cmd -prune -o -type f -exec sha256sum {} + | sort

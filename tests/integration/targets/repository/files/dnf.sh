#!/bin/sh
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# dnf.sh DIRECTORY ARGUMENT...: the host's dnf with everything it reads and writes below DIRECTORY; repositories in repos/.
set -eu
root=$1
shift
exec dnf -y --quiet --noplugins --releasever=9 --forcearch=x86_64 --refresh --installroot="$root/host" \
    --setopt=reposdir="$root/repos" --setopt=cachedir="$root/cache" "$@"

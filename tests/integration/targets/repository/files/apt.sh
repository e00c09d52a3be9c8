#!/bin/sh
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# apt.sh DIRECTORY SOURCE-LINE... -- ARGUMENT...: the host's apt with everything it reads and writes below DIRECTORY.
set -eu
root=$1
shift
mkdir -p "$root/etc/apt/preferences.d" "$root/etc/apt/trusted.gpg.d" "$root/var/lib/apt/lists/partial" \
    "$root/var/cache/apt/archives/partial"
: > "$root/status"
: > "$root/etc/apt/sources.list"
while [ "$1" != -- ]; do
    echo "$1" >> "$root/etc/apt/sources.list"
    shift
done
shift
tool=$1
shift
cd "$root"
exec "$tool" -o Dir="$root" -o Dir::State::status="$root/status" -o Dir::Etc::main=/dev/null -o Dir::Etc::parts=/dev/null \
    -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o APT::Update::Error-Mode=any "$@"

# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# What bin/demo and bin/test need before they can start; sourced by both, with the checkout's path in $top:
#
#   need_root                          stop unless root
#   need_packages PACKAGE...           Debian packages, installed only when missing
#   need_venv NAME REQUIREMENT...      a virtual environment in .cache/venv/NAME; sets $venv
#   need_collections                   Ansible collections in .cache/collections; exports ANSIBLE_COLLECTIONS_PATH
#
# Everything but the Debian packages stays below $top/.cache. pip and apt keep the machine's own configuration.

# top is set by the script that sources this file.
# shellcheck disable=SC2154
cache=$top/.cache

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Run a step quietly; when it fails, show the end of its output and stop. $1: what it does, for the message.
quietly() {
    _what=$1
    shift
    mkdir -p "$cache/log"
    # A killed parent takes the step with it: nothing of ours outlives us.
    if ! setpriv --pdeathsig KILL -- "$@" >"$cache/log/prepare.log" 2>&1 </dev/null; then
        tail -n 15 "$cache/log/prepare.log" >&2
        die "cannot $_what: see above; the whole output is in $cache/log/prepare.log"
    fi
}

need_root() {
    [ "$(id -u)" -eq 0 ] || die "needs root, to mount and to chroot: run it with sudo"
}

need_packages() {
    _missing=
    for _package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$_package" 2>/dev/null)" = installed ] || _missing="$_missing $_package"
    done
    [ -n "$_missing" ] || return 0
    command -v apt-get >/dev/null || die "needs Debian 12/13 or Ubuntu 22.04/24.04 (there is no apt-get here)"
    echo "  installing$_missing"
    mkdir -p "$cache/log"
    # Not through quietly: killing dpkg half way would leave the machine's own package database unfinished.
    # The names are a list on purpose.
    # shellcheck disable=SC2086
    if ! { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install $_missing; } \
        >"$cache/log/prepare.log" 2>&1 </dev/null; then
        tail -n 15 "$cache/log/prepare.log" >&2
        die "cannot install$_missing: see above; install them yourself with apt-get and start again"
    fi
}

# The stamp holds what was asked for, so a changed requirement or another Python makes the environment anew.
need_venv() {
    _name=$1
    shift
    venv=$cache/venv/$_name
    _stamp="$(/usr/bin/python3 --version) in $venv: $*"
    mkdir -p "$cache/venv"
    exec 8>"$cache/venv/$_name.lock"
    flock 8
    if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$_stamp" ]; then
        echo "  making the Python environment '$_name' (once)"
        rm -rf "$venv"
        quietly "make the Python environment $venv" /usr/bin/python3 -m venv "$venv"
        quietly "install $* with pip" "$venv/bin/pip" install --disable-pip-version-check "$@"
        printf '%s\n' "$_stamp" >"$venv/stamp"
    fi
    exec 8>&-
}

_unpack='
import pathlib, sys, zipfile
wheels, target, *names = sys.argv[1:]
wanted = tuple("ansible_collections/%s/" % name.replace(".", "/") for name in names)
(wheel,) = pathlib.Path(wheels).glob("ansible-*.whl")
with zipfile.ZipFile(wheel) as archive:
    archive.extractall(target, [name for name in archive.namelist() if name.startswith(wanted)])
'

# The chroot connection lives in community.general, the modules that set up an AWX in awx.awx. Galaxy is not reachable
# from every machine that reaches a Python package index, so they are taken out of the ansible package, in the version
# that belongs to the installed ansible-core.
need_collections() {
    _collections=$cache/collections/ansible_collections
    _wanted="awx.awx community.general community.library_inventory_filtering_v1"
    export ANSIBLE_COLLECTIONS_PATH="$cache/collections"
    mkdir -p "$_collections/egi"
    # Through a link beside it and a rename: two runs at once never find it missing.
    ln -sfn ../../../.. "$_collections/egi/.cmd.$$"
    mv -fT "$_collections/egi/.cmd.$$" "$_collections/egi/cmd"
    exec 8>"$cache/collections/lock"
    flock 8
    if [ "$(cat "$cache/collections/stamp" 2>/dev/null)" != "$_wanted" ]; then
        echo "  fetching the collections $_wanted (once)"
        rm -rf "$cache/download"
        quietly "fetch the ansible package with pip" "$venv/bin/pip" download --disable-pip-version-check \
            --no-deps --only-binary :all: --dest "$cache/download" 'ansible>=10,<13'
        # The names are a list on purpose.
        # shellcheck disable=SC2086
        quietly "unpack $_wanted" "$venv/bin/python" -c "$_unpack" "$cache/download" "$cache/download" $_wanted
        for _namespace in "$cache/download/ansible_collections"/*; do
            rm -rf "${_collections:?}/${_namespace##*/}"
            mv "$_namespace" "$_collections/"
        done
        rm -rf "$cache/download"
        printf '%s\n' "$_wanted" >"$cache/collections/stamp"
    fi
    exec 8>&-
}

#!/bin/sh
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Build below $1 packages that say who made them (good) and packages that do not (bad), with dpkg-deb, dpkg-source,
# dpkg-genchanges and rpmbuild.
set -eu
cd "$1"
commit=0123456789abcdef0123456789abcdef01234567
team='Example Release Team <release@example.org>'

entry() { # source version series text
    printf '%s (%s) %s; urgency=low\n\n%s\n\n -- Example Project Team <team@example.org>  Fri, 20 Nov 2026 12:00:00 +0000\n' "$@"
}

full() { # further line
    printf '  * Source commit: %s\n  * Build commit: %s\n  * %s' "$commit" "$commit" "$1"
}

deb() { # directory name version maintainer series text compression
    tree=$(mktemp -d)
    chmod 0755 "$tree"
    mkdir -p "$tree/DEBIAN" "$tree/usr/share/doc/$2" "$1"
    entry "$2" "$3" "$5" "$6" | gzip -9n > "$tree/usr/share/doc/$2/changelog.Debian.gz"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: %s\nDescription: example\n' "$2" "$3" "$4" > "$tree/DEBIAN/control"
    dpkg-deb --root-owner-group "-Z$7" -b "$tree" "$1" > /dev/null
    rm -r "$tree"
}

source_package() { # directory name version format maintainer series text
    rm -rf build
    mkdir -p "build/$2/debian/source" "$1"
    entry "$2" "$3" "$6" "$7" > "build/$2/debian/changelog"
    printf '%s\n' "$4" > "build/$2/debian/source/format"
    printf 'Source: %s\nSection: net\nPriority: optional\nMaintainer: %s\nStandards-Version: 4.7.0\n\nPackage: %s\nArchitecture: all\nDescription: example\n' \
        "$2" "$5" "$2" > "build/$2/debian/control"
    printf '#!/usr/bin/make -f\n' > "build/$2/debian/rules"
    upstream=${3%-*}
    [ "$4" = '3.0 (native)' ] || tar -C build -czf "build/$2_${upstream#*:}.orig.tar.gz" --exclude=debian "$2"
    ( cd build && dpkg-source --abort-on-upstream-changes -b "$2" > /dev/null 2>&1 )
    ( cd "build/$2" && dpkg-genchanges -S -sa -q > "../$2_${3#*:}_source.changes" )
    find build -maxdepth 1 -type f -exec mv {} "$1" \;
}

rpm() { # directory name version release packager text
    mkdir -p "$1" build
    cat > "build/$2.spec" <<SPEC
Name: $2
Epoch: 1
Version: $3
Release: $4
Summary: example
License: none
BuildArch: noarch
$5
%description
example
%files
%changelog
* Fri Nov 20 2026 Example Project Team <team@example.org> - 1:$3-$4
$6
* Thu Nov 19 2026 Somebody <somebody@example.org> - 1:0.1-1
- Older
SPEC
    rpmbuild --quiet -ba --define "_topdir $PWD/build" --define "_rpmdir $PWD/$1" --define "_srcrpmdir $PWD/$1" \
        --define '_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm' "build/$2.spec" 2> build/log || { cat build/log >&2; exit 1; }
}

backport='Backport of qemu 1:2.2+dfsg-5exp from https://git.example.org/qemu'
rpm_text=$(printf -- '- mos6.1: a fix\n- Source commit: %s\n- Build commit: %s' "$commit" "$commit")

deb good agent 6.1-1~u14.04+mos1 "$team" mos6.1 "$(full 'First build')" xz
deb good qemu '1:2.2+dfsg-5exp~u14.04+mos3~mos6.1+1' "$team" mos6.1-updates "$(full "$backport")" gzip
source_package good agent-src '6.1-1~u14.04+mos1' '3.0 (quilt)' "$team" mos6.1 "$(full 'First build')"
source_package good old-src '6.1-1~u14.04+mos1' '1.0' "$team" mos6.1 "$(full 'First build')"
rpm good heat 2015.2 '1.el7~mos2.1' "Packager: $team" "$rpm_text"

deb bad nova 2015.1-0ubuntu1 'Somebody <somebody@example.org>' trusty '  * Source commit: 0123456' zstd
deb bad glance '2015.1-0~u14.04+mos1' "$team" mos6.1 "$(full 'Backport of glance')" none
source_package bad native-src 1.9 '3.0 (native)' "$team" mos6.1 "$(full 'A native package')"
rpm bad cinder 2015.2 1.centos '' '- Newer'
deb bad broken '6.1-1~u14.04+mos1' "$team" mos6.1 "$(full 'Cut')" xz
truncate -s -40 bad/broken_*.deb
deb bad directly '6.1-1~u14.04+mos1' "$team" mos6.1 "$(full 'Backport of directly 6.1-2exp from http://example.org/directly_6.1-2exp.dsc')" xz

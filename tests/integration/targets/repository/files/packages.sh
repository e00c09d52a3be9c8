#!/bin/sh
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Make the packages of this target below $1, with the real dpkg-deb and rpmbuild.
set -eu
cd "$1"

deb() { # directory name version architecture compression
    tree=$(mktemp -d)
    chmod 0755 "$tree"
    mkdir -p "$tree/DEBIAN" "$tree/usr/share/$2" "$1"
    echo "$3" > "$tree/usr/share/$2/version"
    cat > "$tree/DEBIAN/control" <<CONTROL
Package: $2
Version: $3
Architecture: $4
Maintainer: Example Team <team@example.org>
Section: net
Priority: optional
Description: example
 Longer text.
CONTROL
    dpkg-deb --root-owner-group "-Z$5" -b "$tree" "$1" > /dev/null
    rm -r "$tree"
}

rpm() { # directory name version release architecture
    mkdir -p "$1" build
    cat > "build/$2.spec" <<SPEC
Name: $2
Version: $3
Release: $4
Summary: example
License: none
BuildArch: $5
%description
example
%install
mkdir -p %{buildroot}/usr/share/$2
echo $3 > %{buildroot}/usr/share/$2/version
%files
/usr/share/$2
SPEC
    rpmbuild --quiet -bb --target "$5" --define "_topdir $PWD/build" --define "_rpmdir $PWD/$1" \
        --define '_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm' "build/$2.spec" 2> build/log || { cat build/log >&2; exit 1; }
}

source_package() { # directory name version
    mkdir -p "build/$2/debian/source" "$1"
    ( cd "build/$2"
      echo '3.0 (native)' > debian/source/format
      printf '%s (%s) unstable; urgency=low\n\n  * Example.\n\n -- Example Team <team@example.org>  Fri, 20 Nov 2026 12:00:00 +0000\n' "$2" "$3" > debian/changelog
      printf 'Source: %s\nSection: net\nPriority: optional\nMaintainer: Example Team <team@example.org>\nStandards-Version: 4.7.0\n\nPackage: %s\nArchitecture: all\nDescription: example\n' "$2" "$2" > debian/control
      printf '#!/usr/bin/make -f\n' > debian/rules )
    dpkg-source -b "build/$2" > /dev/null
    mv "$2_$3".* "$1"
}

deb deb/base alpha 1.0-1 all xz
deb deb/base beta 1:2.0-1 amd64 gzip
deb deb/base libgamma 3.0-1 amd64 zstd
deb deb/updates alpha 1.1-1 all none
deb deb/proposed alpha 1.2~rc1-1 all xz
deb deb/extra delta 1.0-1 arm64 xz
source_package deb/base epsilon 0.1
deb bad/bytes alpha 1.0-1 all gzip
deb bad/renamed zeta 1.0-1 all xz
mv bad/renamed/zeta_1.0-1_all.deb bad/renamed/zeta_2.0-1_all.deb
deb bad/liar eta 1.0-1 arm64 xz
mv bad/liar/eta_1.0-1_arm64.deb bad/liar/eta_1.0-1_amd64.deb
deb bad/truncated theta 1.0-1 all xz
truncate -s -100 bad/truncated/theta_1.0-1_all.deb
mkdir -p bad/nothing
echo 'not a package' > bad/nothing/iota_1.0-1_all.deb
rpm rpm-in/os alpha 1.0 1.el9 noarch
rpm rpm-in/os beta 2.0 '1.el9~mos1' x86_64
rpm rpm-in/updates alpha 1.1 1.el9 noarch
rpm bad/rpm gamma 1.0 1.el9 noarch
truncate -s -20 bad/rpm/gamma-1.0-1.el9.noarch.rpm
rpm bad/rpm delta 1.0 1.el9 noarch
mv bad/rpm/delta-1.0-1.el9.noarch.rpm bad/rpm/delta-2.0-1.el9.noarch.rpm
rpm bad/rpm epsilon 1.0 1.el9 x86_64

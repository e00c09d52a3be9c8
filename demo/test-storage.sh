#!/bin/sh
# The site's own test of libstorage, run by egi.cmd.holdback on the repository host: is what the base offers now any good?
# It is told CMD_PLATFORM (example-os, el9) and CMD_PACKAGES (libstorage=VERSION).
set -eu
version=${CMD_PACKAGES#libstorage=}
file=$(find -L "/srv/mirror/$CMD_PLATFORM/os" -name "libstorage?${version}[._]*")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
case $file in
*.deb) dpkg-deb --extract "$file" "$root" ;;
*.rpm) rpm --root "$root" --install --nodeps --nosignature --force-debian "$file" ;;
esac
state=$(cat "$root/usr/share/libstorage/state")
echo "libstorage $version on $CMD_PLATFORM: $state"
[ "$state" = works ]

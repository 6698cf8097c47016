#!/usr/bin/env bash
# Install, by package name, what the tests of stores need and this machine lacks: Debian's
# redis-server, and gnome-keyring with a D-Bus to speak on.
# Says nothing when there is nothing to do. Exit 1 when something is still missing.
set -uo pipefail

lacking() {
    echo "interop/stores: $*" >&2
    exit 1
}

packages=()
command -v redis-server >/dev/null || packages+=(redis-server)
command -v dbus-daemon >/dev/null || packages+=(dbus)
command -v gnome-keyring-daemon >/dev/null || packages+=(gnome-keyring)
[ ${#packages[@]} -gt 0 ] || exit 0

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
    lacking "${packages[*]} missing, and apt-get and root (or sudo) are needed"
fi

# A policy of 101 keeps Debian from starting the service: the tests start servers of their own.
apt_install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -qq --no-install-recommends "${packages[@]}" >/dev/null
}

# The package lists may be fresh enough, and fetching them is the slow part.
if ! apt_install 2>/dev/null; then
    "${as_root[@]}" apt-get update -qq >/dev/null
    apt_install || lacking "${packages[*]} could not be installed"
fi

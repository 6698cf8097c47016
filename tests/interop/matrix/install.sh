#!/usr/bin/env bash
# Install, by package name, the servers of the matrix that this machine lacks: Keycloak (a zip from
# Maven), Spring Authorization Server (built by Maven) and zitadel/oidc (built by Go).
# Everything goes into the cache folder. Says nothing when there is nothing to do. Exit 1 when
# something is still missing.
set -uo pipefail
sources=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
status=0

lacking() {
    echo "interop/matrix: $*" >&2
    status=1
}

cache=${GRANTFLOW_INTEROP_CACHE:-$("${PYTHON:-python3}" -c \
    'import platformdirs; print(platformdirs.user_cache_dir("grantflow-interop"))')} || exit 1
mkdir -p "$cache" || exit 1
PATH=$PATH:/usr/local/go/bin

# Debian's packages, if a program is missing.

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)

apt_install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq --no-install-recommends "$@" >/dev/null
}

packages=()
command -v javac >/dev/null || packages+=(openjdk-17-jdk-headless)
command -v mvn >/dev/null || packages+=(maven)
if [ ${#packages[@]} -gt 0 ] && ! apt_install "${packages[@]}" 2>/dev/null; then
    "${as_root[@]}" apt-get update -qq >/dev/null
    apt_install "${packages[@]}" || lacking "not installed: ${packages[*]}"
fi

# made NAME  run build.sh of the folder NAME in a new folder, where source is a copy of it, and keep
# that in the cache. It moves into place when it is complete: an interrupted build never looks like
# a finished one.
made() {
    local name=$1 home=$cache/$1 partial
    if [ -e "$home/made" ] && diff -qr "$sources/$name" "$home/source" >/dev/null; then return 0; fi
    partial=$(mktemp -d "$cache/partial.XXXXXX") || return 1
    if cp -R "$sources/$name" "$partial/source" \
        && (cd "$partial" && bash -euo pipefail source/build.sh) >"$partial/log" 2>&1 \
        && touch "$partial/made" && rm -rf "$home" && mv "$partial" "$home"; then
        return 0
    fi
    tail -n 20 "$partial/log" >&2
    rm -rf "$partial"
    return 1
}

if command -v mvn >/dev/null; then
    made keycloak || lacking "Keycloak could not be installed"
    made spring || lacking "Spring Authorization Server could not be built"
fi
if command -v go >/dev/null; then
    made zitadel || lacking "zitadel/oidc could not be built"
else
    lacking "go (the version in zitadel/go.mod, or later) is needed for zitadel/oidc"
fi

exit "$status"

#!/usr/bin/env bash
# Install, by package name, what the interop tests need and this machine lacks:
# node's oidc-provider and the MCP SDK into the cache folder; chromium and its driver, curl and shells into the system.
# Says nothing when there is nothing to do. Exit 1 when something is still missing.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
status=0

lacking() {
    echo "interop: $*" >&2
    status=1
}

# oidc-provider

install_oidc_provider() {
    local cache home partial
    cache=${GRANTFLOW_INTEROP_CACHE:-$("${PYTHON:-python3}" -c \
        'import platformdirs; print(platformdirs.user_cache_dir("grantflow-interop"))')} || return 1
    home=$cache/oidc-provider
    cmp -s "$here/oidc_provider/package.json" "$home/package.json" && return 0
    mkdir -p "$cache" || return 1
    partial=$(mktemp -d "$cache/partial.XXXXXX") || return 1
    # Moved into place when complete: an interrupted install never looks like a finished one.
    if cp "$here/oidc_provider/package.json" "$partial/" \
        && (cd "$partial" && npm install --no-save --no-package-lock --ignore-scripts \
            --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null) \
        && rm -rf "$home" && mv "$partial" "$home"; then
        return 0
    fi
    rm -rf "$partial"
    return 1
}

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    lacking "node and npm are needed for oidc-provider"
elif ! install_oidc_provider; then
    lacking "oidc-provider could not be installed"
fi

# The MCP SDK, in a Python of its own: it wants other versions than the tests do.

install_mcp() {
    local cache home
    cache=${GRANTFLOW_INTEROP_CACHE:-$("${PYTHON:-python3}" -c \
        'import platformdirs; print(platformdirs.user_cache_dir("grantflow-interop"))')} || return 1
    home=$cache/mcp
    [ -x "$home/bin/python" ] && "$home/bin/python" -c 'import mcp.client.client, returns' 2>/dev/null && return 0
    rm -rf "$home"
    "${PYTHON:-python3}" -m venv "$home" \
        && "$home/bin/python" -m pip install --quiet --disable-pip-version-check 'mcp==2.3.0' \
            attrs requests returns platformdirs filelock
}

install_mcp || lacking "the MCP SDK could not be installed"

# chromium

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)

apt_install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq --no-install-recommends "$@" >/dev/null
}

if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
    if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
        lacking "chromium and chromedriver are missing, and need apt-get and root (or sudo)"
    # The package lists may be fresh enough, and fetching them is the slow part.
    elif ! apt_install chromium chromium-driver 2>/dev/null; then
        "${as_root[@]}" apt-get update -qq >/dev/null
        apt_install chromium chromium-driver || lacking "chromium could not be installed"
    fi
fi

# other programs that the command works with

programs=()
for program in curl git zsh tcsh fish; do
    command -v "$program" >/dev/null || programs+=("$program")
done
if [ ${#programs[@]} -gt 0 ] && ! apt_install "${programs[@]}" 2>/dev/null; then
    "${as_root[@]}" apt-get update -qq >/dev/null
    apt_install "${programs[@]}" || lacking "not installed: ${programs[*]}"
fi

exit "$status"

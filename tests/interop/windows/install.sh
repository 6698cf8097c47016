#!/usr/bin/env bash
# Install, by package name, what the tests of windows need and this machine lacks: Debian's virtual
# screen with a window manager, what clicks on it and reads its QR codes; and, into the environment
# of PYTHON, Qt and what takes pictures.
# Says nothing when there is nothing to do. Exit 1 when something is still missing.
set -uo pipefail
python=${PYTHON:-python3}
status=0

lacking() {
    echo "interop/windows: $*" >&2
    status=1
}

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)

apt_install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq --no-install-recommends "$@" >/dev/null
}

packages=()
command -v Xvfb >/dev/null || packages+=(xvfb)
command -v openbox >/dev/null || packages+=(openbox)
command -v xdotool >/dev/null || packages+=(xdotool)
command -v wmctrl >/dev/null || packages+=(wmctrl)
command -v zbarimg >/dev/null || packages+=(zbar-tools)
command -v fc-list >/dev/null && fc-list | grep -q DejaVuSansMono \
    || packages+=(fontconfig fonts-dejavu-core)
# The distribution's python has Tk in a package of its own; any other has it built in, or not at all.
"$python" -c 'import tkinter' 2>/dev/null || packages+=(python3-tk)
# What Qt's libraries link to, and no wheel brings.
for library in libgl1:libGL.so.1 libegl1:libEGL.so.1 libxkbcommon0:libxkbcommon.so.0 \
    libdbus-1-3:libdbus-1.so.3 libfontconfig1:libfontconfig.so.1 libglib2.0-0:libglib-2.0.so.0; do
    ldconfig -p | grep -q "${library#*:}" || packages+=("${library%:*}")
done

if [ ${#packages[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
        lacking "${packages[*]} missing, and apt-get and root (or sudo) are needed"
    # The package lists may be fresh enough, and fetching them is the slow part.
    elif ! apt_install "${packages[@]}" 2>/dev/null; then
        "${as_root[@]}" apt-get update -qq >/dev/null
        apt_install "${packages[@]}" || lacking "${packages[*]} could not be installed"
    fi
fi
"$python" -c 'import tkinter' 2>/dev/null || lacking "$("$python" --version) has no tkinter"

# 6.12.0 loses a reference to None at every call on Python 3.11, until the interpreter aborts.
has_pictures() {
    "$python" 2>/dev/null - <<'EOF'
import sys
import PIL
from importlib.metadata import version
sys.exit(version("PySide6-Essentials").startswith("6.12."))
EOF
}

if ! has_pictures; then
    "$python" -m pip install --quiet 'PySide6-Essentials>=6.7,<6.12' pillow \
        || lacking "PySide6-Essentials and pillow could not be installed"
fi

exit "$status"

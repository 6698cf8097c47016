#!/usr/bin/env bash
# Install the programs whose sign-in the compat modules stand in for, by package name: each into a
# virtual environment of its own, for they agree on few versions. Outside the checkout:
# ${XDG_CACHE_HOME:-~/.cache}/grantflow-interop/callers. Says nothing when there is nothing to do.
# Exit 1 when something is still missing.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${XDG_CACHE_HOME:-$HOME/.cache}/grantflow-interop/callers
python=${PYTHON:-python3}
status=0
mkdir -p "$home"

# stamp NAME: what was asked for, in short
stamp() {
    local files=("$here/$1.txt" "$here/grantflow-needs.txt")
    [ -e "$here/$1-needs.txt" ] && files+=("$here/$1-needs.txt")
    cat "${files[@]}" | sha256sum | cut -c-16
}

# install NAME: with what it depends on; where NAME-needs.txt tells that, with nothing else
install() {
    local name=$1 pip=("$home/$1/bin/python" -m pip install -q)
    [ "$(cat "$home/$name/installed" 2>/dev/null)" = "$(stamp "$name")" ] && return
    rm -rf "${home:?}/$name"
    # The stamp comes last: an interrupted install never looks like a finished one.
    if "$python" -m venv "$home/$name" \
        && if [ -e "$here/$name-needs.txt" ]; then
            "${pip[@]}" -r "$here/grantflow-needs.txt" -r "$here/$name-needs.txt" \
                && "${pip[@]}" --no-deps --ignore-requires-python -r "$here/$name.txt"
        else
            "${pip[@]}" -r "$here/grantflow-needs.txt" -r "$here/$name.txt"
        fi \
        && stamp "$name" >"$home/$name/installed"; then
        return
    fi
    echo "interop: $name could not be installed" >&2
    status=1
}

for name in dvc dagshub flytekit bitfount stanford; do
    install "$name"
done
exit "$status"

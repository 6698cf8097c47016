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

installed() {
    [ "$(cat "$home/$1/installed" 2>/dev/null)" = "$(stamp "$1")" ]
}

# install NAME: with what it depends on; where NAME-needs.txt tells that, with nothing else
install() {
    local name=$1 pip=("$home/$1/bin/python" -m pip install -q)
    rm -rf "${home:?}/$name"
    "$python" -m venv "$home/$name" || return
    if [ -e "$here/$name-needs.txt" ]; then
        "${pip[@]}" -r "$here/grantflow-needs.txt" -r "$here/$name-needs.txt" \
            && "${pip[@]}" --no-deps --ignore-requires-python -r "$here/$name.txt" || return
    else
        "${pip[@]}" -r "$here/grantflow-needs.txt" -r "$here/$name.txt" || return
    fi
    # The stamp comes last: an interrupted install never looks like a finished one.
    stamp "$name" >"$home/$name/installed"
}

names=(dvc dagshub flytekit bitfount stanford)
for name in "${names[@]}"; do
    installed "$name" || install "$name" &
done
wait
for name in "${names[@]}"; do
    installed "$name" && continue
    echo "interop: $name could not be installed" >&2
    status=1
done
exit "$status"

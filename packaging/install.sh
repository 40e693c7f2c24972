#!/bin/sh
# Make a virtual environment and install a hashed set of packages and this checkout into it.
#
#   packaging/install.sh VENV REQUIREMENTS STAMP
#
# Every archive is checked against the file's hashes; the checkout itself comes last and
# brings nothing along. Output is kept in VENV/install.log and shown only on a failure.
set -eu
cd "$(dirname "$0")/.."
venv=$1 requirements=$2 stamp=$3

usable() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        if usable "$name"; then
            echo "$name"
            return
        fi
    done
    echo "No usable Python: 3.11 or newer is needed, with the venv module." >&2
    echo "Looked for: ${PYTHON:-python3.13 python3.12 python3.11 python3 python}." >&2
    echo "On Debian and Ubuntu: apt install python3 python3-venv. Or: make PYTHON=/path/to/python" >&2
    return 1
}

quietly() {
    if ! "$@" >>"$venv/install.log" 2>&1; then
        cat "$venv/install.log" >&2
        echo "Installing failed at: $*" >&2
        exit 1
    fi
}

if ! usable "$venv/bin/python"; then
    python=$(find_python)
    echo "Making $venv with $("$python" --version)" >&2
    rm -f "$venv"/.installed-*
    "$python" -m venv --clear "$venv"
fi

echo "Installing $requirements into $venv" >&2
: >"$venv/install.log"
export PIP_DISABLE_PIP_VERSION_CHECK=1
quietly "$venv/bin/python" -m pip install --require-hashes --no-deps -r "$requirements"
quietly "$venv/bin/python" -m pip install --no-deps --no-build-isolation -e .
touch "$stamp"

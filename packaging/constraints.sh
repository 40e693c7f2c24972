#!/bin/sh
# Write the hashed constraints anew: for every Python we support, and every platform.
#
#   packaging/constraints.sh UV
#
# constraints.txt is what a contributor and CI install; the others are parts of it:
# constraints-demo.txt what a user of the command line runs, constraints-voice.txt what
# hears and speaks as well. The build backend is in both, because the
# checkout is installed without build isolation, which would fetch it unchecked.
set -eu
cd "$(dirname "$0")/.."
uv=$1

compile() {
    output=$1
    shift
    # No index is named: a mirror serves the same hashes.
    "$uv" pip compile pyproject.toml - "$@" --universal --python-version 3.11 \
        --generate-hashes --quiet --no-annotate --no-emit-index-url --no-emit-find-links \
        --custom-compile-command "make constraints" --output-file "$output" <<BACKEND
setuptools>=80
BACKEND
}

compile packaging/constraints.txt --all-extras --upgrade
compile packaging/constraints-demo.txt --extra cli --extra local --extra server \
    --constraints packaging/constraints.txt --upgrade
compile packaging/constraints-voice.txt --extra cli --extra local-voice --extra server \
    --extra voice --constraints packaging/constraints.txt --upgrade

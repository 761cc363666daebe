#!/bin/bash
# Builds, and prints the path of one binary, wherever cargo is told to put it (CARGO_TARGET_DIR,
# build.target-dir, build.target).
#
# Usage: scripts/built.sh BINARY ARGUMENTS-OF-CARGO-BUILD...
set -euo pipefail
cd "$(dirname "$0")/.."

binary=$1
shift
messages=$(cargo build --message-format=json-render-diagnostics "$@")
path=$(sed -n 's|.*"executable":"\([^"]*/'"$binary"'\)".*|\1|p' <<<"$messages" | tail -n 1)
if [ -z "$path" ]; then
    echo "cargo built no $binary from: cargo build $*" >&2
    exit 1
fi
echo "$path"

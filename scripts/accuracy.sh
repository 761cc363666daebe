#!/bin/bash
# Measures the matrix of traffic on this machine and writes docs/accuracy.md from it. Needs root.
set -euo pipefail
cd "$(dirname "$0")/.."

rows=$(mktemp -d)
trap 'rm -rf "$rows"' EXIT
ACCURACY_DIR=$rows cargo nextest run --no-fail-fast -p kubezonnet-capture -E 'binary(root_traffic) & test(matrix::)'

{
    sed '/<!-- measured -->/q' docs/accuracy.md
    echo
    echo "Measured on Linux $(uname -r) by \`make accuracy\`: $(cat "$rows"/*.rows | wc -l) cells, bytes and packets from the first node to the second."
    echo
    echo "| traffic | family | network | bytes on the wire | bytes counted | packets on the wire | packets counted |"
    echo "|---|---|---|---:|---:|---:|---:|"
    cat "$rows"/*.rows
} >"$rows/accuracy.md"
cp "$rows/accuracy.md" docs/accuracy.md

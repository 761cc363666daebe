#!/bin/bash
# Measures the matrix of traffic on this machine and writes docs/accuracy.md from it. Needs root.
set -euo pipefail
cd "$(dirname "$0")/.."

sections=$(mktemp -d)
trap 'rm -rf "$sections"' EXIT
# What the page says is held against the tests by the tests themselves, once it is written.
page_test='the_page_has_the_sections_that_are_measured_and_no_others'
ACCURACY_DIR=$sections cargo nextest run --no-fail-fast -p kubezonnet-capture \
    -E "binary(root_traffic) & not test($page_test) & not test(limits::)"

{
    sed '/<!-- measured -->/q' docs/accuracy.md
    echo
    echo "Measured on Linux $(uname -r) by \`make accuracy\`."
    echo
    cat "$sections"/*.md | sed '$d'
} >"$sections/page"
cp "$sections/page" docs/accuracy.md
cargo nextest run -p kubezonnet-capture -E "test($page_test)"

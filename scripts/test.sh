#!/bin/bash
# Runs all tests that this user can run, and says which ones it cannot.
#
# Test files named root_*.rs load BPF programs and make network namespaces: they need root, and
# there none is skipped. Everybody else is told at the end how many did not run.
set -euo pipefail
cd "$(dirname "$0")/.."

# The same set of targets as nextest uses, so that nothing is compiled twice; the binaries are
# there before a test starts one.
cargo build --workspace --bins --tests
cargo test --workspace --doc --quiet

# Two more than there are processors: three quarters of the time of all tests is waiting.
export NEXTEST_TEST_THREADS=${NEXTEST_TEST_THREADS:-$(($(nproc) + 2))}

if [ "$(id -u)" -eq 0 ]; then
    exec cargo nextest run --workspace "$@"
fi

status=0
cargo nextest run --workspace -E 'not binary(/^root_/)' "$@" || status=$?
left_out=$(cargo nextest list --workspace -E 'binary(/^root_/)' --message-format oneline 2>/dev/null)
echo
echo "Not root, so these tests did NOT run ($(grep -c . <<<"$left_out")):"
echo "$left_out"
echo "Run them too: sudo --preserve-env=HOME env PATH=\"\$PATH\" make test"
exit $status

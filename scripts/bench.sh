#!/bin/bash
# Runs the benches and, unless --quick is given, writes what they measured into docs/benchmarks.md.
#
# Usage: scripts/bench.sh [--quick]. As root: the benches load BPF programs, make network
# namespaces and ask the kernel for its statistics.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
    echo "The benches load BPF programs and make network namespaces, which needs root." >&2
    echo "Run: sudo --preserve-env=HOME env PATH=\"\$PATH\" make bench" >&2
    exit 1
fi

floor=(cargo bench --quiet -p kubezonnet-capture --features yardstick --bench floor --)
server=(cargo bench --quiet -p kubezonnet-server --bench server --)
topology=(cargo bench --quiet -p kubezonnet-topology --bench topology --)

# Everything is compiled before anything is measured; the agent's memory is that of the program.
cargo build --quiet --release -p kubezonnet-agent -p kubezonnet-server
cargo bench --quiet -p kubezonnet-capture --features yardstick --bench floor --no-run
cargo bench --quiet -p kubezonnet-server --bench server --no-run
cargo bench --quiet -p kubezonnet-topology --bench topology --no-run

if [ "${1:-}" = --quick ]; then
    "${floor[@]}" --quick programs scattered drain
    "${server[@]}" --quick wire ingest metrics
    "${topology[@]}" --quick
    exit 0
fi

results=$(mktemp)
trap 'rm -f "$results"' EXIT
export KUBEZONNET_BENCH_RESULTS=$results
load_before=$(cut -d ' ' -f 1-3 /proc/loadavg)
"${floor[@]}"
"${server[@]}"
"${topology[@]}"
scripts/bench-report.py "$results" "$load_before"

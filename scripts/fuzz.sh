#!/bin/bash
# Fuzzes every decoder of what comes from outside for FUZZ_SECONDS (60) each, as many at once as there are
# processors. Builds all of them once. What it finds is in fuzz/artifacts, and the exit status is 1 then.
#
# Without sanitizers: what is looked for is panics, overflows, broken laws, too much time or memory, and
# the decoders are safe Rust. They need no nightly standard library and compile in half the time.
#
# Usage: scripts/fuzz.sh [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-60}
folder=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
# Ten times what the slowest input takes, and what a body may take of a server's memory.
limits=(-timeout=10 -rss_limit_mb=1024 -max_len=8192)

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(cargo +nightly fuzz list --fuzz-dir fuzz)
fi

cargo +nightly fuzz build --fuzz-dir fuzz --sanitizer none --target-dir "$folder"
binaries=$(find "$folder" -maxdepth 2 -type d -path '*-linux-*/release' -print -quit)

# one TARGET fuzzes one of them. New inputs go to the build's folder: seeds are chosen by hand.
one() {
    local target=$1 artifacts=fuzz/artifacts/$1 found=$folder/corpus/$1 log=$folder/$1.log
    mkdir -p "$artifacts" "$found"
    if "$binaries/$target" "${limits[@]}" -max_total_time="$seconds" -print_final_stats=1 \
        -artifact_prefix="$artifacts/" "$found" "fuzz/corpus/$target" >"$log" 2>&1; then
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, nothing found"
    else
        tail -n 40 "$log"
        echo "$target: FAILED, see above and $artifacts"
        return 1
    fi
}
running=0 status=0
for target in "${targets[@]}"; do
    if [ "$running" -eq "$(nproc)" ]; then
        wait -n || status=1
        running=$((running - 1))
    fi
    one "$target" &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
    wait -n || status=1
    running=$((running - 1))
done
exit $status

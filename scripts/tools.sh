#!/bin/bash
# Fetches the tools of the tests into target/tools, where nothing else on the machine sees them:
#   cargo-nextest  runs the tests; built from source once, unless it is installed already
#   prometheus     scrapes the servers under test; Debian's package, unpacked, no service started
set -euo pipefail
cd "$(dirname "$0")/.."

# The release that .config/nextest.toml is written for.
NEXTEST_VERSION=0.9.143

tools=$PWD/target/tools
PATH="$tools/bin:$PATH"
mkdir -p "$tools"

if ! cargo nextest --version >/dev/null 2>&1; then
    echo "missing: cargo-nextest — runs the tests; building it takes some minutes, once"
    cargo install cargo-nextest --version "$NEXTEST_VERSION" --locked --quiet --root "$tools"
fi

prometheus=${PROMETHEUS:-$tools/prometheus/usr/bin/prometheus}
promtool=${PROMTOOL:-$tools/prometheus/usr/bin/promtool}
if [ ! -x "$prometheus" ] || [ ! -x "$promtool" ]; then
    echo "missing: prometheus — scrapes and lints the metrics in tests; unpacked into target/tools, not installed"
    if ! command -v apt-get >/dev/null; then
        echo "there is no apt here: set PROMETHEUS and PROMTOOL to the paths of the two programs" >&2
        exit 1
    fi
    if ! apt-cache show prometheus >/dev/null 2>&1; then
        # A machine that never asked for the list of packages.
        if [ "$(id -u)" -eq 0 ]; then apt-get update -qq; else sudo apt-get update -qq; fi
    fi
    # Unpacked beside its place and moved there whole, so that a broken download leaves nothing half.
    work=$(mktemp -d "$tools/prometheus.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    chmod 755 "$work"
    (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root prometheus)
    dpkg -x "$work"/prometheus_*.deb "$work/root"
    rm -rf "$tools/prometheus"
    mv "$work/root" "$tools/prometheus"
fi

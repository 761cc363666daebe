#!/bin/bash
# Fetches tools into target/tools, where nothing else on the machine sees them, unless they are there.
#
# Usage: scripts/tools.sh nextest|deny|fuzz|nightly|prometheus|victoria-metrics|browser|schemathesis...
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$PWD/target/tools
PATH="$tools/bin:$PATH"
mkdir -p "$tools"

# install NAME VERSION WHY builds a cargo subcommand from source. Without optimisation: that halves
# the time to build, and these tools hardly compute.
install() {
    local name=$1 version=$2 why=$3
    if ! cargo "$name" --version >/dev/null 2>&1; then
        echo "missing: cargo-$name — $why; building it takes about two minutes, once"
        cargo install "cargo-$name" --version "$version" --locked --debug --quiet --root "$tools"
    fi
}

nextest() {
    install nextest 0.9.143 "runs the tests"
}

deny() {
    install deny 0.20.2 "checks the licences and sources of dependencies"
}

fuzz() {
    install fuzz 0.13.2 "runs fuzz targets"
}

# The sanitizers that fuzzing needs are in the nightly compiler only.
nightly() {
    if ! rustup run nightly rustc --version >/dev/null 2>&1; then
        echo "missing: the nightly compiler — fuzzing needs its sanitizers"
        rustup toolchain install nightly --profile minimal
    fi
}

# unpack PACKAGE WHY VARIABLES unpacks Debian's package: nothing is installed and no service started.
unpack() {
    local package=$1 why=$2 variables=$3
    echo "missing: $package — $why; unpacked into target/tools, not installed"
    if ! command -v apt-get >/dev/null; then
        echo "there is no apt here: install it by other means, and set $variables to where it is" >&2
        exit 1
    fi
    if ! apt-cache show "$package" >/dev/null 2>&1; then
        # A machine that never asked for the list of packages.
        if [ "$(id -u)" -eq 0 ]; then apt-get update -qq; else sudo apt-get update -qq; fi
    fi
    # Unpacked beside its place and moved there whole, so that a broken download leaves nothing half.
    local work
    work=$(mktemp -d "$tools/$package.XXXXXX")
    # shellcheck disable=SC2064 # the path as it is now
    trap "rm -rf '$work'" EXIT
    chmod 755 "$work"
    (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$package")
    dpkg -x "$work/$package"_*.deb "$work/root"
    rm -rf "${tools:?}/$package"
    mv "$work/root" "$tools/$package"
    rm -rf "$work"
}

prometheus() {
    if [ ! -x "${PROMETHEUS:-$tools/prometheus/usr/bin/prometheus}" ] ||
        [ ! -x "${PROMTOOL:-$tools/prometheus/usr/bin/promtool}" ]; then
        unpack prometheus "scrapes and lints the metrics in tests" "PROMETHEUS and PROMTOOL"
    fi
}

victoria-metrics() {
    if [ ! -x "${VICTORIA_METRICS:-$tools/victoria-metrics/usr/bin/victoria-metrics}" ]; then
        unpack victoria-metrics "scrapes the metrics in tests, and tells the past by its own rules" VICTORIA_METRICS
    fi
}

# What tests of the dashboard drive a browser with, by the sums in the lock file.
browser() {
    local lock=tests/browser/package-lock.json place=${KUBEZONNET_BROWSER_TOOLS:-$tools/browser}
    if cmp --silent "$lock" "$place/package-lock.json" && [ -d "$place/node_modules" ]; then
        return
    fi
    echo "missing: playwright-core, axe-core — drive a browser and check the dashboard in it"
    rm -rf "$place"
    mkdir -p "$place"
    cp tests/browser/package.json "$lock" "$place"
    # Nothing of a package is run while it is installed, and nothing half is left behind.
    if ! (cd "$place" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null); then
        rm -rf "$place"
        exit 1
    fi
}

# What asks the API everything that its document allows, by the versions and sums of the list.
schemathesis() {
    local list=tests/schemathesis/requirements.txt place=$tools/schemathesis
    if [ -n "${SCHEMATHESIS:-}" ]; then
        return
    fi
    # Its programs begin with the path they were installed to: a tree that was moved has them anew.
    if cmp --silent "$list" "$place/requirements.txt" && "$place/bin/schemathesis" --version >/dev/null 2>&1; then
        return
    fi
    echo "missing: schemathesis — asks the API by its OpenAPI document; installed into target/tools"
    rm -rf "$place"
    # Nothing half is left behind: the list is there once all of it is.
    python3 -m venv "$place"
    "$place/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes -r "$list"
    cp "$list" "$place/requirements.txt"
}

for tool in "$@"; do
    case "$tool" in
    nextest | deny | fuzz | nightly | prometheus | victoria-metrics | browser | schemathesis) "$tool" ;;
    *)
        echo "usage: $0 nextest|deny|fuzz|nightly|prometheus|victoria-metrics|browser|schemathesis..." >&2
        exit 64
        ;;
    esac
done

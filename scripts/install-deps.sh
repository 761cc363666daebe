#!/bin/bash
# Installs what a make target lacks: Debian packages through apt, the rest by scripts/tools.sh.
# One line for each says what and why. Quiet and quick when nothing is missing.
#
# Usage: scripts/install-deps.sh build|demo|test|bench|lint|fuzz|images|archive
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian keeps ip and ethtool where an ordinary user's PATH does not look.
PATH="$PATH:/usr/sbin:/sbin"

missing=()

# need PACKAGE WHY PROBE... notes the package if the probe, a command, fails.
need() {
    local package=$1 why=$2
    shift 2
    if ! "$@" >/dev/null 2>&1; then
        missing+=("$package")
        echo "missing: $package — $why"
    fi
}

# Debian's plain clang is too old; elsewhere it is the one there is.
any_clang() {
    command -v clang-19 || { ! command -v apt-get && command -v clang; }
}

need_build() {
    need gcc "links Rust programs" command -v cc
    need libc6-dev "the C library's headers, for libbpf" test -e /usr/include/stdio.h
    need make "builds libbpf" command -v make
    need clang-19 "compiles the BPF programs" any_clang
    need pkg-config "finds libelf and zlib" command -v pkg-config
    need libelf-dev "libbpf reads BPF objects with it" test -e /usr/include/libelf.h
    need zlib1g-dev "libelf unpacks sections with it" test -e /usr/include/zlib.h
}

need_demo() {
    need_build
    need nftables "hides traffic that is not of the test from uplinks" command -v nft
    need iproute2 "makes the namespaces and links of nodes and pods" command -v ip
    need ethtool "turns segmentation off where wire bytes are compared" command -v ethtool
}

need_test() {
    need_demo
    need chromium-headless-shell "shows the dashboard to its tests" command -v "${CHROMIUM:-chromium-headless-shell}"
    need nodejs "drives the browser" command -v node
    need npm "fetches what drives the browser" command -v npm
    need python3-venv "holds what asks the API by its document" python3 -c "import ensurepip, venv"
    need tmux "is the terminal on which kubectl-zonnet is tested" command -v tmux
}

need_bench() {
    need_demo
    need python3 "writes the tables and plots" command -v python3
}

need_lint() {
    need_build
    need clang-format-19 "checks the format of the BPF programs" command -v clang-format-19
    need shellcheck "checks the scripts" command -v shellcheck
}

need_fuzz() {
    need_build
    need g++ "compiles libFuzzer" command -v c++
}

need_images() {
    need_build
    need binutils "tells whether a binary is static" command -v readelf
    need buildah "builds images without a daemon" command -v buildah
    need ca-certificates "the roots of trust in the images" test -e /etc/ssl/certs/ca-certificates.crt
}

# Its release build has no BPF, but shares the workspace with what has.
need_archive() {
    need gcc "links Rust programs" command -v cc
    need libc6-dev "the static C library" test -e /usr/include/stdio.h
    need binutils "tells whether a binary is static" command -v readelf
}

install_packages() {
    if ! command -v apt-get >/dev/null; then
        echo "there is no apt here: install the above by other means (names are Debian's), then try again" >&2
        exit 1
    fi
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "installing needs root and there is no sudo: run as root: apt-get install ${missing[*]}" >&2
            exit 1
        fi
        as_root=(sudo)
    fi
    # A source that is out of reach is no reason to stop: the package may come from another.
    "${as_root[@]}" apt-get update -qq || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install rustup, see https://rustup.rs" >&2
    exit 1
fi

case "${1:-}" in
build | demo | test | bench | lint | fuzz | images | archive) "need_$1" ;;
*)
    echo "usage: $0 build|demo|test|bench|lint|fuzz|images|archive" >&2
    exit 64
    ;;
esac

if [ ${#missing[@]} -gt 0 ]; then
    install_packages
fi

case "$1" in
test) scripts/tools.sh nextest prometheus victoria-metrics browser schemathesis ;;
lint) scripts/tools.sh deny ;;
fuzz) scripts/tools.sh nightly fuzz ;;
esac

#!/bin/bash
# Builds both container images from scratch around static binaries, and starts each once.
#
# No daemon is needed: buildah keeps its storage under target/images and leaves an archive there
# that `docker load`, `ctr images import` and `kind load image-archive` read.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
    echo "building images changes root inside them and needs root: sudo --preserve-env=HOME env PATH=\"\$PATH\" make images" >&2
    exit 1
fi

out=$PWD/target/images
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
host=$(rustc -vV | sed -n 's/^host: //p')
# Where Debian keeps libelf.a and libz.a.
libraries=/usr/lib/$(cc -print-multiarch)

# A static glibc resolves names by files and DNS itself, without a library to load. The target is
# named, although it is the host's own, so that build scripts and macros stay dynamic.
built() {
    RUSTFLAGS='-C target-feature=+crt-static' LIBBPF_SYS_LIBRARY_PATH=$libraries \
        scripts/built.sh "$1" --release --target "$host" \
        -p kubezonnet-agent -p kubezonnet-server -p kubezonnet-capture --features kubezonnet-capture/static
}

buildah() {
    command buildah --root "$out/storage" --runroot "$out/run" --storage-driver vfs "$@"
}

for name in agent server; do
    binary=kubezonnet-$name
    image=ghcr.io/kubezonnet/$binary:$version
    context=$out/$name
    rm -rf "$context"
    mkdir -p "$context"
    cp "$(built "$binary")" /etc/ssl/certs/ca-certificates.crt "$context"
    if readelf --program-headers "$context/$binary" | grep -q INTERP; then
        echo "$binary is not static: it would not start in an empty image" >&2
        exit 1
    fi
    buildah build --isolation chroot --quiet -t "$image" -f "deploy/images/$name.Dockerfile" "$context" >/dev/null

    container=$(buildah from "$image")
    answer=$(buildah run --isolation chroot "$container" -- "/$binary" --version)
    buildah rm "$container" >/dev/null
    if [ "$answer" != "$binary $version" ]; then
        echo "$image answered '$answer' to --version, not '$binary $version'" >&2
        exit 1
    fi

    rm -f "$out/$binary.tar"
    buildah push --quiet "$image" "docker-archive:$out/$binary.tar:$image"
    echo "$image: $answer, $(stat -c %s "$context/$binary") bytes, in ${out#"$PWD"/}/$binary.tar"
done

#!/bin/bash
# Builds the archive of kubectl-zonnet for this machine's processor: the static program, its manual, what
# shells need, and the licence. It needs nothing of the machine it is unpacked on.
#
# Usage: scripts/archive.sh [URL]. URL is the folder where the archives are going to be published: with it,
# the manifest by which krew installs them is written too, of all archives that are in target/archives.
# Copy those of other processors there before.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$PWD/target/archives
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
x86_64-*) processor=amd64 ;;
aarch64-*) processor=arm64 ;;
*) processor=${host%%-*} ;;
esac

name=kubectl-zonnet-$version-linux-$processor
folder=$out/$name
rm -rf "$folder"
mkdir -p "$folder/completions"
cp "$(RUSTFLAGS='-C target-feature=+crt-static' \
    scripts/built.sh kubectl-zonnet --release --target "$host" -p kubezonnet-cli)" LICENSE "$folder"
program=$folder/kubectl-zonnet
if readelf --program-headers "$program" | grep -q INTERP; then
    echo "kubectl-zonnet is not static: it would not start everywhere" >&2
    exit 1
fi
answer=$("$program" --version)
if [ "$answer" != "kubectl-zonnet $version" ]; then
    echo "the program answered '$answer' to --version, not 'kubectl-zonnet $version'" >&2
    exit 1
fi
"$program" man "$folder/man"
for shell in bash zsh fish; do
    "$program" completion "$shell" >"$folder/completions/kubectl-zonnet.$shell"
done

# The same files give the same archive, whoever packs them and when.
tar --create --sort=name --mtime="@$(git log -1 --format=%ct)" --owner=0 --group=0 --numeric-owner \
    --mode='u=rwX,go=rX' --directory "$out" "$name" | gzip --no-name -9 >"$out/$name.tar.gz"
rm -rf "$folder"
(cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
echo "$answer, $(stat -c %s "$out/$name.tar.gz") bytes, in ${out#"$PWD"/}/$name.tar.gz"

if [ $# -eq 0 ]; then
    exit
fi

# krew's manifest: what deploy/krew/zonnet.yaml says, with a platform for each archive.
manifest=$out/zonnet.yaml
sed "s/VERSION/$version/" deploy/krew/zonnet.yaml >"$manifest"
for archive in "$out"/kubectl-zonnet-"$version"-*.tar.gz; do
    file=$(basename "$archive")
    platform=${file#kubectl-zonnet-"$version"-}
    platform=${platform%.tar.gz}
    cat >>"$manifest" <<PLATFORM
    - selector:
        matchLabels:
          os: ${platform%%-*}
          arch: ${platform#*-}
      uri: ${1%/}/$file
      sha256: $(sha256sum "$archive" | cut -d ' ' -f 1)
      files:
        - from: "*/kubectl-zonnet"
          to: .
        - from: "*/LICENSE"
          to: .
      bin: kubectl-zonnet
PLATFORM
done
echo "${manifest#"$PWD"/} installs it: kubectl krew install --manifest=${manifest#"$PWD"/}"

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# virt-v2v-in-place from Debian, in a tree of its own: it comes with a kernel for its appliance and a hundred
# packages that this machine has no other use for. Without words: the tree is made, once. With words: they are
# run in it, and see the folder that they name first as /guest.
#
#   tests/bench/virt-v2v.sh [FOLDER COMMAND...]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/tools/packages.sh
. tests/tools/packages.sh

tree=$PWD/.build/bench/virt-v2v
# nbdkit, though it is only recommended: without it virt-v2v-in-place takes no guest of several disks.
packages=virt-v2v,nbdkit,libguestfs-tools,linux-image-cloud-amd64,qemu-system-x86,qemu-utils,zstd
list=ferry-packages

make_tree() {
    local options
    options=$(mktemp)
    apt-config dump --format '%F "%v";%n' Acquire | grep -v '^Acquire::IndexTargets' > "$options"
    printf 'APT::Install-Recommends "false";\n' >> "$options"
    rm -rf --one-file-system "$tree.making"
    mkdir -p "$(dirname "$tree")"
    say "making $tree"
    # shellcheck disable=SC2016
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
        unshare --mount mmdebstrap --quiet --mode=root --variant=apt --format=directory --aptopt="$options" \
            --include="$packages" bookworm "$tree.making" -
    rm "$options"
    echo "$packages" > "$tree.making/$list"
    rm -rf --one-file-system "$tree"
    mv "$tree.making" "$tree"
}

# In mounts of its own, which end with it. TCG: a /dev/kvm need not work, and both sides are to be emulated.
run_in_tree() {
    # shellcheck disable=SC2016
    unshare --mount sh -c '
        set -e
        tree=$1 folder=$2
        shift 2
        mkdir -p "$tree/guest"
        mount --bind "$folder" "$tree/guest"
        mount -t proc proc "$tree/proc"
        for each in null zero urandom random ptmx; do
            touch "$tree/dev/$each"
            mount --bind "/dev/$each" "$tree/dev/$each"
        done
        exec chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TMPDIR=/var/tmp \
            LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg "$@"
    ' sh "$tree" "$@"
}

[[ $(cat "$tree/$list" 2> /dev/null) == "$packages" ]] || make_tree
(($# == 0)) || run_in_tree "$@"

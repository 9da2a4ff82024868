#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Run ansible-test sanity on a real copy of the checkout. ansible-test wants the folder names
# ansible_collections/ferry/hvm and resolves links, hence the copy; it asks git which files there
# are, and in a folder that the outer checkout ignores git answers "none" and all tests "pass",
# hence the copy's own git init. Extra arguments go to ansible-test.
set -euo pipefail
cd "$(dirname "$0")/../.."
checkout=$PWD
copy=.build/ansible_collections/ferry/hvm

put_get_pip_standin() {
    local folder=$HOME/.ansible/test/cache pinned
    pinned=$(sed -n "s/^ *pip='\([0-9.]*\)',$/\1/p" "$checkout"/.venv/lib/python3*/site-packages/ansible_test/_internal/python_requirements.py)
    [[ -n $pinned ]] || { echo "sanity.sh: cannot find the pip version that ansible-test pins" >&2; exit 1; }
    mkdir -p "$folder"
    cp "$checkout/tests/tools/get_pip_standin.py" "$folder/get_pip_${pinned//./_}.py"
}

copy_checkout() {
    rm -rf "$copy"
    mkdir -p "$copy"
    git ls-files -co --exclude-standard -z | tar --null --ignore-failed-read -T - -cf - | tar -xf - -C "$copy"
    git -C "$copy" init -q
}

# Every target Python that is here takes part; pyenv's shims do not count, its real folders do.
python_folders() {
    local folder
    for folder in "$HOME"/.pyenv/versions/*/bin; do
        [[ -d $folder ]] && printf '%s:' "$folder"
    done
}

put_get_pip_standin
copy_checkout
versions=(--python 3.11)
folders=$(python_folders)
[[ -n $folders ]] && versions=()
cd "$copy"
PATH=$checkout/.venv/bin:$folders$PATH "$checkout/.venv/bin/ansible-test" sanity --color no "${versions[@]}" "$@"

# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Rules for the initramfs: the kernel finds virtio disks before it has its root."""

from __future__ import annotations

import re
from typing import Dict, List, Optional

from .changes import EditFile, RebuildInitramfs
from .facts import VIRTIO_DRIVERS, GuestFacts, Kernel
from .families import RPM, family_of
from .inspection import INITRAMFS_MODULES
from .menu_rules import argument_files, boot_kernel
from .rules import Finding, Note, Options, Results
from .tables import read_rows

_DROP_IN = "/etc/dracut.conf.d/90-virtio.conf"
_DRACUT = "/etc/dracut.conf"
# dracut.conf(5): an exclusive list of modules, and modules that are left out.
_ONLY = re.compile(r"^[ \t]*drivers\+?=[\"'][^\"'\n]*\w", re.MULTILINE)
_OMITTED = re.compile(r"^[ \t]*omit_drivers\+?=[\"']([^\"'\n]*)", re.MULTILINE)


def initramfs(facts: GuestFacts, _options: Options) -> Results:
    """Each kernel's initramfs has the virtio drivers that the kernel can have.

    Where dracut makes it, that of the kernel that boots: its image has all drivers then and is several
    times as large, and /boot seldom has room for one of each kernel.
    """
    is_dracut = family_of(facts.distribution) is RPM
    chosen = boot_kernel(facts) if is_dracut else None
    boots = chosen.version if chosen else facts.default_kernel or _last(facts)
    lacking: Dict[str, List[str]] = {}
    for kernel in facts.kernels:
        missing = [driver for driver in VIRTIO_DRIVERS if driver not in kernel.ready]
        useless = [driver for driver in missing if driver not in kernel.available]
        if kernel.version == boots and (useless or kernel.initramfs is None):
            yield _unusable(kernel, useless)
        elif useless or kernel.initramfs is None:
            yield Note(f"Kernel {kernel.version} cannot boot on virtio; it is not the default.")
        elif missing and is_dracut and kernel.version != boots:
            yield Note(
                f"The initramfs of kernel {kernel.version}, which is not the default, has no virtio:"
                f" after the migration run `dracut --force --kver {kernel.version}` in the guest."
            )
        elif missing:
            lacking[kernel.version] = missing
    yield from _rebuild_by_dracut(facts, lacking) if is_dracut else _rebuild(facts, lacking)


def dracut_settings(facts: GuestFacts, _options: Options) -> Results:
    """No setting of the guest keeps virtio out of what dracut makes.

    Without such a setting no drop-in is needed: on the target dracut sees the virtio devices.
    """
    settings = {path: text for path, text in facts.files.items() if path.startswith(_DRACUT)}
    for path, text in settings.items():
        omitted = {word for found in _OMITTED.findall(text) for word in found.split()}
        for driver in sorted(omitted.intersection(VIRTIO_DRIVERS)):
            yield Finding(
                f"{path} keeps {driver} out of the initramfs (omit_drivers). Take it out of that list on"
                " the source and sync again."
            )
    if any(_ONLY.search(text) for text in settings.values()) and _DROP_IN not in settings:
        text = f'add_drivers+=" {" ".join(VIRTIO_DRIVERS)} "\n'
        why = "the guest's dracut takes listed drivers only, and later kernels need virtio too"
        yield EditFile(_DROP_IN, None, text, why)


def _last(facts: GuestFacts) -> Optional[str]:
    return facts.kernels[-1].version if facts.kernels else None


def _rebuild(facts: GuestFacts, lacking: Dict[str, List[str]]) -> Results:
    wanted = [d for d in VIRTIO_DRIVERS if any(d in missing for missing in lacking.values())]
    if wanted:
        yield from _module_list(facts.files.get(INITRAMFS_MODULES), wanted)
    for version, missing in lacking.items():
        yield RebuildInitramfs(version, frozenset(missing), f"it lacks {', '.join(missing)}")


def _rebuild_by_dracut(facts: GuestFacts, lacking: Dict[str, List[str]]) -> Results:
    images = {kernel.version: kernel.initramfs for kernel in facts.kernels}
    for version, missing in lacking.items():
        if _needs_crypttab(facts):
            yield Finding(
                "Its encrypted devices are opened by /etc/crypttab alone, which an initramfs made here"
                f" would not have. Run `dracut --force --add-drivers '{' '.join(missing)}'` on the"
                " source and sync again; the preparation then leaves the initramfs as it is."
            )
        why = f"it lacks {', '.join(missing)}"
        yield RebuildInitramfs(version, frozenset(missing), why, dracut_image=images[version])


def _needs_crypttab(facts: GuestFacts) -> bool:
    """Return whether the initramfs opens devices that no kernel command line names (rd.luks)."""
    lines = (text for text in argument_files(facts).values())
    return bool(read_rows(facts.files.get("/etc/crypttab", ""))) and not any(
        "rd.luks" in text for text in lines
    )


def _module_list(text: Optional[str], wanted: List[str]) -> Results:
    listed = {line.split()[0] for line in (text or "").split("\n") if line.strip()}
    missing = [driver for driver in wanted if driver not in listed]
    if missing:
        newline = "\n" if text and not text.endswith("\n") else ""
        after = (text or "") + newline + "".join(f"{driver}\n" for driver in missing)
        yield EditFile(INITRAMFS_MODULES, text, after, "the initramfs gets the drivers of virtio")


def _unusable(kernel: Kernel, useless: List[str]) -> Finding:
    what = f"has no {', '.join(useless)}" if useless else "has no initramfs"
    return Finding(
        f"Its default kernel {kernel.version} {what}, so it cannot find its root on virtio."
        " Install the distribution's kernel on the source and sync again."
    )

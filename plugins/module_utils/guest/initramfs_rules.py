# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Rules for the initramfs: the kernel finds virtio disks before it has its root."""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from .changes import EditFile, RebuildInitramfs
from .commands import SCRATCH
from .device_names import find_file_system
from .facts import VIRTIO_DRIVERS, GuestFacts, Kernel
from .families import RPM, family_of
from .inspection import INITRAMFS_MODULES
from .lvm_rules import VIRTIO, changed_settings
from .menu_rules import boot_arguments, boot_kernel
from .rules import Finding, Note, Options, Results
from .systemd_boot_rules import bring_along
from .tables import read_rows
from .versions import version_key

_DROP_IN = "/etc/dracut.conf.d/90-virtio.conf"
_DRACUT = "/etc/dracut.conf"
# dracut.conf(5): an exclusive list of modules, and modules that are left out.
_ONLY = re.compile(r"^[ \t]*drivers\+?=[\"'][^\"'\n]*\w", re.MULTILINE)
# What says on a command line which devices to assemble (dracut.cmdline(7)); with an underscore, of old.
_ASSEMBLED = re.compile(r"(?:^|\s)rd[._](?:lvm|md|luks|auto)", re.IGNORECASE)
# The first dracut with `--no-hostonly-cmdline`; an older one (RHEL 7) puts nothing of the kind into a
# general image. SUSE's settings ask for it.
_KNOWS_CMDLINE = "037"
_OMITTED = re.compile(r"^[ \t]*omit_drivers\+?=[\"']([^\"'\n]*)", re.MULTILINE)


class _Lack(NamedTuple):
    """What is wrong with an image: the drivers that it lacks, and the files of which it has an old copy."""

    drivers: List[str]
    copies: List[str]

    @property
    def why(self) -> str:
        """What is wrong, in words."""
        lacks = [f"it lacks {', '.join(self.drivers)}"] if self.drivers else []
        return "; ".join([*lacks, *(f"it has {path} as it was" for path in self.copies)])


def initramfs(facts: GuestFacts, options: Options) -> Results:
    """Each kernel's initramfs has the virtio drivers that the kernel can have, and LVM's settings as they are.

    Where dracut makes it, that of the kernel that boots: its image has all drivers then and is several
    times as large, and /boot seldom has room for one of each kernel.
    """
    is_dracut = family_of(facts.distribution) is RPM
    chosen = boot_kernel(facts) if is_dracut else None
    boots = chosen.version if chosen else facts.default_kernel or _last(facts)
    lacking: Dict[str, _Lack] = {}
    changed = changed_settings(facts)
    for kernel in facts.kernels:
        missing = [driver for driver in VIRTIO_DRIVERS if driver not in kernel.ready]
        useless = [driver for driver in missing if driver not in kernel.available]
        lack = _Lack(missing, sorted(kernel.copies & changed))
        if kernel.version == boots and (useless or kernel.initramfs is None):
            yield _unusable(kernel, useless, facts)
        elif useless or kernel.initramfs is None:
            yield Note(f"Kernel {kernel.version} cannot boot on virtio; it is not the default.")
        elif lack.why and is_dracut and kernel.version != boots:
            yield Note(
                f"The initramfs of kernel {kernel.version}, which is not the default, stays: {lack.why}."
                f" After the migration run `dracut --force --kver {kernel.version}` in the guest."
            )
        elif lack.why:
            lacking[kernel.version] = lack
    if is_dracut:
        yield from _rebuild_by_dracut(facts, lacking)
    elif lacking:
        yield from bring_along(facts, options)
        yield from _rebuild(facts, lacking)


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


def _rebuild(facts: GuestFacts, lacking: Dict[str, _Lack]) -> Results:
    wanted = [d for d in VIRTIO_DRIVERS if any(d in lack.drivers for lack in lacking.values())]
    if wanted:
        yield from _module_list(facts.files.get(INITRAMFS_MODULES), wanted)
    for version, lack in lacking.items():
        argv = ("update-initramfs", "-u", "-k", version)
        yield RebuildInitramfs(version, frozenset(lack.drivers), argv, lack.why)


def _rebuild_by_dracut(facts: GuestFacts, lacking: Dict[str, _Lack]) -> Results:
    images = {kernel.version: kernel.initramfs for kernel in facts.kernels}
    for version, lack in lacking.items():
        if _needs_crypttab(facts):
            yield _only_there(lack)
        argv = _dracut(facts, version, images[version] or "", lack.drivers)
        yield RebuildInitramfs(version, frozenset(lack.drivers), argv, lack.why)


def _only_there(lack: _Lack) -> Finding:
    """Return the finding for an image that only the source itself can make."""
    added = f" --add-drivers '{' '.join(lack.drivers)}'" if lack.drivers else ""
    first = f'put "{VIRTIO}" first in the filters of {" and ".join(lack.copies)}, then '
    return Finding(
        "Its encrypted devices are opened by /etc/crypttab alone, which an initramfs made here would not"
        f" have. On the source {first if lack.copies else ''}run `dracut --force{added}`, and sync"
        " again; the preparation then leaves the initramfs as it is."
    )


def _dracut(facts: GuestFacts, kernel: str, image: str, drivers: List[str]) -> Tuple[str, ...]:
    """Return dracut's command for an image that suits any machine.

    By itself dracut looks at the machine that it runs on, and writes that one's root into the image: here
    the worker and an overlay. Its unpacked image goes where the worker keeps such things.
    """
    # Without one, `support` has said so.
    dracut = facts.packages.get("dracut")
    knows = dracut and version_key(dracut.version) >= version_key(_KNOWS_CMDLINE)
    general = ("--no-hostonly", *(("--no-hostonly-cmdline",) if knows else ()))
    told = ("--kernel-cmdline", "rd.auto=1") if _assembles_untold(facts) else ()
    added = ("--add-drivers", " ".join(sorted(drivers))) if drivers else ()
    place = ("--tmpdir", SCRATCH, "--kver", kernel, image)
    return ("dracut", "--force", *general, *told, *added, *place)


def _assembles_untold(facts: GuestFacts) -> bool:
    """Return whether LVM or md carries / or /usr, and no kernel command line says what to assemble.

    SUSE's own images say it inside, which an image for any machine does not; dracut then assembles
    nothing (parse-lvm.sh, parse-md.sh of dracut 033 to 059), unless it is told to take what there is.
    """
    rows = read_rows(facts.files.get("/etc/fstab", ""))
    usr = [find_file_system(r.field(0), facts.file_systems) for r in rows if r.field(1) == "/usr"]
    is_upper = any(each is not None and each.names for each in (facts.root, *usr))
    return is_upper and not _ASSEMBLED.search(boot_arguments(facts))


def _needs_crypttab(facts: GuestFacts) -> bool:
    """Return whether the initramfs opens devices that the kernel's command line does not name."""
    rows = read_rows(facts.files.get("/etc/crypttab", ""))
    return bool(rows) and "rd.luks" not in boot_arguments(facts)


def _module_list(text: Optional[str], wanted: List[str]) -> Results:
    listed = {line.split()[0] for line in (text or "").split("\n") if line.strip()}
    missing = [driver for driver in wanted if driver not in listed]
    if missing:
        newline = "\n" if text and not text.endswith("\n") else ""
        after = (text or "") + newline + "".join(f"{driver}\n" for driver in missing)
        yield EditFile(INITRAMFS_MODULES, text, after, "the initramfs gets the drivers of virtio")


def _unusable(kernel: Kernel, useless: List[str], facts: GuestFacts) -> Finding:
    """Return the finding; Ubuntu's kernels for clouds keep drivers in a package of their own."""
    what = f"has no {', '.join(useless)}" if useless else "has no initramfs"
    has_extra = facts.distribution.identity == "ubuntu" and useless
    extra = f"linux-modules-extra-{kernel.version}, or " if has_extra else ""
    return Finding(
        f"Its default kernel {kernel.version} {what}, so it cannot find its root on virtio."
        f" Install {extra}the distribution's kernel on the source and sync again."
    )

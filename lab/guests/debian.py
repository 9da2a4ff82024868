# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory tree of a small Debian server that VMware hardware can boot, and nothing else can.

Packages come from the host's own apt configuration, Debian 12 unless another release is named; what is ours of the configuration lies as plain
files in `rootfs/` and is copied over. Runs as root: mmdebstrap's root mode and chroot need it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..command import run
from ..errors import LabError

RELEASE = "bookworm"
ROOTFS = Path(__file__).parent / "rootfs"

PACKAGES = (
    # Its few drivers include vmw_pvscsi and vmxnet3, at a quarter of the size of the usual kernel.
    "linux-image-cloud-amd64",
    "systemd-sysv",
    "udev",
    "kmod",
    "initramfs-tools",
    "zstd",
    "grub-pc",
    "open-vm-tools",
    "acpid",
    "ifupdown",
    "iproute2",
    "openssh-server",
    "python3",
    "util-linux",
    "xfsprogs",
    # Instead of usrmerge, which brings all of perl (55 MB) for a conversion that is not needed here.
    "usr-is-merged",
)

# The hook's last step wants that package; a release without it gets /bin, /lib and /usr apart, as upgraded ones have.
MERGED_USR = ("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",)

# What no test needs of them, 110 MB: each mebibyte is read, digested, enciphered and written under emulation.
# ICU's data is for VMware's own tools, which never run here; hardware's names, character sets, and drivers of
# networks and file systems that no machine of the lab has.
UNWANTED_FILES = (
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/lib/x86_64-linux-gnu/libicudata.so.*",
    "/usr/lib/x86_64-linux-gnu/gconv/*",
    "/lib/udev/hwdb.d/*",
    "/usr/lib/udev/hwdb.d/*",
    *(f"/lib/modules/*/kernel/{part}/*" for part in ("net", "fs")),
    *(
        f"/lib/modules/*/kernel/drivers/{part}/*"
        for part in ("comedi", "hid", "infiniband", "target")
    ),
)
WANTED_FILES = tuple(
    f"/lib/modules/*/kernel/{part}*"
    # virtio_net stands on one of the network's core.
    for part in ("fs/autofs/", "fs/ext4/", "fs/jbd2/", "fs/mbcache", "fs/xfs/", "net/core/")
)

# Timers that would write to a disk under comparison; consoles, mounts and modules that nobody here
# uses. Each of the latter costs an emulated boot up to a second, and a boot is what tests wait for.
MASKED_UNITS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-tmpfiles-clean.timer",
    "getty-static.service",
    "getty@tty1.service",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "modprobe@configfs.service",
    "modprobe@dm_mod.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "modprobe@loop.service",
    "systemd-binfmt.service",
    "systemd-pstore.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
)

# Not in the tree: each server gets its own (`source.py`), and debugfs writes only new files.
IDENTITY_FILES = ("etc/hostname", "etc/hosts", "etc/machine-id", "etc/network/interfaces")


def build_tree(
    tree: Path,
    *,
    packages: Sequence[str] = PACKAGES,
    kernel_parts: Sequence[str] = (),
    release: str = RELEASE,
) -> None:
    """The new directory `tree` holds the server's root file system, without boot loader and identity.

    It is Debian's `release`, by its code name. `kernel_parts` are folders of kernel modules, below `kernel/`, to keep beside the usual ones.
    Raises LabError when apt's lists are missing or a package cannot be installed.
    """
    _bootstrap(tree, packages, kernel_parts, release)
    # Copied by hand: copytree would give the tree's own directories the modes of a checkout.
    for file in sorted(each for each in ROOTFS.rglob("*") if each.is_file()):
        _place(file, tree / file.relative_to(ROOTFS))
    _leave_no_identity(tree)
    inside(tree, "systemctl", "enable", "ferry-marker.service")
    inside(tree, "systemctl", "mask", *MASKED_UNITS)
    inside(tree, "update-initramfs", "-u")


def inside(tree: Path, *command: str) -> str:
    """Return the output of a command run with `tree` as its root directory."""
    environment = ("env", "-i", "LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
    return run("chroot", str(tree), *environment, *command)


def debian_sources(release: str = RELEASE) -> str:
    """Return the Debian archives of the host's apt as lines of a sources.list, and no others.

    apt itself tells who publishes an archive (`Origin` of its Release file): the name of the mirror
    does not. Another release lies beside the host's, under its own name; its updates are left out, for of
    those a mirror may lack what it lists (404 for the kernel of bullseye-security, 2026-11-28). Raises
    LabError when there is none of the host's release, or its lists were never fetched.
    """
    lines = run(
        "apt-get",
        "indextargets",
        *("--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"),
        *("Created-By: Packages", "Origin: Debian"),
    ).splitlines()
    wanted = [line for line in lines if line.split()[2].split("-")[0] == RELEASE]
    if not wanted:
        raise LabError(
            f"apt knows no Debian archive of {RELEASE} on this host",
            "The lab is built on Debian 12. Run `apt-get update`, then try again.",
        )
    if release != RELEASE:
        rows = [line.split() for line in wanted]
        wanted = [
            " ".join((kind, place, release, *components))
            for kind, place, suite, *components in rows
            if suite == RELEASE
        ]
    return "".join(f"{line}\n" for line in wanted)


def _bootstrap(
    tree: Path, packages: Sequence[str], kernel_parts: Sequence[str], release: str
) -> None:
    wanted_files = (*WANTED_FILES, *(f"/lib/modules/*/kernel/{part}/*" for part in kernel_parts))
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as apt_options:
        apt_options.write(_apt_options())
        apt_options.flush()
        run(
            # It binds folders of the host into the tree: killed, it must not leave them to whoever removes that.
            *("unshare", "--mount", "mmdebstrap"),
            *("--mode=root", "--variant=minbase", "--format=directory"),
            f"--include={','.join(packages)}",
            *(MERGED_USR if "usr-is-merged" in packages else ()),
            f"--aptopt={apt_options.name}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in UNWANTED_FILES),
            *(f"--dpkgopt=path-include={pattern}" for pattern in wanted_files),
            # Before the kernel is installed, so that its initramfs is small from the first one on.
            '--setup-hook=mkdir -p "$1/etc/initramfs-tools"',
            f"--setup-hook=copy-in {ROOTFS}/etc/initramfs-tools/conf.d /etc/initramfs-tools",
            *(release, str(tree), "-"),
            given=debian_sources(release),
        )


def _apt_options() -> str:
    """How the host's apt reaches its archives: proxy, credentials, whether old lists are accepted.

    They go through a file, because a proxy's address may hold a password.
    """
    dumped = run("apt-config", "dump", "--format", '%F "%v";%n', "Acquire")
    reaching = [
        line for line in dumped.splitlines() if not line.startswith("Acquire::IndexTargets")
    ]
    own = ['APT::Install-Recommends "false";', 'Dir::Etc::netrcparts "/etc/apt/auth.conf.d/";']
    return "\n".join([*reaching, *own, ""])


def _place(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
    # Git keeps one bit of a mode; the umask of a checkout is none of the server's business.
    target.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)


def _leave_no_identity(tree: Path) -> None:
    """No key, no name, and no trace of the host's archives is in the tree."""
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for name in (*IDENTITY_FILES, "etc/resolv.conf", "etc/apt/apt.conf.d/99mmdebstrap"):
        (tree / name).unlink(missing_ok=True)
    (tree / "etc/apt/sources.list").write_text("# The lab's servers have no way to an archive.\n")
    (tree / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (tree / "srv/site").mkdir(parents=True, exist_ok=True)
    (tree / "srv/data").mkdir(exist_ok=True)

# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of guests as no installer would leave them, and what each line shall become, said beforehand.

A file is made of pieces. Each piece knows its bytes before and after, so that the expectation does not come
from the editors under test; and whether the guest must be refused for it.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import NamedTuple

from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import VIRTIO_DRIVERS
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.guest.guest_samples import (
    DATA_UUID,
    MENU,
    ROOT_UUID,
    SWAP_UUID,
    build_archive,
)

OLD, NEW = "00:50:56:aa:bb:01", "52:54:00:12:34:56"
NAME = "ens192"
KERNEL = "6.1.0-1-amd64"
LINK = "/etc/systemd/network/10-ens192.link"
RULES = "/etc/udev/rules.d/70-persistent-net.rules"
MODULES = "/etc/initramfs-tools/modules"
MENU_FILE = "/boot/grub/grub.cfg"
CLOUD, CLOUD_OFF = "/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/99-disable-network-config.cfg"
NEW_LINK = f"[Match]\nMACAddress={OLD} {NEW}\n\n[Link]\nName={NAME}\n".encode()
STATUS = "".join(
    f"Package: {name}\nStatus: install ok installed\nVersion: 1\n\n"
    for name in ("initramfs-tools", "grub-pc", "qemu-guest-agent")
)
RENAMED = {
    "/dev/sda1": f"UUID={ROOT_UUID}",
    "/dev/sda2": f"UUID={SWAP_UUID}",
    "/dev/sdb1": f"UUID={DATA_UUID}",
}


class Piece(NamedTuple):
    """One line, or some that belong together, without the last newline. `after` is None if they go."""

    before: bytes
    after: bytes | None
    is_refused: bool = False


@dataclass(frozen=True)
class Tree:
    """Every file of a guest, and what it shall hold afterwards; `is_refused`: it shall be left."""

    before: dict[str, bytes]
    after: dict[str, bytes]
    is_refused: bool


def changed(before: str, after: str | None) -> Piece:
    return Piece(before.encode(), None if after is None else after.encode())


def kept(text: str) -> Piece:
    return changed(text, text)


# Any bytes in a line; with a `#` before them where they could by chance open a section.
NOISE = st.binary(max_size=24).map(lambda raw: raw.replace(b"\n", b""))
LINES = NOISE.map(lambda raw: Piece(raw, raw))
COMMENTS = NOISE.map(lambda raw: Piece(b"# " + raw, b"# " + raw))
GAPS = st.sampled_from([" ", "\t", "  \t ", "        "])
DEVICES = st.sampled_from(
    [*RENAMED, "tmpfs", "LABEL=data", f"UUID={ROOT_UUID}", "/dev/md/x", "server:/export"]
)
TAILS = st.sampled_from(["", " # /dev/sda1", "\r", "\t", " caf\u00e9"])


def replaced(text: str, device: str, *, after: str) -> Piece:
    return changed(text, text.replace(device, after, 1))


@st.composite
def fstab_rows(draw: st.DrawFn) -> Piece:
    device, gap = draw(DEVICES), draw(GAPS)
    start = draw(st.sampled_from(["", " ", "\t"]))
    text = f"{start}{device}{gap}/mnt/with\\040space{gap}ext4{gap}rw,x-a=/dev/sda1 0 0{draw(TAILS)}"
    return replaced(text, device, after=RENAMED.get(device, device))


@st.composite
def crypttab_rows(draw: st.DrawFn) -> Piece:
    device, gap = draw(DEVICES), draw(GAPS)
    text = f"sda1{gap}{device}{gap}none{gap}luks{draw(TAILS)}"
    return replaced(text, device, after=RENAMED.get(device, device))


FSTAB = st.one_of(
    fstab_rows(),
    LINES,
    st.sampled_from(
        [
            kept("#/dev/sda1 / ext4 defaults 0 1"),
            kept(" # /srv /mnt none bind 0 0"),
            kept("/dev/sdc1 /usb vfat rw,nofail 0 0"),
            kept("one"),
            Piece(b"/dev/sdz9 /lost ext4 rw 0 0", None, is_refused=True),
            Piece(b"/dev/mapper/vg-x /lost ext4 rw 0 0", None, is_refused=True),
            kept("/dev/mapper/vg-x /lost ext4 rw,noauto 0 0"),
        ]
    ),
)
GRUB_WORDS = st.sampled_from(
    [
        replaced(
            'GRUB_CMDLINE_LINUX="root=/dev/sda1 quiet"', "/dev/sda1", after=RENAMED["/dev/sda1"]
        ),
        replaced("A='x resume=/dev/sda2'", "/dev/sda2", after=RENAMED["/dev/sda2"]),
        replaced("\tlinux /vmlinuz root=/dev/sda1 ro", "/dev/sda1", after=RENAMED["/dev/sda1"]),
        kept("# root=/dev/sda1"),
        kept('A="b" # resume=/dev/sda2'),
        kept('GRUB_CMDLINE_LINUX_DEFAULT="nfsroot=/dev/sda1 root=LABEL=x"'),
        kept('unfinished="root=LABEL=x'),
        kept("#GRUB_DISABLE_LINUX_UUID=true"),
    ]
)
FLAGS = st.sampled_from(
    [
        changed("GRUB_DISABLE_LINUX_UUID=true", "GRUB_DISABLE_LINUX_UUID=false"),
        changed(
            '  export GRUB_DISABLE_LINUX_UUID="true" # why',
            "  export GRUB_DISABLE_LINUX_UUID=false # why",
        ),
        kept("GRUB_DISABLE_LINUX_UUID=false"),
    ]
)
RESUME = st.sampled_from(
    [
        changed("RESUME=/dev/sda2", f"RESUME=UUID={SWAP_UUID}"),
        changed(' RESUME="/dev/sda2"', f' RESUME="UUID={SWAP_UUID}"'),
        kept("#RESUME=/dev/sda2"),
        kept("RESUME=none"),
    ]
)
RULE = f'SUBSYSTEM=="net", ACTION=="add", ATTR{{address}}=="{OLD}", NAME="{NAME}"'
ADDED_RULE = RULE.replace(OLD, NEW).encode() + b"\n"
# Each kind of network configuration: what comes first, and pieces that may follow.
MACS = st.sampled_from([OLD, OLD.upper()])
QUOTES = st.sampled_from(["", "'", '"'])


@st.composite
def netplan_devices(draw: st.DrawFn) -> Piece:
    mac, quote, tail = draw(MACS), draw(QUOTES), draw(st.sampled_from(["", "  # by hand"]))
    text = (
        f"    d{draw(st.integers(0, 99))}:\n      match:\n        macaddress: {quote}{mac}{quote}{tail}\n"
        f"      set-name: {NAME}\n      macaddress: {OLD}"
    )
    return replaced(text, f"macaddress: {quote}{mac}{quote}", after=f"name: {NAME}")


@st.composite
def ifcfg_lines(draw: st.DrawFn) -> Piece:
    quote = draw(QUOTES)
    return changed(f"HWADDR={quote}{draw(MACS)}{quote}", None)


NETWORKS = {
    "/etc/netplan/50-cloud-init.yaml": (
        "network:\n  version: 2\n  ethernets:",
        st.one_of(
            netplan_devices(),
            st.just(
                Piece(
                    f"    odd: [{{match: {{macaddress: {OLD}}}}}]".encode(), None, is_refused=True
                )
            ),
        ),
    ),
    "/etc/NetworkManager/system-connections/office": (
        f"[connection]\ninterface-name={NAME}\n[ethernet]\ncloned-mac-address={OLD}",
        MACS.map(lambda mac: changed(f"mac-address={mac}", None)),
    ),
    "/etc/systemd/network/10-lan.network": (
        f"[Link]\nMACAddress={OLD}\n[Match]",
        MACS.map(lambda mac: changed(f"MACAddress={mac}  ", f"MACAddress={mac} {NEW}  ")),
    ),
    "/etc/sysconfig/network-scripts/ifcfg-Wired_1": (
        f"DEVICE={NAME}\nMACADDR={OLD}",
        ifcfg_lines(),
    ),
    "/etc/systemd/network/50-lan.link": (f"[Link]\nName={NAME}", st.nothing()),
    "/etc/network/interfaces": (
        f"auto {NAME}\niface {NAME} inet static\n  address 192.0.2.5/24\n  hwaddress ether {OLD}",
        st.nothing(),
    ),
}


@st.composite
def files(draw: st.DrawFn, pieces: st.SearchStrategy[Piece], start: str = "") -> list[Piece]:
    """Return the pieces of one file: `start`, then some of these."""
    chosen = draw(st.lists(pieces, max_size=6))
    end = [kept("")] if draw(st.booleans()) else []
    return [*([kept(start)] if start else []), *chosen, *end]


def joined(pieces: list[Piece]) -> tuple[bytes, bytes]:
    after = [piece.after for piece in pieces if piece.after is not None]
    return b"\n".join(piece.before for piece in pieces), b"\n".join(after)


@st.composite
def with_flag(draw: st.DrawFn) -> list[Piece]:
    """Return /etc/default/grub: a flag at most once, anywhere."""
    pieces = draw(files(st.one_of(GRUB_WORDS, LINES)))
    if draw(st.booleans()):
        pieces.insert(draw(st.integers(0, len(pieces))), draw(FLAGS))
    return pieces


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Return a guest of Debian's with any of its files odd or missing."""
    made = {
        "/etc/fstab": files(FSTAB),
        "/etc/crypttab": files(st.one_of(crypttab_rows(), LINES)),
        "/etc/default/grub": with_flag(),
        "/etc/default/grub.d/x.cfg": files(st.one_of(GRUB_WORDS, LINES)),
        "/etc/grub.d/40_custom": files(st.one_of(GRUB_WORDS, LINES)),
        "/boot/grub/custom.cfg": files(st.one_of(GRUB_WORDS, LINES)),
        "/etc/initramfs-tools/conf.d/resume": files(st.one_of(RESUME, LINES)),
        **{
            path: files(st.one_of(pieces, COMMENTS), start)
            for path, (start, pieces) in NETWORKS.items()
        },
    }
    chosen = {path: draw(pieces) for path, pieces in made.items() if draw(st.booleans())}
    both = {path: joined(pieces) for path, pieces in chosen.items()}
    before = {path: pair[0] for path, pair in both.items()}
    after = {path: pair[1] for path, pair in both.items()}
    is_refused = any(piece.is_refused for pieces in chosen.values() for piece in pieces)
    _add_names(draw, before, after)
    _add_cloud_init(draw, before, after)
    _add_kernel(draw, before, after)
    has_menu = draw(st.sampled_from([True, True, True, True, False]))
    if has_menu:
        before[MENU_FILE] = after[MENU_FILE] = MENU.replace("{root}", "/dev/sda1").encode()
    return Tree(before, after, is_refused or not has_menu)


def _add_names(draw: st.DrawFn, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """udev's rules give names if one of them names anything; else a .link file, theirs or ours."""
    if draw(st.booleans()):
        rules = [kept(RULE)] if draw(st.booleans()) else []
        text, _same = joined([*draw(files(COMMENTS)), *rules, *draw(files(COMMENTS))])
        before[RULES] = after[RULES] = text
        if rules:
            end = b"" if text.endswith(b"\n") else b"\n"
            after[RULES] = text + end + ADDED_RULE
            return
    after[LINK] = NEW_LINK


def _add_cloud_init(draw: st.DrawFn, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    if draw(st.booleans()):
        before[CLOUD] = after[CLOUD] = b"users: []\n# network: {config: disabled}\n"
        after[CLOUD_OFF] = b"network: {config: disabled}\n"


def _add_kernel(draw: st.DrawFn, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """A kernel, its initramfs with or without drivers, and the list of those that it shall have."""
    is_ready = draw(st.booleans())
    inside = [f"{driver}.ko" for driver in VIRTIO_DRIVERS] if is_ready else ["init"]
    usual = {
        "/etc/os-release": b'ID=debian\nVERSION_ID="12"\n',
        "/var/lib/dpkg/status": STATUS.encode(),
        f"/boot/vmlinuz-{KERNEL}": b"",
        f"/boot/initrd.img-{KERNEL}": gzip.compress(build_archive(inside)),
        f"/lib/modules/{KERNEL}/modules.dep": b"".join(
            b"kernel/%s.ko:\n" % driver.encode() for driver in VIRTIO_DRIVERS
        ),
    }
    before.update(usual)
    after.update(usual)
    listed = draw(
        st.lists(st.sampled_from(["sd_mod", "virtio_blk opt=1", "# virtio_net", "", "\t"]))
    )
    text = "\n".join(listed).encode()
    if draw(st.booleans()):
        before[MODULES] = after[MODULES] = text
    if not is_ready:
        missing = [
            d for d in VIRTIO_DRIVERS if MODULES not in before or d.encode() not in _words(text)
        ]
        end = b"" if not before.get(MODULES) or text.endswith(b"\n") else b"\n"
        added = end + b"".join(b"%s\n" % driver.encode() for driver in missing)
        after[MODULES] = before.get(MODULES, b"") + added


def _words(text: bytes) -> set[bytes]:
    """Return the modules that a list names."""
    return {line.split()[0] for line in text.split(b"\n") if line.split()}

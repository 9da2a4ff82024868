# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source server is, read from /proc and /sys. Runs there, on Python 3.6. PRIVATE.

Only reads, needs no rights and no program of the host: the smallest server has neither `ip` nor
`lsblk`, and the answer must not depend on a tool's version.
"""

import errno
import os
import re
import socket
from typing import Any, Dict, List

from .addresses import read_addresses

Facts = Dict[str, Any]

_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
# Four bytes of attributes, then 1 or 0 (UEFI 2.10, 3.3; the GUID is that of all global variables).
_SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def read_facts(port: int) -> Facts:
    """Return the facts of this host; `port_free` says whether `port` could be listened on now."""
    return {
        "hostname": socket.gethostname(),
        "os": _read_os(),
        "kernel": os.uname().release,
        "architecture": os.uname().machine,
        "firmware": "efi" if os.path.isdir("/sys/firmware/efi") else "bios",
        "secure_boot": is_secure_boot(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory": _read_memory(),
        "interfaces": _read_interfaces(),
        "file_systems": read_file_systems(),
        "is_root": os.geteuid() == 0,
        "port_free": is_port_free(port),
    }


def is_secure_boot(variables: str = "/sys/firmware/efi/efivars") -> bool:
    """Return whether the firmware started only what is signed; False where it does not say."""
    try:
        with open(os.path.join(variables, _SECURE_BOOT), "rb") as variable:
            return variable.read()[-1:] == b"\1"
    except OSError:
        return False


def _read_os() -> Facts:
    """Return id, version and name by os-release(5)."""
    found = next((path for path in _OS_RELEASE if os.path.exists(path)), None)
    values = parse_os_release(_read(found)) if found else {}
    return {
        "id": values.get("ID", "linux"),
        "like": values.get("ID_LIKE", "").split(),
        "version": values.get("VERSION_ID", ""),
        "name": values.get("PRETTY_NAME", values.get("NAME", "Linux")),
    }


def parse_os_release(text: str) -> Dict[str, str]:
    """Return the assignments of os-release(5) without their shell quotes."""
    pairs = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE)
    return {name: re.sub(r"^([\"'])(.*)\1$", r"\2", value.strip()) for name, value in pairs}


def _read_memory() -> int:
    """Return the memory that the kernel manages, in bytes; /proc/meminfo counts in KiB."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def _read_interfaces() -> List[Facts]:
    """Return the network interfaces without the loopback; `is_physical` ones have a device."""
    addresses = read_addresses()
    return [
        {
            "name": name,
            "mac": read_mac(os.path.join("/sys/class/net", name)),
            "is_physical": os.path.exists("/sys/class/net/{}/device".format(name)),
            "addresses": addresses.get(index, []),
        }
        for index, name in socket.if_nameindex()
        if name != "lo"
    ]


def read_mac(folder: str) -> str:
    """Return the MAC of an interface, by its folder in /sys/class/net.

    A member of a bond shows the bond's; its own is kept beside (bond_sysfs_slave.c of Linux 3.14).
    """
    own = os.path.join(folder, "bonding_slave/perm_hwaddr")
    return _read(own if os.path.exists(own) else os.path.join(folder, "address")).strip()


def read_file_systems() -> List[Facts]:
    """Return what is mounted from block devices, in the order it was mounted.

    Others are left out, and so are never asked for their size: a dead NFS server would hang us.
    """
    rows = [line.split(" ") for line in _read("/proc/self/mounts").splitlines()]
    return [
        {
            "device": unescape(device),
            "mount_point": unescape(mount_point),
            "type": kind,
            "read_only": "ro" in options.split(","),
            **_space_of(unescape(mount_point)),
        }
        for device, mount_point, kind, options, *_rest in rows
        if device.startswith("/dev/") and device != "/dev/fuse"
    ]


def unescape(text: str) -> str:
    r"""Return a field of /proc/mounts as it is called: blanks are written \040 there (proc(5))."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)


def _space_of(mount_point: str) -> Facts:
    """Return size of a file system and what of it is used, in bytes; 0 where this user may not look."""
    try:
        numbers = os.statvfs(mount_point)
    except OSError:
        return {"size": 0, "used": 0}
    size, free = (each * numbers.f_frsize for each in (numbers.f_blocks, numbers.f_bfree))
    return {"size": size, "used": size - free}


def is_port_free(port: int) -> bool:
    """Return whether nothing listens on TCP `port` of any address of this host."""
    return all(_is_free(family, port) for family in (socket.AF_INET, socket.AF_INET6))


def _is_free(family: socket.AddressFamily, port: int) -> bool:
    """A family that this host does not speak (ipv6.disable=1) has no listener."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Without it a connection that ended a minute ago (TIME_WAIT) would count as a listener.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", port))
    except OSError as error:
        return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return True


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()

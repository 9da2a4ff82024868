# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IP addresses of this host, asked from the kernel. Runs on the source, on Python 3.6. PRIVATE.

One netlink dump (RTM_GETADDR, rtnetlink(7)). Python's library has no call for it, and the program
`ip` is not on every server.

    message:    nlmsghdr 16 | ifaddrmsg 8 | attribute | attribute | ...     each padded to 4 bytes
    ifaddrmsg:  family 1 | prefix length 1 | flags 1 | scope 1 | interface index 4
    attribute:  length 2 (itself included) | type 2 | value
"""

import socket
import struct
from typing import Dict, Iterator, List, Tuple

_RTM_GETADDR = 22
_RTM_NEWADDR = 20
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
# The kernel fills at most 32 KiB per answer; a smaller buffer would lose addresses silently.
_BUFFER_SIZE = 65536


def read_addresses() -> Dict[int, List[str]]:
    """Return by interface index its addresses, IPv4 first: "192.0.2.10/24", "2001:db8::10/64"."""
    found = {}  # type: Dict[int, List[str]]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.sendto(struct.pack("=IHHIIB3x", 20, _RTM_GETADDR, _REQUEST_DUMP, 1, 0, 0), (0, 0))
        while True:
            for kind, body in split_messages(kernel.recv(_BUFFER_SIZE)):
                if kind == _NLMSG_ERROR:
                    raise OSError(-struct.unpack_from("=i", body)[0], "netlink RTM_GETADDR")
                if kind == _NLMSG_DONE:
                    return found
                if kind == _RTM_NEWADDR:
                    index, address = parse_address(body)
                    found.setdefault(index, []).append(address)


def split_messages(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """Yield type and body of each netlink message in one answer."""
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[_aligned(length) :]


def parse_address(body: bytes) -> Tuple[int, str]:
    """Return the interface index and the address with its prefix length.

    On a point-to-point link IFA_ADDRESS is the other end and IFA_LOCAL is ours.
    """
    family, prefix, _flags, _scope, index = struct.unpack_from("=BBBBI", body)
    attributes = dict(_split_attributes(body[8:]))
    ours = attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS, b""))
    return index, "{}/{}".format(socket.inet_ntop(family, ours), prefix)


def _split_attributes(data: bytes) -> Iterator[Tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind, data[4:length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3

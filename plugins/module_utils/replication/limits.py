# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The numbers of the replication protocol, each with its reason. PRIVATE to the collection.

Bottom layer of the room; sizes in bytes, times in seconds. The sender carries this file: Python 3.6.
"""

from ..units import GIB, KIB, MIB, TIB

VERSION = 1

# The work unit. 256 KiB and 4 MiB were both slower: latency on one side, the processor's cache on the
# other (0.60, 0.53 and 0.59 s for the same disk on a 2-core VM).
CHUNK = MIB

# What is compared, found zero and sent inside a chunk that differs. It is also QEMU's default cluster
# size, so that a guest's small write dirties one granule of a qcow2 volume.
GRANULE = 64 * KIB

# 128 bits of a cryptographic digest: nobody finds two blocks with one digest by chance (2**64 tries).
DIGEST_SIZE = 16

# Requests without an answer, all frames of one connection together. The source can always take this
# much in while it is itself blocked in a send, so that neither end waits for the other for ever. As
# 4,096 chunk digests it is 4 GiB of comparison on its way: enough for 100 ms at 40 GiB/s.
UNANSWERED = 64 * KIB

# What one end buffers of undecoded frames: all requests that the bound above permits, and as much
# again for the `Alive` frames between them.
RECEIVE_BUFFER = 2 * UNANSWERED

# The longest frame body; only requests with digests come near to it.
BODY = UNANSWERED

# A disk that a peer may announce. VMware's largest is 62 TiB, KVM's volumes end well below 1 PiB.
DISK_SIZE = 1024 * TIB

# Chunk digests in one `Compare` or `Recorded` frame, granule digests in one `CompareGranules` frame.
COMPARE_CHUNKS = 1024
COMPARE_GRANULES = 1024

# Texts: a disk's name (Linux's own limit for a file name) and each half of an error.
NAME = 255
ERROR_TEXT = 2 * KIB

# An end that has been silent for this long says `Alive`; an end that has heard nothing for the second
# time calls the connection lost. Firewalls forget idle connections after minutes, at the shortest.
ALIVE_INTERVAL = 20.0
LOST_AFTER = 120.0

# A connection is replaced after this much: AES-GCM is good for about 2**24.5 full records with one key
# (RFC 8446, 5.5), that is 362 GiB of 16 KiB records, and Python's ssl cannot ask for new keys.
CONNECTION_BYTES = 256 * GIB

# Time for TCP and TLS to come up; a link slower than this cannot carry a disk.
DIAL_TIMEOUT = 30.0

# Connections that a sender serves at once for one run: the receiver asks for at most 8, the rest are old
# ones that the network has not yet given up.
CONNECTIONS = 16

# And for all its runs. A connection holds four chunks and its buffers, 5 MiB: these are 320 MiB. Above that
# a run still gets the two that each sync begins with, so that none is kept out by the others; with this many
# runs that is 160 MiB more.
ALL_CONNECTIONS = 64
SURE_CONNECTIONS = 2
RUNS = 16

PORT = 5994


def server_name(run: str) -> str:
    """Return the TLS server name of the run; `run` is a DNS label of at most 63 characters."""
    return run + ".ferry.internal"

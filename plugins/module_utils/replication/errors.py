# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What can go wrong between the two ends of a replication. PRIVATE to the collection.

Above `module_utils/errors.py`, below everything else in the room. Python 3.6.
"""

from ..errors import PermanentError, RestartSyncError, TransientError


class LocalProtocolError(PermanentError):
    """Our own code broke the protocol: a bug of ours. Nothing was sent."""


class RemoteProtocolError(RestartSyncError):
    """The peer broke the protocol. The connection is of no more use."""


class VersionError(PermanentError):
    """The two ends speak different versions of the protocol."""


class ConnectionLostError(TransientError):
    """The network or the peer's process went away. Dial again: what is proven stays proven."""


class PeerRefusedError(PermanentError):
    """TLS refused one of the two ends: a wrong certificate, or a run of another name."""


class DamagedDataError(RestartSyncError):
    """Bytes are not what their digest says. They were not written, or will be written again."""


class DiskError(PermanentError):
    """A disk cannot be opened, read or written."""


class StoppedError(RestartSyncError):
    """Somebody asked this process to end; the next sync goes on from what is on the disks."""

# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way in: one order on standard input, one JSON line on standard output. Python 3.6. PRIVATE."""

import json
from typing import BinaryIO

from .orders import ORDERS
from .sender import Sender, SourceError


def main(stream: BinaryIO, program: bytes) -> int:
    """Carry out the order that `stream` holds and print its answer; return the exit status.

    `program` is the sender, a zipapp.
    """
    order = json.loads(stream.read().decode())
    try:
        answer = ORDERS[order["order"]](order, Sender(program))
    except SourceError as error:
        print(json.dumps({"error": error.error}))
        return 1
    print(json.dumps(answer))
    return 0

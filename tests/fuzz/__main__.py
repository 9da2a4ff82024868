# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz the protocol's core: `python -m tests.fuzz peer|payload [SECONDS]`.

Coverage-guided, by atheris (libFuzzer). Ends with an error at the first crash, hang of 10 s, or 512 MiB
of memory, and names the file with the input; put that into tests/fuzz/corpus/, where the unit tests
replay it for ever. What it found new is kept in .build/fuzz/ and is the next run's beginning.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import atheris

CHECKOUT = Path(__file__).resolve().parents[2]
KEPT = CHECKOUT / "tests" / "fuzz" / "corpus"
SECONDS = 600


def main(arguments: list[str]) -> None:
    """Fuzz one oracle for so many seconds."""
    sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT)]
    with atheris.instrument_imports(include=["ansible_collections.ferry"]):
        oracles = importlib.import_module("tests.fuzz.peer").ORACLES
        seeds = importlib.import_module("tests.fuzz.seeds").seeds()

    name = arguments[0]
    seconds = arguments[1] if len(arguments) > 1 else str(SECONDS)
    found = CHECKOUT / ".build" / "fuzz" / name
    found.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds[name]):
        (found / f"seed-{number}").write_bytes(seed)
    (KEPT / name).mkdir(parents=True, exist_ok=True)
    options = ["-max_len=65536", "-timeout=10", "-rss_limit_mb=512", "-print_final_stats=1"]
    limits = [*options, f"-max_total_time={seconds}", f"-artifact_prefix={found.parent}/"]
    atheris.Setup([sys.argv[0], *limits, str(found), str(KEPT / name)], oracles[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])

# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand in for get-pip.py where its download host cannot be reached: pip from `ensurepip`.

ansible-test makes its virtual environments without pip and runs this file from its cache, with
get-pip's command line. `ensurepip` switches pip's configuration off for its own process, so the
environment is taken before it runs.
"""

from __future__ import annotations

import ensurepip
import os
import subprocess
import sys


def main() -> int:
    environment = {name: value for name, value in os.environ.items() if name != "GET_PIP"}
    wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
    ensurepip.bootstrap(default_pip=True)
    command = [sys.executable, "-m", "pip", "install", *wanted]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

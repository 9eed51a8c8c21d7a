"""What tests share: paths, and a port."""

import socket
from pathlib import Path

ROOT = Path(__file__).parents[1]
SEED = ROOT / "initial_program.py"


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

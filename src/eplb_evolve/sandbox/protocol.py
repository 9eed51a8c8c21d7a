"""Sizes and messages that the processes of a sandbox agree on.

Control messages are JSON, one per packet of a SEQPACKET socket; arrays travel in shared mappings.

    harness -> zygote      {"spawn": {...}} + 4 descriptors -> {"pid": timekeeper}, {"unavailable": "why"}
                           {"end": pid}                     -> {"ended": pid}
    harness -> timekeeper  {"call": {...}, "limit": s, "cpus": [..] or null}; before it, on a GPU, and before the input
                           is written, {"flush": true, "limit": s, "cpus": ...}
    timekeeper -> harness  {"ready": {"parameters": n}}, {"seconds": s, "waited": s, "shapes": [..]}, {"flushed": true},
                           {"failed": "why"}, {"unavailable": "why"}, {"broken": "traceback"}
    timekeeper -> worker   {"nonce": n} (import), {"nonce": n, "flush": true}, {"nonce": n, "call": {...}}
    worker -> timekeeper   {"nonce": n, ...}, or {"error": {"stage": s, "text": t}}

Only the worker's messages are untrusted.
"""

import json
import socket
from typing import Any

INPUT_BYTES = 16 << 20
"""Shared mapping for weight and old_phy2log."""

MESSAGE_BYTES = 65536
"""Largest JSON message."""


def send(channel: socket.socket, message: dict[str, Any]) -> None:
    """One packet."""
    channel.send(json.dumps(message).encode())


def receive(channel: socket.socket) -> dict[str, Any] | None:
    """One packet from a trusted process; None when the other end is closed."""
    data = channel.recv(MESSAGE_BYTES)
    return json.loads(data) if data else None

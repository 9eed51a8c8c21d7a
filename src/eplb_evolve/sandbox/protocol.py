"""Sizes and messages that the processes of a sandbox agree on.

Control messages are JSON, one per packet of a SEQPACKET socket; arrays travel in shared mappings. What is sent while
the clock runs, a call and its result, is packed instead: that takes a tenth of the time.

    harness -> zygote      {"spawn": {...}} + 4 descriptors -> {"pid": timekeeper}, {"unavailable": "why"}
                           {"end": pid}                     -> {"ended": pid}
    harness -> timekeeper  {"call": {...}, "limit": s, "cpus": [..] or null}; before it, on a GPU, and before the input
                           is written, {"flush": true, "limit": s, "cpus": ...}
    timekeeper -> harness  {"ready": {"parameters": n}}, {"seconds": s, "waited": s, "shapes": [..]}, {"flushed": true},
                           {"failed": "why"}, {"unavailable": "why"}, {"broken": "traceback"}
    timekeeper -> worker   {"nonce": n} (import), {"nonce": n, "flush": true}, a packed Call
    worker -> timekeeper   {"nonce": n, ...}, a packed result, or {"error": {"stage": s, "text": t}}

Only the worker's messages are untrusted.
"""

import json
import socket
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

INPUT_BYTES = 16 << 20
"""Shared mapping for weight and old_phy2log."""

MESSAGE_BYTES = 65536
"""Largest message."""

NONCE_BYTES = 8
MOST_DIMENSIONS = 4
DTYPES = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8")
"""Of a weight, by numpy's and torch's names."""

_CALL = struct.Struct("=c16s?B6Iq")
_RESULT = struct.Struct("=c16s" + f"QB{MOST_DIMENSIONS}Q" * 3)
_CALL_TAG, _RESULT_TAG = b"C", b"R"


class Call(NamedTuple):
    """One call of a candidate. The weight [layers, experts] lies at the start of the inputs.

    Attributes:
        hold: whether the worker keeps views of the result for longer than two calls
        dtype: index in DTYPES
        old_offset: where old_phy2log [layers, replicas] lies in the inputs; -1 if it is not passed
    """

    nonce: str
    hold: bool
    dtype: int
    layers: int
    experts: int
    replicas: int
    groups: int
    nodes: int
    gpus: int
    old_offset: int


def pack_call(call: Call) -> bytes:
    """A call as one packet."""
    nonce, *others = call
    return _CALL.pack(_CALL_TAG, nonce.encode(), *others)


def unpack_call(packet: bytes) -> Call | None:
    """The call in a packet; None when that holds something else. From a trusted process."""
    if packet[:1] != _CALL_TAG:
        return None
    _, nonce, *others = _CALL.unpack(packet)
    return Call(nonce.decode(), *others)


def pack_result(nonce: str, tensors: Sequence[Any]) -> bytes:
    """Where the three tensors of a result lie, as one packet."""
    fields: list[int] = []
    for tensor in tensors:
        shape = tensor.shape
        fields += (tensor.data_ptr(), len(shape), *shape, *(0,) * (MOST_DIMENSIONS - len(shape)))
    return _RESULT.pack(_RESULT_TAG, nonce.encode(), *fields)


def send_result(channel: socket.socket, nonce: str, tensors: Sequence[Any]) -> None:
    """One packed result."""
    channel.send(pack_result(nonce, tensors))


def unpack_result(packet: bytes) -> dict[str, Any] | None:
    """`nonce` and `outputs`, an (address, shape) each; None when a packet is no packed result."""
    if packet[:1] != _RESULT_TAG or len(packet) != _RESULT.size:
        return None
    _, nonce, *fields = _RESULT.unpack(packet)
    width = 2 + MOST_DIMENSIONS
    each = [fields[at : at + width] for at in range(0, len(fields), width)]
    return {
        "nonce": nonce.decode("latin-1"),
        "outputs": [(address, shape[:count]) for address, count, *shape in each if count <= MOST_DIMENSIONS],
    }


def send(channel: socket.socket, message: dict[str, Any]) -> None:
    """One packet."""
    channel.send(json.dumps(message).encode())


def receive(channel: socket.socket) -> dict[str, Any] | None:
    """One packet from a trusted process; None when the other end is closed."""
    data = channel.recv(MESSAGE_BYTES)
    return json.loads(data) if data else None

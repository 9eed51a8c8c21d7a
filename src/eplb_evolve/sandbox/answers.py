"""The worker's answers, which may be anything: a candidate can write to the worker's socket."""

import json
import math
from typing import Any

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.sandbox.protocol import MOST_DIMENSIONS, unpack_result
from eplb_evolve.sandbox.worker import OUTPUT_NAMES

Claim = tuple[str, int, list[int]]
"""(name, address, shape) of an int64 array in the worker's memory."""

MOST_WORDS = 2000
"""Characters of an error message, which may be the candidate's own."""


def parse(data: bytes, nonce: str, stage: str) -> dict[str, Any]:
    """The answer to the message of that nonce; CandidateFailure if it reports an exception, or is no answer."""
    try:
        answer = unpack_result(data) or json.loads(data)
        if "error" in answer:
            words = str(answer["error"]["text"])[:MOST_WORDS]
            raise CandidateFailure(f"{stage}: {words}", f"{stage}: the program raised an exception")
        if answer["nonce"] == nonce:
            return dict(answer)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        pass
    raise CandidateFailure(f"{stage}: the candidate's process sent an answer that its worker does not send")


def claimed_outputs(answer: dict[str, Any], most_bytes: int) -> list[Claim]:
    """(name, address, shape) of each output, checked to be three small lists of plausible whole numbers."""
    try:
        claims = [(int(address), list(map(int, shape))) for address, shape in answer["outputs"]]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        claims = []
    plausible = all(
        0 <= address < 1 << 64 and len(shape) <= MOST_DIMENSIONS and all(0 <= size < 1 << 40 for size in shape)
        for address, shape in claims
    )
    if len(claims) != len(OUTPUT_NAMES) or not plausible:
        raise CandidateFailure("call: the candidate's process sent an answer that its worker does not send")
    named = [(name, *claim) for name, claim in zip(OUTPUT_NAMES, claims, strict=True)]
    for name, _, shape in named:
        if math.prod(max(size, 1) for size in shape) * 8 > most_bytes:
            raise CandidateFailure(f"call: {name} of shape {shape} is larger than the {most_bytes >> 20} MiB allowed")
    return named

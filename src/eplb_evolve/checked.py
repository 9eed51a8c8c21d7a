"""Numbers as they enter: a whole number in its range, or one sentence that shows what came instead."""

import operator
from typing import Any

from eplb_evolve.errors import UsageError

LARGEST = 2**31 - 1
"""Of a count of steps, layers, windows or anything else that a person writes down."""


def whole_number(value: Any, what: str, least: int = 1, most: int = LARGEST) -> int:
    """`value`, a whole number of any type, as an int; UsageError unless it is one from `least` to `most`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        allowed = f"positive whole number up to {most:,}" if least == 1 else f"whole number from {least:,} to {most:,}"
        raise UsageError(f"{what} must be a {allowed}, not {shown(value)}")
    return number


def shown(value: object) -> str:
    """A wrong value as a message shows it: not longer than a line."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"


def positive(value: Any, what: str, most: float = 1e9) -> None:
    """UsageError unless `value` is a number above 0 and at most `most`; NaN is none."""
    if isinstance(value, bool) or not 0 < value <= most:
        allowed = f"{most:,.0f} at most" if value is not True and value > most else "positive"
        raise UsageError(f"{what} must be {allowed}, not {shown(value)}")

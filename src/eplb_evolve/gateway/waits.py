"""How long to wait before another try: as the endpoint asks, else longer each time."""

import datetime
import email.utils
import math
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Waits between tries, seconds: the first, doubled each time up to the longest, less a random quarter."""

    first_s: float = 1.0
    longest_s: float = 60.0

    def wait(self, failures: int) -> float:
        """The wait after so many failures."""
        return min(self.first_s * 2.0 ** min(failures - 1, 30), self.longest_s) * random.uniform(0.75, 1.0)


def asked_to_wait(headers: Mapping[str, str], text: str = "") -> float | None:
    """Seconds that the endpoint asks to wait; None where it asks for none.

    In its headers, as a number or a date, or in an error's body as Google writes it (`retryDelay`).
    """
    delay = re.search(r'"retryDelay"\s*:\s*"([\d.]+)s"', text)
    for value, unit in (
        (headers.get("retry-after-ms", ""), 1e-3),
        (headers.get("retry-after", ""), 1.0),
        (delay[1] if delay else "", 1.0),
    ):
        seconds = _seconds(value)
        if seconds is not None and seconds > 0:
            return seconds * unit
    return None


def _seconds(value: str) -> float | None:
    try:
        number = float(value)
        return None if math.isnan(number) else number
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(value)
        return (when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp() - time.time()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None

"""A figure of one program against another's."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Gap:
    """A figure of one program against another's, with its 95 % interval."""

    value: float
    low: float
    high: float

    def excludes(self, tie: float) -> bool:
        """Whether a tie is outside of the interval."""
        return not self.low <= tie <= self.high

    @property
    def known(self) -> tuple[float | None, float | None]:
        """The ends; None for one without end, which JSON cannot hold."""
        return tuple(end if math.isfinite(end) else None for end in (self.low, self.high))  # type: ignore[return-value]

    def of_another_evaluation(self) -> "Gap":
        """With the interval in which another evaluation's figure lies: both of them scatter as these calls do."""
        low, high = (self.value + math.sqrt(2) * (end - self.value) for end in (self.low, self.high))
        return Gap(self.value, low, high)

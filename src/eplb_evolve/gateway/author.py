"""Who writes what a model reads. The gateway has its words written, and makes the answers fit."""

from dataclasses import dataclass, field
from typing import Protocol

Message = dict[str, str]


@dataclass(frozen=True)
class Written:
    """A prompt.

    Attributes:
        messages: what the model reads
        base: the program that it is asked to change, OpenEvolve's parent or a better one
        sizes: bytes of its sections by name
    """

    messages: tuple[Message, ...]
    base: str
    sizes: dict[str, int] = field(default_factory=dict)


class Author(Protocol):
    """Writes prompts out of what is known of a run."""

    def write(self, parent: str, system: str) -> Written | None:
        """The prompt for a program that OpenEvolve wants changed; None where nothing can be said of the task yet.

        system: OpenEvolve's system message, which may be the user's own.
        """

    def gains(self) -> dict[str, float | None]:
        """What each model's programs gained on the best before them, as runs.models has it."""

    def number_of(self, program: str) -> str:
        """What a program is called that was measured already, such as `proposal 7`; "" for a new one."""

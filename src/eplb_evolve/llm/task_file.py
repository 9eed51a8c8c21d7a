"""RUN/task.md: the words about a run's task, written once: each of its prompts begins with the same bytes."""

from pathlib import Path

from eplb_evolve import durable

FILE_NAME = "task.md"


def read_task(run: Path) -> str | None:
    """The words; None where they are not written yet."""
    try:
        return (run / FILE_NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def write_task(run: Path, words: str) -> None:
    """Keep the words."""
    durable.write_text(run / FILE_NAME, words)

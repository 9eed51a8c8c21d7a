"""RUN/task.md: the words about a run's task, written once: each of its prompts begins with the same bytes."""

from pathlib import Path

from eplb_evolve import durable
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.task import Task
from eplb_evolve.gateway.settings import PromptSettings
from eplb_evolve.llm.facts import gather
from eplb_evolve.llm.prompt import LEAST_BESIDE_TASK
from eplb_evolve.llm.task_words import task_words

FILE_NAME = "task.md"


def read_task(run: Path) -> str | None:
    """The words; None where they are not written yet."""
    try:
        return (run / FILE_NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def write_task(run: Path, task: Task, bench: Bench, first: Evaluation, settings: PromptSettings, longest: int) -> None:
    """Find out what is to be told, and keep it. first: a timed evaluation. longest: bytes of a program, at most.

    Raises UsageError where the budget has no room for it.
    """
    words = task_words(gather(task, bench, first), task.settings, longest)
    size = len(words.encode())
    if size + LEAST_BESIDE_TASK > settings.budget:
        raise UsageError(
            f"eplb.prompt.budget is {settings.budget} bytes, but the words about this task take {size} and the rest of "
            f"a prompt {LEAST_BESIDE_TASK} at least; raise it to {size + LEAST_BESIDE_TASK}"
        )
    durable.write_text(run / FILE_NAME, words)

"""RUN/ending.json: why a search ended before its last iteration, for whoever started it.

A search consists of several processes: any of them may find that it cannot go on. The one that does says so here and on
stderr; `eplb run` and `eplb watch` read it.
"""

import contextlib
import datetime
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from eplb_evolve import durable

FILE_NAME = "ending.json"


@dataclass(frozen=True)
class Ending:
    """when: UTC, ISO 8601. sentence: what is wrong and how to mend it. exit_code: of `eplb run`, as in errors.py."""

    when: str
    sentence: str
    exit_code: int


def end(run: Path | None, sentence: str, exit_code: int, say: bool = True) -> None:
    """Say on stderr why the search ends, and write it down. The first reason of a start counts; later ones are dropped.

    run: the search's folder, None for no file. say: False where somebody else says it. The caller ends the processes.
    """
    if run is not None and read_ending(run) is not None:
        return
    if say:
        print(f"eplb: {sentence}", file=sys.stderr, flush=True)
    if run is None:
        return
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with contextlib.suppress(OSError):  # that the disk is full may be what the sentence says
        durable.write_text(run / FILE_NAME, json.dumps(asdict(Ending(now, sentence, exit_code))) + "\n")


def read_ending(run: Path) -> Ending | None:
    """Why the last start of this run ended early; None if it did not, or does not say."""
    try:
        return Ending(**json.loads((run / FILE_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget_ending(run: Path) -> None:
    """At a new start."""
    (run / FILE_NAME).unlink(missing_ok=True)

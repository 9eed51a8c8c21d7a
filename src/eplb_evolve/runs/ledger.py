"""The ledger of a run: one JSON line per evaluation, failures too, on disk before the next evaluation starts."""

import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eplb_evolve import durable
from eplb_evolve.errors import EnvironmentProblem, UsageError
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.growing_file import GrowingFile

FILE_NAME = "ledger.jsonl"
PROGRAMS = "programs"


@dataclass(frozen=True)
class Entry:
    """One line: the evaluation, when it ended (UTC), and how the program came to be ("" when not known)."""

    evaluation: Evaluation
    when: str
    tier: str = ""
    operators: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """When it ended, seconds since the epoch; 0 where the line does not tell."""
        try:
            return datetime.datetime.fromisoformat(self.when).timestamp()
        except ValueError:
            return 0.0


class Ledger:
    """Append-only ledger of one run folder; keeps every program's text under programs/."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.file = run / FILE_NAME
        self._growing, self._entries = GrowingFile(self.file), list[Entry]()

    def keep_program(self, source: bytes, sha256: str) -> Path:
        """Store a program's text under its hash; the path that ledger lines and leaderboards name."""
        file = program_file(self.run, sha256)
        with _clear_errors(file):
            durable.write_bytes(file, source)
        return file

    def append(self, entry: Entry) -> None:
        """Write one line and wait until it is on disk. A torn last line, left by a killed process, stays apart."""
        evaluation = entry.evaluation.as_dict()
        line = {"when": entry.when, "tier": entry.tier, "operators": list(entry.operators), **evaluation}
        data = json.dumps(line, allow_nan=False).encode() + b"\n"
        with _clear_errors(self.file):
            self.run.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    data = b"\n" + data
                os.write(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def entries(self) -> list[Entry]:
        """Every complete line, oldest first; a torn line is skipped. Only what is new is read."""
        try:
            parsed = [parse(line) for line in self._growing.new_lines()]
        except OSError as problem:
            raise UsageError(f"cannot read {self.file}: {problem.strerror}; give a run's folder") from problem
        if self._growing.replaced:
            self._entries = []
        self._entries += [entry for entry in parsed if entry is not None]
        return list(self._entries)

    def best(self, split: str) -> Entry | None:
        """The best entry of the split; None before there is a feasible one."""
        return best(entry for entry in self.entries() if entry.evaluation.conditions.split == split)


def program_file(run: Path, sha256: str) -> Path:
    """Where a run keeps a program's text."""
    return run / PROGRAMS / f"{sha256[:12]}.py"


def best(entries: Iterable[Entry]) -> Entry | None:
    """The entry that no other outranks, the first of equals; None where none is feasible."""
    found: Entry | None = None
    for entry in entries:
        if entry.evaluation.outranks(found.evaluation if found is not None else None):
            found = entry
    return found


def now() -> str:
    """UTC time to the second, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def parse(line: bytes) -> Entry | None:
    """The entry of a line, None for a torn one and for one that no ledger of ours holds."""
    try:
        data: dict[str, Any] = json.loads(line, parse_constant=_no_number)
        entry = Entry(Evaluation.from_dict(data), data["when"], data["tier"], tuple(data["operators"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    words = (entry.when, entry.tier, *entry.operators)
    run = entry.evaluation
    sound = all(
        map(_sound, (run, run.conditions, run.timing, run.balance, run.serving, run.second_look, *run.on, *run.margins))
    )
    return entry if sound and all(isinstance(word, str) for word in words) else None


def _no_number(name: str) -> float:
    raise ValueError(name)  # NaN and Infinity are no JSON, and nothing can be ranked by them


def _sound(part: Any) -> bool:
    """Whether each field of a part is of its kind."""
    return part is None or all(_is(getattr(part, field.name), field.type) for field in dataclasses.fields(part))


def _is(value: object, kind: Any) -> bool:
    """Whether a value from JSON is of an annotated kind; a whole number may stand for a float, but not for a flag."""
    if isinstance(value, bool):
        return kind is bool or bool in typing.get_args(kind)
    if typing.get_origin(kind) is tuple:  # its members are looked at by themselves
        return isinstance(value, tuple)
    return isinstance(float(value) if isinstance(value, int) and isinstance(0.5, kind) else value, kind)


@contextlib.contextmanager
def _clear_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise EnvironmentProblem(
            f"cannot write {file}: {problem.strerror}; make room or choose another --output"
        ) from problem

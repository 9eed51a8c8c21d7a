"""What a run's folder and the project's results say, read once; every section of the report looks at this."""

import dataclasses
import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eplb_evolve.board.ranking import tables
from eplb_evolve.board.records import read_records
from eplb_evolve.board.rows import Row, Table, evolved_rows, named
from eplb_evolve.board.shipped_rows import read_shipped
from eplb_evolve.board.winner import winner as winner_of
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.candidate import read_program
from eplb_evolve.evaluation.objectives import objective as named_objective
from eplb_evolve.evaluation.objectives import objectives
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.paths import project
from eplb_evolve.runs.ledger import Entry, Ledger
from eplb_evolve.runs.origin import Origins
from eplb_evolve.runs.run_info import RunInfo, read_starts


@dataclass(frozen=True)
class Run:
    """A search run.

    Attributes:
        name: of its folder
        entries: its ledger, oldest first, on the workload looked at
        starts: how it was started, as far as known
        started_from: sha256 of the program that the search started from, "" when not known
        objective: what its score rewards, None when neither run.json nor a score tells
        workload: what the report looks at
        winner: the best program's measurement on the search windows; None before there is a feasible one
        confirmed: the same program on the holdout windows; None when it was not measured there
        origins: which programs its search did not find
    """

    folder: Path
    name: str
    entries: Sequence[Entry]
    starts: Sequence[RunInfo]
    started_from: str
    objective: str | None
    workload: str
    winner: Entry | None
    confirmed: Evaluation | None
    origins: Origins

    @property
    def judged(self) -> Evaluation | None:
        """What the verdict goes by: the winner on the holdout windows if it was measured there."""
        return self.confirmed or (self.winner.evaluation if self.winner is not None else None)

    @property
    def fitting(self) -> str:
        """Name of the metric that the search is after."""
        return named_objective(self.objective or "time").figure

    @property
    def seed_name(self) -> str:
        """What to call the program that the search started from."""
        return Path(self.starts[0].seed_program).stem if self.starts else f"{self.started_from[:10]} (start)"

    def is_start(self, sha256: str) -> bool:
        """Whether the search started from that program, alone or among others."""
        return sha256 == self.started_from or any(sha256 == seed for start in self.starts for _, seed in start.seeds)

    def searched(self) -> list[Evaluation]:
        """Evaluations on the search windows, oldest first."""
        return [entry.evaluation for entry in self.entries if entry.evaluation.conditions.split == "search"]

    def of(self, sha256: str, split: str) -> Evaluation | None:
        """The last measurement of a program on a split; None without one."""
        found = [each.evaluation for each in self.entries if each.evaluation.sha256 == sha256]
        return next((each for each in reversed(found) if each.conditions.split == split), None)

    def source(self, sha256: str) -> str:
        """The text of a program that the run kept; "" when its file is gone or is not that program any more."""
        kept = next((each.evaluation.program for each in self.entries if each.evaluation.sha256 == sha256), None)
        if kept is None:
            return ""
        try:
            text = read_program(self.folder / kept)
        except UsageError:
            return ""
        return text.decode("utf-8", "replace") if hashlib.sha256(text).hexdigest() == sha256 else ""


def gather(folder: Path, workload: str | None = None) -> Run:
    """Read a run. UsageError when the folder has no ledger, or a file in it is broken."""
    ledger = Ledger(folder)
    if not ledger.file.exists():
        raise UsageError(f"{folder} holds no {ledger.file.name}; give a run's folder, such as results/runs/STAMP")
    everything, starts = ledger.entries(), read_starts(folder)
    focus = workload or _workload(everything, starts)
    entries = [entry for entry in everything if entry.evaluation.conditions.workload == focus]
    objective = _objective(entries, starts)
    if objective is not None:  # older ledgers do not say it, and scores of two objectives do not compare
        entries = [entry if entry.evaluation.objective == objective else _under(objective, entry) for entry in entries]
    origins = Origins(folder, everything, project().seed_files())
    entries = [_under_its_own_hash(entry, origins) for entry in entries]
    winner, confirmed = winner_of(entries, objective)
    first = next((entry.evaluation.sha256 for entry in entries if not entry.operators), "")
    started_from = (starts[0].seed_sha256 if starts else "") or first
    name = folder.resolve().name
    return Run(folder, name, entries, starts, started_from, objective, focus, winner, confirmed, origins)


def known_rows(results: Path) -> list[Row]:
    """Records and shipped programs of the project."""
    return [row for record in read_records(results / "records") for row in record.rows()] + list(
        read_shipped(results).rows
    )


def comparable_tables(run: Run, known: Sequence[Row]) -> list[Table]:
    """Tables that hold programs of the run, holdout first, with the `known` rows that may stand beside them."""
    by_sha = {row.evaluation.sha256: row for row in known}
    rows = [*known, *(_named(row, by_sha, run) for row in evolved_rows(run.entries))]  # the last of a text counts
    here = [row for row in rows if row.evaluation.conditions.workload == run.workload]
    own = {entry.evaluation.conditions for entry in run.entries}
    board = [table for table in tables(here, run.objective or "time") if table.conditions in own]
    return sorted(board, key=lambda table: (table.conditions.split != "holdout", -len(table.rows)))


def _named(row: Row, known: Mapping[str, Row], run: Run) -> Row:
    """A run measures its seed as well: such a row keeps the name and provenance that people know."""
    sha = row.evaluation.sha256
    if sha in known:
        return dataclasses.replace(row, name=known[sha].name, provenance=known[sha].provenance)
    if sha == run.started_from:
        return dataclasses.replace(row, name=run.seed_name, provenance="seed")
    return named(row, run.origins)


def _under_its_own_hash(entry: Entry, origins: Origins) -> Entry:
    """A text that no search found counts as the file that it is, whatever a proposer wrote above it."""
    origin = origins.of(entry.evaluation)
    if origin is None:
        return entry
    return dataclasses.replace(entry, evaluation=dataclasses.replace(entry.evaluation, sha256=origin.sha256))


def _workload(entries: Sequence[Entry], starts: Sequence[RunInfo]) -> str:
    if starts:
        return starts[-1].workload
    counted = Counter(entry.evaluation.conditions.workload for entry in entries)
    return counted.most_common(1)[0][0] if counted else ""


def _objective(entries: Sequence[Entry], starts: Sequence[RunInfo]) -> str | None:
    """From run.json or the ledger; for an older run, from which rule gave a feasible program its score."""
    if starts and starts[-1].objective in objectives():
        return starts[-1].objective
    for each in (entry.evaluation for entry in entries):
        if each.objective != "time":  # older ledgers do not say it; then it reads as time
            return each.objective
        if each.feasible:
            net = each.figure("net_throughput")
            if math.isclose(each.combined_score, named_objective("time").score(each), rel_tol=1e-6):
                return "time"
            return "net_throughput" if net and math.isclose(each.combined_score, 1 + 100 * net) else "balance"
    return None


def _under(objective: str, entry: Entry) -> Entry:
    return dataclasses.replace(entry, evaluation=dataclasses.replace(entry.evaluation, objective=objective))

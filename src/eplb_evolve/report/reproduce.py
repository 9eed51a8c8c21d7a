"""How to make a run again, and how to look at what it found."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eplb_evolve.hostile_text import printable, without_folders
from eplb_evolve.report.gather import Run
from eplb_evolve.report.text import said, without_keys
from eplb_evolve.runs.run_info import RunInfo


@dataclass(frozen=True)
class Start:
    """One start of the search: a command to copy, facts as (what, value), and the configuration's text."""

    title: str
    command: str
    facts: Sequence[tuple[str, str]]
    config: str


def starts(run: Run) -> list[Start]:
    """Every start that the run's folder tells of."""
    return [_start(number, info) for number, info in enumerate(run.starts, 1)]


def _start(number: int, info: RunInfo) -> Start:
    resumed = "resumed from a checkpoint, " if info.resumed else ""
    facts = [
        ("iterations", f"{info.iterations:,}"),
        ("random seed", str(info.random_seed)),
        ("proposer", info.proposer),
        ("objective", info.objective),
        ("workload", info.workload),
        ("seed program", info.seed_program),
        ("its sha256", info.seed_sha256 or "not known"),
        *((f"and {file}", sha256 or "not known") for file, sha256 in info.island_programs),
        ("versions", ", ".join(f"{name} {version}" for name, version in info.versions.items())),
    ]
    return Start(
        f"Start {number}: {resumed}{info.started}",
        said(shlex.join(info.command), 2000),
        [(what, said(value)) for what, value in facts],
        printable(without_folders(without_keys(info.config))),
    )


def looking(run: Run) -> list[tuple[str, str]]:
    """Commands that look at the run again: (what for, command)."""
    folder = Path("results/runs") / run.name
    place = shlex.quote(str(folder))
    found = [("its programs beside the seeds", f"eplb leaderboard --run {place}")]
    if run.winner is not None:
        best = run.winner.evaluation
        program = shlex.quote(str(folder / best.program))
        found += [
            (
                "the best program judged again",
                f"eplb evaluate {program} --workload {shlex.quote(run.workload)} --split holdout",
            ),
            ("its steps with every change", f"eplb lineage {best.sha256[:10]} --run {place} --diff"),
        ]
    found.append(("every recorded child made again", f"eplb replay {place}"))
    found.append(("this page", f"eplb report --run {place}"))
    return [(what, said(command)) for what, command in found]


def facts(run: Run) -> list[tuple[str, str]]:
    """Hashes, machine, and when: what does not depend on run.json."""
    found = [("run", run.name)]
    if run.winner is not None:
        found.append(("best program, sha256", run.winner.evaluation.sha256))
    found.append(("started from, sha256", run.started_from or "not known"))
    if run.entries:
        machines = dict.fromkeys(entry.evaluation.conditions.machine for entry in run.entries)
        levels = dict.fromkeys(entry.evaluation.conditions.sandbox_level for entry in run.entries)
        found += [
            ("machine", "; ".join(machines)),
            ("sandbox", ", ".join(levels)),
            ("evaluated", f"{run.entries[0].when} to {run.entries[-1].when}"),
        ]
    return [(what, said(value)) for what, value in found]

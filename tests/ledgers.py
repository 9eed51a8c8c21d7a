"""Made-up runs for tests: ledger lines at given times, and how the run was started."""

import dataclasses
import datetime
import json
import os

from evaluations import evaluated

from eplb_evolve.runs.ledger import FILE_NAME, Entry
from eplb_evolve.runs.run_info import RunInfo, add_start

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp()


def at(seconds):
    """That many seconds after START, as ledgers write it."""
    return datetime.datetime.fromtimestamp(START + seconds, datetime.UTC).isoformat(timespec="seconds")


def entry(seconds, ratio=None, operators=("jit_run",), **fields):
    """An evaluation that ended `seconds` after START: feasible with a ratio, else invalid."""
    given = {"program": "programs/p.py", "sha256": f"sha{seconds}", "machine": "some CPU"}
    given |= {"speedup_over_seed": 50 / ratio} if ratio is not None else {}
    return Entry(evaluated(ratio, **given | fields), at(seconds), "T0", operators)


def line(one):
    """As the ledger has it."""
    made = {"when": one.when, "tier": one.tier, "operators": list(one.operators)}
    return (json.dumps(made | one.evaluation.as_dict()) + "\n").encode()


def append(run, *entries):
    """Without the ledger's waiting for the disk."""
    run.mkdir(exist_ok=True)
    with (run / FILE_NAME).open("ab") as file:
        file.write(b"".join(map(line, entries)))


def started(run, seconds, iterations, resumed=False, objective="time", **fields):
    """A start into that folder, `seconds` after START."""
    info = RunInfo(
        started=at(seconds),
        command=("openevolve-run",),
        iterations=iterations,
        resumed=resumed,
        workload="w",
        objective=objective,
        proposer="models m",
        random_seed=42,
        seed_program="seed.py",
        seed_sha256="",
        config="x: 1\n",
        versions={},
    )
    add_start(run, dataclasses.replace(info, **fields))


def finished(run, seconds):
    """What OpenEvolve writes down when it ends, `seconds` after START."""

    file = run / "best" / "best_program_info.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text("{}")
    os.utime(file, (START + seconds, START + seconds))

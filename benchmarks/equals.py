"""What is said of equal programs: stars that are missing on a board, and differences that `eplb compare` sees.

    python benchmarks/equals.py stars [--blocks 24] [--draws 200]
    python benchmarks/equals.py compare [--runs 20]

stars: each of two programs is measured in so many blocks, each in a process of its own, as evaluations do; call times,
balance and transfers of every row are kept in results/benchmarks/equals.json. A draw makes a board of ten equal
programs: ten of these blocks, the rows of each drawn anew. No equal beats another, so each must have its star.
--blocks 0 takes the stored ones. compare: a program beside its own text with a comment more, again and again.
"""

import argparse
import datetime
import json
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from calibrated import fresh_block

from eplb_evolve import config, machine
from eplb_evolve.board.ranking import pareto
from eplb_evolve.board.rows import Row
from eplb_evolve.cli.compare import in_words
from eplb_evolve.evaluation.bench import open_bench
from eplb_evolve.evaluation.comparison import compare
from eplb_evolve.evaluation.gap import Gap
from eplb_evolve.evaluation.paired import mean_difference, ratio_of_sums
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.task import Task, build_task
from eplb_evolve.evaluation.timed import Timed
from eplb_evolve.evaluation.timing import NullCall, bootstrap_interval, estimate
from eplb_evolve.paths import project

PROGRAMS = ("numba_greedy", "adrs_snake")
"""One that balances as the reference does, and one that does not."""
ON_A_BOARD = 10
STORED = project().results / "benchmarks" / "equals.json"
SAID_OF_EQUALS = ("No difference in time", "balance the next window alike", "worth the same")


def main() -> None:
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("stars", "compare"))
    parser.add_argument("--blocks", type=int, default=24)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    section = config.read_eplb(project().config)
    task = build_task(project().workloads, section.workload, [], section.settings(), "holdout")
    print(f"{machine.describe()}; {datetime.date.today()}; {task.name}, holdout windows")
    if given.what == "compare":
        compare_equals(task, given.runs)
        return
    if given.blocks:
        STORED.write_text(json.dumps(measured(task, given.blocks)) + "\n")
    for name, blocks in json.loads(STORED.read_text()).items():
        missing = [missing_stars(blocks, draw) for draw in range(given.draws)]
        share = sum(missing) / given.draws / ON_A_BOARD
        print(
            f"{name}: {given.draws} boards of {ON_A_BOARD} equal programs from {len(blocks)} blocks; {share:.1%} of "
            f"the stars are missing, on {np.count_nonzero(missing)} boards"
        )


def measured(task: Task, blocks: int) -> dict[str, list[dict[str, list[float]]]]:
    """By program, of each block: net seconds, balancedness and transfers of the program and of the reference."""
    found: dict[str, list[dict[str, list[float]]]] = {name: [] for name in PROGRAMS}
    seeds = project().seed_files()
    with closing(open_bench(task.settings)) as bench:
        for _ in range(blocks):
            for name, rows in found.items():
                timed = Timed.of(fresh_block(seeds[name], task, bench, np.random.default_rng()), task)
                rows.append(
                    {
                        f"{which}_{who}": [float(f"{value:.6g}") for value in getattr(side, which)]
                        for who, side in (("own", timed.own), ("reference", timed.reference))
                        for which in ("net", "next_window", "moved")
                    }
                )
    return found


def missing_stars(blocks: list[dict[str, list[float]]], seed: int) -> int:
    """Of a board of equal programs."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(blocks), ON_A_BOARD, replace=False)
    rows = [Row(str(at), "evolved", drawn(str(at), blocks[at], rng)) for at in chosen]
    return len(rows) - len(pareto(rows))


def drawn(name: str, block: dict[str, list[float]], rng: np.random.Generator) -> Evaluation:
    """An evaluation from the rows of a block, drawn anew; entry i of both sides stays together."""

    def pair(which: str) -> list[Any]:
        own, reference = (np.array(block[f"{which}_{who}"]) for who in ("own", "reference"))
        rows = rng.integers(len(own), size=len(own))
        return [own[rows], reference[rows]]

    time = estimate(*pair("net"), NullCall(0.0, 0.0))
    figures = {
        "time_ms": time.time_ms,
        "ratio_to_reference": time.ratio,
        "ratio_low": time.ratio_low,
        "ratio_high": time.ratio_high,
        "balancedness": float(np.mean(block["next_window_own"])),
    }
    for figure, which, statistic in (
        ("balancedness_ratio", "next_window", ratio_of_sums),
        ("transfers_more", "moved", mean_difference),
    ):
        data = tuple(pair(which))
        value = float(statistic(*data))
        gap = Gap(value, *bootstrap_interval(statistic, data)).of_another_evaluation()
        figures |= {figure: value, f"{figure}_low": gap.low, f"{figure}_high": gap.high}
    about = {"program": name, "sha256": name, "status": "feasible", "workload": "", "split": "", "device": ""}
    return Evaluation.from_dict(about | {"machine": "", "sandbox_level": ""} | figures)


def compare_equals(task: Task, runs: int) -> None:
    """How often each sentence says that there is no difference."""
    text = project().seed_files()["numba_greedy"].read_text()
    said = dict.fromkeys(SAID_OF_EQUALS, 0)
    with closing(open_bench(task.settings)) as bench, tempfile.TemporaryDirectory() as folder:
        one, other = (Path(folder) / f"{name}.py" for name in ("one", "other"))
        one.write_text(text)
        other.write_text(text + "\n# a comment\n")
        for _ in range(runs):
            words = in_words(compare(one, other, task, bench))
            for sentence in said:
                said[sentence] += sentence in words
            print(f"  {words}", flush=True)
    for sentence, count in said.items():
        print(f"{count} of {runs}: {sentence}")


if __name__ == "__main__":
    main()

"""What ShinkaEvolve calls for every program, with the Python of eplb-evolve. See README.md beside it."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import eplb_evolve
from eplb_evolve.errors import EnvironmentProblem, EplbError
from eplb_evolve.evaluation.result import Status
from eplb_evolve.feedback import artifacts, metrics
from eplb_evolve.hostile_text import one_line


def judged(program: Path, workload: str | None) -> tuple[dict[str, Any], dict[str, Any], str]:
    """What ShinkaEvolve reads in metrics.json and correct.json, and a line for people.

    An invalid or infeasible program is not correct, with a low score and the reason. EnvironmentProblem where the
    evaluator or the machine failed: that says nothing about the program.
    """
    found = eplb_evolve.evaluate(program, workload)
    if found.status is Status.EVALUATOR_FAILED:
        raise EnvironmentProblem(found.reason)
    words = artifacts(found, found.objective)
    feedback = "\n".join(f"{name}: {text}" for name, text in words.items())
    told = {"combined_score": found.combined_score, "public": metrics(found), "private": {}, "text_feedback": feedback}
    line = one_line(f"score {found.combined_score:6.3f}  {words['time' if found.feasible else 'verdict']}")[:113]
    return told, {"correct": found.feasible, "error": found.reason or None}, line


def main() -> None:
    """Judge a program, and leave both files."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--program_path", type=Path, required=True)
    options.add_argument("--results_dir", type=Path, required=True)
    options.add_argument("--workload")
    given = options.parse_args()
    try:
        told, correct, line = judged(given.program_path, given.workload)
    except EplbError as problem:
        print(f"evaluate.py: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)
    given.results_dir.mkdir(parents=True, exist_ok=True)
    (given.results_dir / "metrics.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    (given.results_dir / "correct.json").write_text(json.dumps(correct, indent=1), encoding="utf-8")
    print(line)


if __name__ == "__main__":
    main()

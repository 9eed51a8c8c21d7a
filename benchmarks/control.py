"""The control: what a search finds without an LLM, and what blind mutation finds, on the same budget.

    python benchmarks/control.py [--evaluations 300] [--minutes 25] [--seeds 1 2 3 4 5] [--models embedded random-edits]
                                 [--llm NAME=CONFIG] [--out results/control]

Each (model, seed) is one run of stock openevolve-run with evolve_config.yaml, but for the model's name and the seed; an
LLM's run takes CONFIG. A run ends after so many evaluations or minutes, whichever comes first. What each evaluation
came to is kept in OUT/runs/MODEL-SEED.json, and a run that is there is not made again, so the command can be
interrupted. Then OUT/control.svg shows the best feasible speed-up over the seed against evaluations (median, and the
band from worst to best), and OUT/README.md the figures.

With --again no run is made: each run's best program is measured beside the seed on the holdout windows, all in one
process, into OUT/again.json. A run's own speed-ups are against the seed's ratio as it was measured once on the machine;
these are against its ratio in the same minutes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml
from control_report import write_report

from eplb_evolve import machine
from eplb_evolve.evaluation.measured import DEEPSEEK_FORM_SHA256
from eplb_evolve.paths import project
from eplb_evolve.runs.ledger import Ledger

FIRST_PORT = 18770
POLL_S = 2.0


@dataclass(frozen=True)
class Plan:
    """One run to make: the model, where its configuration comes from, the seed, and the budget."""

    model: str
    config: Path
    seed: int
    evaluations: int
    minutes: float


def main() -> None:
    """Make the runs that are missing, then the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--models", nargs="*", default=["embedded", "random-edits"])
    parser.add_argument("--llm", nargs="*", default=[], metavar="NAME=CONFIG", help="an LLM's configuration")
    parser.add_argument("--out", type=Path, default=project().root / "results" / "control")
    parser.add_argument("--again", action="store_true", help="measure the best programs beside the seed, no more runs")
    parser.add_argument("--scratch", type=Path, default=project().root / "results" / "runs" / "control")
    arguments = parser.parse_args()
    configs = dict.fromkeys(arguments.models, project().config)
    configs |= {name: Path(path) for name, _, path in (item.partition("=") for item in arguments.llm)}
    runs = arguments.out / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    if arguments.again:
        (arguments.out / "again.json").write_text(json.dumps(measured_again(runs), indent=0) + "\n")
    for seed in () if arguments.again else arguments.seeds:
        for model, config in configs.items():
            kept = runs / f"{model}-{seed}.json"
            if not kept.exists():
                plan = Plan(model, config, seed, arguments.evaluations, arguments.minutes)
                kept.write_text(json.dumps(make_run(plan, arguments.scratch), indent=0) + "\n")
            print(f"{kept}", file=sys.stderr)
    write_report(arguments.out)


def make_run(plan: Plan, scratch: Path) -> dict[str, object]:
    """Search, and say what every evaluation came to."""
    folder = scratch / f"{plan.model}-{plan.seed}"
    if folder.exists():
        raise SystemExit(f"{folder} is left from an interrupted run; look at it, remove it, start again")
    folder.mkdir(parents=True)
    config = configured(plan, folder)
    command = [str(Path(sys.executable).with_name("openevolve-run")), "initial_program.py", "evaluator.py"]
    command += ["--config", str(config), "--output", str(folder), "--iterations", str(plan.evaluations - 1)]
    started = time.time()
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(command, cwd=project().root, stdout=output, stderr=output, start_new_session=True)
        while process.poll() is None and time.time() - started < plan.minutes * 60:
            time.sleep(POLL_S)
        seconds = time.time() - started
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)  # OpenEvolve finishes its iteration
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
    entries = Ledger(folder).entries()
    return {
        "plan": {**asdict(plan), "config": plan.config.name},
        "machine": machine.describe(),
        "date": time.strftime("%Y-%m-%d", time.gmtime(started)),
        "seconds": round(seconds),
        "proposer": proposer_figures(folder),
        "evaluations": [
            {
                "valid": entry.evaluation.valid,
                "feasible": entry.evaluation.feasible,
                "speedup": entry.evaluation.figure("speedup_over_seed"),
                "wall_s": round(entry.evaluation.wall_s, 2),
                "first_call_ms": entry.evaluation.first_call_ms,
                "operators": "+".join(entry.operators),
                "program": entry.evaluation.sha256[:12],
                "reason": entry.evaluation.reason[:100],
            }
            for entry in entries
        ],
        "best": best_program(folder),
    }


def measured_again(runs: Path) -> dict[str, object]:
    """The seed and the best program of each run that found one, on the holdout windows."""
    with tempfile.TemporaryDirectory() as folder:
        programs = [project().root / "seeds" / "deepseek.py"]
        for file in sorted(runs.glob("*.json")):
            best = json.loads(file.read_text())["best"]
            if best and best["sha256"] != DEEPSEEK_FORM_SHA256:
                programs.append(Path(folder) / f"{file.stem}.py")
                programs[-1].write_text(best["source"])
        command = [Path(sys.executable).with_name("eplb"), "evaluate", *programs, "--split", "holdout", "--json"]
        answer = subprocess.run(command, cwd=project().root, stdout=subprocess.PIPE, check=True, text=True)
    seed, *others = json.loads(answer.stdout)
    kept = ("time_ms", "ratio_to_reference", "ratio_low", "ratio_high", "first_call_ms", "balancedness")
    kept += ("balancedness_reference",)
    return {
        "machine": machine.describe(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "seed": {name: seed[name] for name in kept},
        "programs": {Path(each["program"]).stem: {name: each[name] for name in kept} for each in others},
    }


def configured(plan: Plan, folder: Path) -> Path:
    """The configuration with this run's model, seed and port; an LLM's keeps its own models."""
    document = yaml.safe_load(plan.config.read_text())
    document["random_seed"] = plan.seed
    if plan.model in ("embedded", "random-edits"):
        document["llm"]["models"] = [{"name": plan.model, "weight": 1.0}]
        port = FIRST_PORT + plan.seed + 20 * (plan.model == "embedded")
        document["llm"]["api_base"] = f"http://127.0.0.1:{port}/v1"
    template = document["prompt"].get("template_dir")
    if template:
        document["prompt"]["template_dir"] = str((plan.config.parent / template).resolve())
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return file


def proposer_figures(folder: Path) -> dict[str, float]:
    """What the proposer's own log says: proposals, dry runs that failed, milliseconds."""
    try:
        lines = [json.loads(line) for line in (folder / "proposer.jsonl").read_text().splitlines()]
    except FileNotFoundError:
        return {}
    failed = sum(len(line["failed_dry_runs"]) for line in lines)
    drawn = len(lines) + failed
    return {
        "proposals": len(lines),
        "failed_dry_runs": failed,
        "proposing_ms": round(sum(line["proposing_ms"] for line in lines) / max(drawn, 1), 1),
        "dry_run_ms": round(sum(line["dry_runs_ms"] for line in lines) / max(drawn, 1), 1),
    }


def best_program(folder: Path) -> dict[str, str]:
    """The text of the search's best program, for who wants to look or to measure it again."""
    best = Ledger(folder).best("search")
    if best is None:
        return {}
    return {"sha256": best.evaluation.sha256, "source": (folder / best.evaluation.program).read_text()}


if __name__ == "__main__":
    main()

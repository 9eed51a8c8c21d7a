"""The evaluator on a GPU: the seed, the reference and balancers in torch and Triton; what a CPU can run, there as well.

    python benchmarks/gpu.py            # on a machine with a GPU; `make gpu` runs the tests before
    python benchmarks/gpu.py --check    # only whether there is one; exit code 3 if not

Prints the table and writes results/gpu/benchmark.json and results/gpu/README.md.
"""

import argparse
import dataclasses
import datetime
import json
import os
import statistics
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eplb_evolve import machine, reference
from eplb_evolve.errors import EplbError
from eplb_evolve.evaluation.bench import MARKS, Bench, open_bench
from eplb_evolve.evaluation.inputs import perturb
from eplb_evolve.evaluation.measured import ratio_of
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.settings import Device, Settings
from eplb_evolve.evaluation.task import Task, build_task
from eplb_evolve.evaluation.timing import NullCall
from eplb_evolve.runs.origin import declared_device

ROOT = Path(__file__).parents[1]
WORKLOAD, CHECKS = "dsv3-composite", ("gptoss20b-phased",)
PROGRAMS = {
    "seed, plain loops": ROOT / "initial_program.py",
    f"reference, {reference.NAME}": Path(reference.__file__),
    "torch_rounds, torch": ROOT / "seeds" / "torch_rounds.py",
    "torch_graph, the same in a CUDA graph": ROOT / "seeds" / "torch_graph.py",
    "triton_greedy, one kernel": ROOT / "seeds" / "triton_greedy.py",
}
REPEATED = "torch_rounds, torch"
REPEATS, STARTS, NULL_CALLS = 10, 5, 40


@dataclass(frozen=True)
class Report:
    """What was measured with candidates on one device.

    Attributes:
        null_ms: median call of a program that does nothing
        null_spread_ms: its standard deviation
        start_ms: median time to fork, confine and import that program; on a GPU CUDA starts in it
        rows: one evaluation of each program, by name
        ratio_sd: standard deviation of ratio_to_reference over evaluations of one program, as a share of its mean
    """

    device: Device
    null_ms: float
    null_spread_ms: float
    start_ms: float
    rows: dict[str, Evaluation]
    ratio_sd: float | None


def measure(device: Device, settings: Settings, repeats: int = REPEATS) -> Report:
    """Evaluate all programs with their tensors on `device`."""
    settings = dataclasses.replace(settings, device=device)
    task = build_task([ROOT / "workloads"], WORKLOAD, CHECKS, settings)
    with closing(open_bench(settings)) as bench:
        start = statistics.median(_start_ms(bench, settings) for _ in range(STARTS))
        null = _null_call(bench, task)
        programs = {name: file for name, file in PROGRAMS.items() if declared_device(file) in ("cpu", device)}
        rows = {name: evaluate(program, task, bench) for name, program in programs.items()}
        again = [ratio_of(evaluate(PROGRAMS[REPEATED], task, bench)) for _ in range(repeats)]
    ratios = [ratio for ratio in again if ratio is not None]
    deviation = statistics.stdev(ratios) / statistics.mean(ratios) if len(ratios) == repeats else None
    return Report(device, null.seconds * 1e3, null.spread * 1e3, start, rows, deviation)


def _null_call(bench: Bench, task: Task) -> NullCall:
    """The clock's overhead, call upon call: in a block, beside others, it is larger."""
    inputs = perturb(*task.workload.windows[:2], task.workload.topology.groups, np.random.default_rng())
    cpus = sorted(os.sched_getaffinity(0))[: task.settings.limits.threads]
    with bench.timing_lock():
        calls = [bench.call_mark("null", inputs, task.workload.topology, cpus) for _ in range(NULL_CALLS)]
    return NullCall.measured(np.array(calls))


def _start_ms(bench: Bench, settings: Settings) -> float:
    began = time.perf_counter()
    bench.zygote.spawn(MARKS / "null.py", settings.limits).close()
    return (time.perf_counter() - began) * 1e3


def table(reports: list[Report]) -> str:
    """The figures as Markdown."""
    lines = [
        "| program | tensors on | ms | 95 % interval | x ref | first call, ms | bal. next |",
        "|---|---|---|---|---|---|---|",
    ]
    for report in reports:
        for name, row in report.rows.items():
            if row.feasible:
                figures = (
                    f"{row.timing.time_ms:.3g} | {row.timing.time_ms_low:.3g} to {row.timing.time_ms_high:.3g} | "
                    f"{row.timing.ratio_to_reference:.3g} | {row.first_call_ms:,.0f} | {row.balance.balancedness:.4f}"
                )
            else:
                figures = f"- | - | - | - | {row.reason}"
            lines.append(f"| {name} | {report.device} | {figures} |")
    lines += [
        "",
        "| tensors on | null call, ms | its SD, ms | worker start, ms | SD of x ref |",
        "|---|---|---|---|---|",
    ]
    for report in reports:
        spread = "-" if report.ratio_sd is None else f"{report.ratio_sd:.1%}"
        lines.append(
            f"| {report.device} | {report.null_ms:.3f} | {report.null_spread_ms:.3f} | {report.start_ms:,.0f} "
            f"| {spread} |"
        )
    return "\n".join(lines)


def _as_dict(report: Report) -> dict[str, object]:
    return vars(report) | {"rows": {name: row.as_dict() for name, row in report.rows.items()}}


def write(reports: list[Report], folder: Path) -> None:
    """benchmark.json with every figure, README.md for people."""
    on_gpu = next(report for report in reports if report.device == "cuda")
    where = next(iter(on_gpu.rows.values())).conditions
    when = datetime.datetime.now(datetime.UTC).date().isoformat()
    clocks = ", ".join(sorted({told for row in on_gpu.rows.values() if (told := row.figure("clocks"))})) or "not read"
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "when": when,
        "machine": where.machine,
        "sandbox_level": where.sandbox_level,
        "workload": WORKLOAD,
        "reports": [_as_dict(report) for report in reports],
    }
    (folder / "benchmark.json").write_text(json.dumps(data, indent=1) + "\n")
    (folder / "README.md").write_text(
        f"""# On a GPU

Written by `make gpu` (benchmarks/gpu.py), {when}.

{where.machine}; clocks just after the timed calls: {clocks} (SM/memory); sandbox level {where.sandbox_level}.
Workload {WORKLOAD}, search windows.

{table(reports)}

With tensors on cuda a call counts from the host's input to the outputs on the host: copy to the GPU, plan, wait for the
whole device, copy back; the L2 cache is overwritten before, outside of it. ms are net of the null call. The reference
plans in numpy on the host on either device; on cuda its two copies count as well. x ref compares with it on the same
device. The SD of x ref is over {REPEATS} evaluations of torch_rounds, as a share of their mean. Worker start is fork,
confinement and import of a program that does nothing; on cuda it includes the start of CUDA.
"""
    )


def main() -> int:
    """Exit code 0, 1 if a program is not feasible, 3 without a GPU."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether there is a GPU")
    arguments = parser.parse_args()
    try:
        machine.check_cuda()
        if arguments.check:
            return 0
        print(machine.describe("cuda"), flush=True)
        reports = [measure(device, Settings()) for device in ("cuda", "cpu")]
    except EplbError as problem:
        print(f"benchmarks/gpu.py: {problem}", file=sys.stderr)
        return problem.exit_code
    print(table(reports))
    write(reports, ROOT / "results" / "gpu")
    return 0 if all(row.feasible for report in reports for row in report.rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

"""How the hard constraint judges balancers whose verdict is known: equals of the reference, snake, and cheats.

    python benchmarks/constraint.py [--tie-breakings 200]

Each tie-breaking is one evaluation: that many calls on windows in trace order, perturbed as the evaluator perturbs
them, planned anew each time. Figures are shares of the reference's on the same inputs, as the constraint takes them.
The calls are those of the untimed checks, which go on from 3 to 24 where 3 fall short by little, and of a timed
evaluation of a slow program, the fewest that are planned; a composite is checked without groups too. The columns of
the profiles say how many evaluations pass.

    ties            exact greedy, every choice between values equal to the last bit by lot
    recorded ties   the same on the recorded whole numbers, without noise, where such ties abound (the reference too)
    near ties       the same, where values within 0.1 %, the evaluator's own noise, count as equal
    snake           greedy replication, replicas dealt to the GPUs forth and back
    stale, first    the plan of the split's first window, kept
    stale, half     the plan of the window half a split earlier
    first layer     the plan of the first layer, for all layers
    overfit, peaks  the plan for the load after twice the change since the call before: replicas chase momentary peaks
    overfit, step   the plan of the window's last step alone
    overfit, level  the window made level by choice of neighbours, no expert shared between GPUs
    groups ignored  the reference as if there were no groups
"""

import argparse
import dataclasses
import datetime
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import policies

from eplb_evolve import config, machine
from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation import checks
from eplb_evolve.evaluation.balance import CallBalance, measure
from eplb_evolve.evaluation.constraint import judge
from eplb_evolve.evaluation.inputs import NOISE, CallInputs, perturb
from eplb_evolve.evaluation.settings import Thresholds
from eplb_evolve.paths import project
from eplb_evolve.placement import Floats, Ints, Placement, Topology
from eplb_evolve.workload import catalog
from eplb_evolve.workload.card import SPLITS
from eplb_evolve.workload.windows import Workload

FIGURES = ("next", "same", "call", "layer")
"""Of the constraint, in the order of the thresholds: next window, same window, each call, worst layer."""

BATCH = 20
"""Evaluations planned at once, and the number of evaluations of the policies that do not draw lots."""


@dataclass(frozen=True)
class Case:
    """What is evaluated: one split of one workload under one topology.

    Attributes:
        steps: [steps, layers, experts], the counts of which the windows are sums
    """

    workload: Workload
    topology: Topology
    split: str
    steps: Floats = field(repr=False)

    @property
    def name(self) -> str:
        """For example `dsv3-composite without groups, holdout`."""
        without = "" if self.topology == self.workload.topology else " without groups"
        return f"{self.workload.name}{without}, {self.split}"

    def window(self, call: int) -> int:
        """The window that call number `call` plans on; calls go round the split, a negative one was a round before."""
        pairs = self.workload.pairs(self.split)
        return pairs[call % len(pairs)][0]

    def draw(self, call: int, rng: np.random.Generator) -> CallInputs:
        """Perturbed inputs of call number `call`."""
        now = self.window(call)
        load, following = (self.workload.redraw(window, rng) for window in (now, now + 1))
        return perturb(load, following, self.topology.groups, rng)

    def draw_recorded(self, call: int, rng: np.random.Generator) -> CallInputs:
        """Inputs of call number `call` in a new order, but without scale and noise."""
        inputs = self.draw(call, rng)
        load = self.workload.windows[self.window(call)][inputs.layer_order]
        weight = np.take_along_axis(load, inputs.expert_order, axis=1).astype(np.float32)
        return dataclasses.replace(inputs, weight=weight)


Planner = Callable[[Case, int, Sequence[CallInputs]], Ints]
"""(case, number of the call, its inputs in D evaluations) -> phy2log [D, L, R]."""


def fresh(policy: policies.Policy) -> Planner:
    """Each call planned on its own input."""

    def plan(case: Case, _: int, draws: Sequence[CallInputs]) -> Ints:
        load = np.concatenate([inputs.weight for inputs in draws]).astype(np.float64)
        return policy(load, case.topology).reshape(len(draws), -1, case.topology.replicas)

    return plan


def first_layer(case: Case, _: int, draws: Sequence[CallInputs]) -> Ints:
    """The plan of a call's first layer, copied to all of its layers."""
    load = np.stack([inputs.weight[0] for inputs in draws]).astype(np.float64)
    return np.repeat(policies.greedy(load, case.topology)[:, None], case.steps.shape[1], axis=1)


def elsewhere(load_of: Callable[[Case, int], Floats]) -> Planner:
    """The reference's plan for another load than the call's own, `load_of` the case and the call."""

    def plan(case: Case, call: int, draws: Sequence[CallInputs]) -> Ints:
        phy2log = policies.greedy(load_of(case, call), case.topology)
        return np.stack([inputs.from_workload_order(phy2log) for inputs in draws])

    return plan


def first_window(case: Case, _: int) -> Floats:
    """Load of the split's first window."""
    return case.workload.windows[case.window(0)]


def half_a_split_earlier(case: Case, call: int) -> Floats:
    """Load half a split before the call's; a round has gone before the first."""
    return case.workload.windows[case.window(call - len(case.workload.pairs(case.split)) // 2)]


def rising(case: Case, call: int) -> Floats:
    """Load of the call's window after twice the change since the window of the call before."""
    load, before = (case.workload.windows[case.window(number)] for number in (call, call - 1))
    return np.maximum(load + 2 * (load - before), 0)


def last_step(case: Case, call: int) -> Floats:
    """Load of the last step of the call's window."""
    return case.steps[(case.window(call) + 1) * case.workload.card.interval_steps - 1]


OTHERS: Mapping[str, Planner] = {
    "snake": fresh(policies.snake),
    "stale, first": elsewhere(first_window),
    "stale, half": elsewhere(half_a_split_earlier),
    "first layer": first_layer,
    "overfit, peaks": elsewhere(rising),
    "overfit, step": elsewhere(last_step),
    "overfit, level": fresh(policies.levelled),
}


@dataclass(frozen=True)
class Evaluations:
    """Balance of one balancer and of the reference, [evaluation][call], on the same inputs."""

    candidate: list[list[CallBalance]]
    reference: list[list[CallBalance]]

    def figures(self, calls: int) -> Floats:
        """FIGURES of each evaluation when only its first calls are made, [evaluations, 4]."""
        return np.array([figures(*rows) for rows in self._rows(calls)])

    def passes(self, calls: int, least: Thresholds) -> int:
        """Evaluations that keep the constraint when only their first calls are made."""
        return sum(judge(*rows, least).feasible for rows in self._rows(calls))

    def _rows(self, calls: int) -> Iterator[tuple[list[CallBalance], list[CallBalance]]]:
        for candidate, reference in zip(self.candidate, self.reference, strict=True):
            yield candidate[:calls], reference[:calls]


def figures(candidate: Sequence[CallBalance], reference: Sequence[CallBalance]) -> tuple[float, float, float, float]:
    """What `judge` compares with the thresholds."""

    def of_means(name: str) -> float:
        return sum(getattr(row, name) for row in candidate) / sum(getattr(row, name) for row in reference)

    worst = min(mine.same_window / its.same_window for mine, its in zip(candidate, reference, strict=True))
    return of_means("next_window"), of_means("same_window"), worst, of_means("worst_layer")


def evaluate(
    case: Case,
    planners: Mapping[str, Planner],
    calls: int,
    evaluations: int,
    rng: np.random.Generator,
    draw: Callable[[Case, int, np.random.Generator], CallInputs] = Case.draw,
) -> dict[str, Evaluations]:
    """Judge-ready balance of each planner. CandidateFailure from one whose placement is not valid."""
    reference: list[list[CallBalance]] = [[] for _ in range(evaluations)]
    results = {name: Evaluations([[] for _ in range(evaluations)], reference) for name in planners}
    for call in range(calls):
        for start in range(0, evaluations, BATCH):
            draws = [draw(case, call, rng) for _ in range(start, min(start + BATCH, evaluations))]
            rows = {name: balance(case, planner, call, draws) for name, planner in planners.items()}
            exact = balance(case, fresh(policies.greedy), call, draws)
            for number in range(len(draws)):
                reference[start + number].append(exact[number])
                for name, result in results.items():
                    result.candidate[start + number].append(rows[name][number])
    return results


def evaluate_equals(case: Case, calls: int, evaluations: int, rng: np.random.Generator) -> dict[str, Evaluations]:
    """Balance of balancers that are as good as the reference."""
    ties, near = fresh(policies.RandomTies(rng)), fresh(policies.RandomTies(rng, NOISE))
    results = evaluate(case, {"ties": ties, "near ties": near}, calls, evaluations, rng)
    return results | evaluate(case, {"recorded ties": ties}, calls, evaluations, rng, Case.draw_recorded)


def balance(case: Case, planner: Planner, call: int, draws: Sequence[CallInputs]) -> list[CallBalance]:
    """Balance that a planner reaches with each of the inputs; its placements are verified."""
    phy2log = planner(case, call, draws)  # [D, L, R]
    experts = case.steps.shape[2]
    placement = policies.checked(phy2log.reshape(-1, case.topology.replicas), experts, case.topology)
    logcnt = placement.logcnt.reshape(*phy2log.shape[:2], experts)
    return [
        measure(Placement(phy2log[number], logcnt[number]), inputs, case.topology.gpus)
        for number, inputs in enumerate(draws)
    ]


def cases(name: str, folder: Path) -> list[Case]:
    """Both splits of a workload, and where groups bind it, both without groups, as the evaluator checks it."""
    workload = catalog.load(name, folder)
    topologies = [workload.topology]
    if workload.topology.groups > 1 and workload.topology.hierarchical:
        _, _, nodes, gpus = workload.topology.as_arguments()
        topologies.append(Topology(workload.topology.replicas, 1, nodes, gpus))
    steps = step_counts(workload)
    return [Case(workload, topology, split, steps) for topology in topologies for split in SPLITS]


def step_counts(workload: Workload) -> Floats:
    """Counts [steps, layers, experts] of which the workload's windows are sums; a composite's by its rule."""
    recorded = workload.recorded.astype(np.float64)
    return recorded if workload.placed is None else recorded.reshape(len(recorded), -1)[:, workload.placed]


def main() -> None:
    """Evaluate everything on everything, print a table for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tie-breakings", type=int, default=200)
    arguments = parser.parse_args()
    section = config.read_eplb(project().config)
    folder = project().root / "workloads"
    rng = np.random.default_rng(0)
    print(f"{machine.describe()}; {datetime.date.today()}")
    for name, least in section.profiles.items():
        limits = zip(FIGURES, dataclasses.astuple(least), strict=True)
        print(f"{name}: " + ", ".join(f"{figure} {limit:g}" for figure, limit in limits))
    for case in [case for name in catalog.names(folder) for case in cases(name, folder)]:
        timed = case.topology == case.workload.topology
        numbers = sorted({checks.CALLS, checks.MORE_CALLS} | ({section.timing.pairs_slow} if timed else set()))
        equal = evaluate_equals(case, max(numbers), arguments.tie_breakings, rng)
        others = evaluate(case, OTHERS, max(numbers), BATCH, rng)
        for calls in numbers:
            print(f"\n{case.name}, {calls} calls")
            print_table(equal, others, calls, section.profiles)
        if timed and case.topology.nodes > 1:
            print(groups_ignored(case, rng))


def print_table(
    equal: Mapping[str, Evaluations],
    others: Mapping[str, Evaluations],
    calls: int,
    profiles: Mapping[str, Thresholds],
) -> None:
    """Least, 1 % and median figures of the equals, medians of the others, and how many evaluations pass."""
    print(" " * 23 + "".join(f"{name:>8}" for name in FIGURES) + "".join(f"{name:>10}" for name in profiles))
    for name, result in {**equal, **others}.items():
        total = len(result.candidate)
        verdicts = "".join(f"{f'{result.passes(calls, least)}/{total}':>10}" for least in profiles.values())
        for label, percent in {"least": 0, "1 %": 1, "median": 50}.items():
            if name in equal or label == "median":
                values = np.percentile(result.figures(calls), percent, axis=0)
                row = f"{name:16}{label:7}" + "".join(f"{value:8.4f}" for value in values)
                print(row + (verdicts if label == "median" else ""))


def groups_ignored(case: Case, rng: np.random.Generator) -> str:
    """What the evaluator says of the plan that ignores groups."""
    try:
        evaluate(case, {"groups ignored": fresh(policies.groups_ignored)}, 1, 1, rng)
    except CandidateFailure as failure:
        return textwrap.fill(f"groups ignored  invalid: {failure}", 80, subsequent_indent=" " * 16)
    return "groups ignored  passes as valid"


if __name__ == "__main__":
    main()

"""One program through a split's windows, as the public evaluators would take it: in order, unchanged, with int64 loads.

It runs in the sandbox as any program does, but its outputs are taken unverified: the public evaluators accept what we
refuse, and what they make of it is the question.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from eplb_evolve.errors import CandidateFailure, UsageError
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.candidate import hidden
from eplb_evolve.evaluation.inputs import as_they_are
from eplb_evolve.evaluation.processors import Processors
from eplb_evolve.evaluation.published.formulas import leaderboard_score, refusal, skydiscover_score
from eplb_evolve.evaluation.published.simulation import Simulated, simulate
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.timing import NullCall
from eplb_evolve.placement import Floats, verify_groups, verify_maps
from eplb_evolve.sandbox import Worker
from eplb_evolve.sandbox.client import CallResult
from eplb_evolve.topology import Topology

ROUNDS = 5
"""Timed calls of each window; the public evaluators make one, and a mean of five such would be the neighbours'."""

Checked = tuple[bool, bool]
"""Whether the groups are kept, and whether log2phy is right."""


@dataclass(frozen=True)
class Figures:
    """Means over windows, of what both formulas are made of.

    Attributes:
        expert_balancedness, gpu_balancedness: on the next window, 0..1, of slots and of GPUs
        call_ms: mean over windows of the median of a call, less the clock's overhead and the wait for a processor
        simulation_ms: of our simulation in Python after it
        first_call_ms: of a first call on random load, which is left out; theirs counts as any other
        windows: how many were planned on
    """

    expert_balancedness: float
    gpu_balancedness: float
    call_ms: float
    simulation_ms: float
    first_call_ms: float
    windows: int


@dataclass(frozen=True)
class Published:
    """What the two would say.

    Attributes:
        skydiscover_score, leaderboard_score: 0 where they refuse the outputs; None where the program gave none here
        groups_kept: whether phy2log keeps every group on one node in all windows; None where there is no such rule,
            or no output
        log2phy_right: whether log2phy, logcnt and phy2log say the same in all windows; None where there is no output
        reason: why there are no figures
        figures: None where both refuse the outputs, or there are none
    """

    skydiscover_score: float | None
    leaderboard_score: float | None
    groups_kept: bool | None
    log2phy_right: bool | None
    reason: str = ""
    figures: Figures | None = None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: flat, with every name."""
        own = asdict(self)
        figures = own.pop("figures") or dict.fromkeys(each.name for each in fields(Figures))
        return own | figures


def refuse_what_is_not_theirs(task: Task) -> None:
    """Raise UsageError for a task that the public evaluators could not have."""
    if task.settings.device != "cpu":
        raise UsageError("--published: both public evaluators hand over tensors on the CPU; use --device cpu")
    if task.others:
        raise UsageError(f"--published: no mean over workloads is defined; instead of {task.name} name each by itself")


def published(program: Path, task: Task, bench: Bench) -> Published:
    """Call a program on every window of the task's split and apply both formulas."""
    started = False
    try:
        with closing(bench.zygote.spawn(program, task.settings.limits)) as worker, bench.timing_lock():
            calls = _Timed(worker, task, bench)
            first_s, started = calls.first(), True
            return _through_windows(calls, task, first_s)
    except CandidateFailure as failure:  # its words may hold a window only after it was given one
        reason = failure.public if started and hidden(task) else str(failure)
        return Published(None, None, None, None, reason=reason)


def _through_windows(calls: "_Timed", task: Task, first_s: float) -> Published:
    topology = task.workload.topology
    _, layers, experts = task.workload.windows.shape
    checked: list[Checked] = []
    simulated: list[Simulated] = []
    for now, following in task.workload.pairs(task.split):
        load, next_load = task.workload.windows[now], task.workload.windows[following]
        answer = calls.call(now, load)
        checked.append(_check(answer, (layers, experts), topology))
        seen = _seen(answer, next_load, topology)
        if isinstance(seen, str):
            return Published(0.0, 0.0, *_always(checked, topology), reason=seen)
        simulated.append(seen)
    calls.again()
    call_s, simulation_s = calls.mean_s(), float(np.mean([each.seconds for each in simulated]))
    figures = Figures(
        expert_balancedness=float(np.mean([each.experts for each in simulated])),
        gpu_balancedness=float(np.mean([each.gpus for each in simulated])),
        call_ms=1e3 * call_s,
        simulation_ms=1e3 * simulation_s,
        first_call_ms=1e3 * first_s,
        windows=len(simulated),
    )
    return Published(
        skydiscover_score(figures.expert_balancedness, call_s + simulation_s),
        leaderboard_score(figures.gpu_balancedness, call_s),
        *_always(checked, topology),
        figures=figures,
    )


class _Timed:
    """Calls with the five arguments that both evaluators give, beside calls that plan nothing."""

    def __init__(self, worker: Worker, task: Task, bench: Bench) -> None:
        self._worker, self._task, self._bench = worker, task, bench
        self._rng = np.random.default_rng()
        self._processors = Processors(self._rng)
        self._seconds: dict[int, list[float]] = {}
        self._null: list[float] = []

    def first(self) -> float:
        """Seconds of a call on random load, in which compilers run."""
        load = self._rng.lognormal(8, 1, self._task.workload.windows.shape[1:]).astype(np.int64)
        return self._worker.call(load, self._task.workload.topology).seconds

    def call(self, window: int, load: Floats) -> CallResult:
        """Plan on a load [L, E] of a window."""
        topology = self._task.workload.topology
        cpus = self._processors.choose(self._task.settings.limits.threads)
        answer = self._worker.call(load.astype(np.int64), topology, None, cpus)
        self._seconds.setdefault(window, []).append(answer.seconds - answer.waited)
        self._null.append(self._bench.call_mark("null", as_they_are(load, load), topology, cpus))
        return answer

    def again(self) -> None:
        """Further calls on each window, its steps drawn anew, for a time that a busy machine disturbs less."""
        ends = time.monotonic() + self._task.settings.timing.max_seconds
        for _ in range(ROUNDS - 1):
            for window in self._seconds:
                if time.monotonic() > ends:
                    return
                self.call(window, self._task.workload.redraw(window, self._rng))

    def mean_s(self) -> float:
        """Mean over windows of the median of a call, less what the clock itself takes."""
        medians = np.array([np.median(calls) for calls in self._seconds.values()])
        return float(NullCall.measured(np.array(self._null)).net(medians).mean())


def _seen(answer: CallResult, next_load: Floats, topology: Topology) -> Simulated | str:
    """The next window [L, E] under the outputs, or why both evaluators give 0."""
    refused = refusal(answer.phy2log, answer.logcnt, next_load, topology.replicas)
    if refused:
        return refused
    seen = simulate(answer.log2phy, answer.logcnt, next_load, topology.replicas, topology.gpus)
    return seen or "log2phy names slots that there are not, or has another shape than theirs"


def _check(answer: CallResult, shape: tuple[int, int], topology: Topology) -> Checked:
    outputs = answer.phy2log, answer.log2phy, answer.logcnt
    return (
        topology.binds_groups and _passes(lambda: verify_groups(answer.phy2log, shape, topology)),
        _passes(lambda: verify_maps(*outputs, shape, topology.replicas)),
    )


def _passes(verify: Callable[[], object]) -> bool:
    try:
        verify()
    except CandidateFailure:
        return False
    return True


def _always(checked: list[Checked], topology: Topology) -> tuple[bool | None, bool]:
    groups, maps = (all(each) for each in zip(*checked, strict=True))
    return groups if topology.binds_groups else None, maps

"""The section "Task" of a prompt: the same words in each prompt of a run."""

import textwrap
from collections.abc import Iterator

from eplb_evolve.evaluation.objectives import SURE
from eplb_evolve.evaluation.pipeline import HOPELESS
from eplb_evolve.evaluation.robust_loads import TAILS
from eplb_evolve.evaluation.settings import Settings, Thresholds
from eplb_evolve.evaluation.timing import PROCESS_SHARE
from eplb_evolve.llm.compiler_facts import Compiler
from eplb_evolve.llm.facts import Facts, Marks
from eplb_evolve.llm.shape_facts import ShapeFacts

_WIDTH = 120
_GOAL = {
    "time": "Make `rebalance_experts` faster without losing balance",
    "balance": "Make the plans of `rebalance_experts` balance the next window better, within its limits on time",
    "net_throughput": "Make `rebalance_experts` worth more to a server",
}
_ON_GPU = """\
- On the clock as well: the copy of the arguments to the GPU, the wait for all of its streams, and the copy of results
  on the GPU to the CPU. A server needs them on the CPU.
"""
_CONTRACT = """\
## Contract
rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus)
    -> (phy2log [L, R], log2phy [L, E, X], logcnt [L, E])
- weight [L, E]: {weight}, float32 when timed; other dtypes and shapes must work too. It is yours to overwrite.
  Results: plain int64 tensors {results}; they may be views, but what is not contiguous is copied on the clock.
- Slot s is on GPU s // (R / num_gpus); node n has the n-th R / num_nodes slots. phy2log: the expert of each slot.
  logcnt: its number of slots, 1 or more. log2phy: the slots of each expert, then -1; X >= max(logcnt), and as narrow
  as you like.
- If num_groups % num_nodes == 0, the experts of a group (E / num_groups in a row) stay on one node, and each node has
  num_groups / num_nodes groups. Otherwise groups and nodes do not count.
- A sixth parameter old_phy2log, if there is one, gets the placement in force: your own last one, in this call's order
  of layers and experts; at the first call every expert once, then the spare slots round robin.
- Equal input gives equal output in any process and after any history. Keep scratch memory and what depends on the shape
  alone, never what depends on earlier loads. The last two results are in use, as is any that is still referred to:
  do not write into them. No thread or process may be at work when a call ends.
"""


def task_words(facts: Facts, settings: Settings, longest: int) -> str:
    """The whole section. longest: bytes of a program, at most."""
    on_gpu = settings.device == "cuda"
    parts = [
        f"# Task\n{_GOAL.get(settings.objective, _GOAL['time'])}: the expert-parallelism load balancer (EPLB) of a "
        "mixture-of-experts server. For each of L layers it gives each of E logical experts one or more of R slots "
        "(replicas), and so a place on one of the GPUs.\n",
        _score(facts, settings),
        _CONTRACT.format(
            weight="a tensor on the GPU" if on_gpu else "a CPU tensor",
            results="on the GPU or the CPU" if on_gpu else "on the CPU",
        )
        + (_ON_GPU if on_gpu else ""),
        _balance(facts, settings),
        _facts(facts, settings, longest),
    ]
    return "\n".join(_wrapped(part) for part in parts)


def _wrapped(text: str) -> str:
    """Its long lines broken; what belongs to a point of a list is indented."""
    lines = []
    for line in text.split("\n"):
        indent = "  " if line.startswith(("- ", "  ")) else ""
        lines += textwrap.wrap(line, _WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]
    return "\n".join(lines)


def _score(facts: Facts, settings: Settings) -> str:
    marks, several = facts.marks, len(facts.shapes) > 1
    lines = ["## Score"]
    if settings.objective == "time":
        lines.append(
            "1 + log2(1 + 100 / ratio) where the program is valid and balanced, below 1 otherwise: half the ratio is a "
            "point more.\nratio = time of a call / the reference's on the same inputs"
            + (", geometric mean over the workloads" if several else "")
            + "."
        )
    elif settings.objective == "balance":
        lines.append(
            "2 + 100 x (b - 1), where b = balancedness on the next window / the reference's on the same calls: a "
            "percent is a point.\nTime does not count, within the limits below. Only what is valid and balanced counts."
        )
    else:
        serving = settings.serving
        lines.append(
            "100 + the net throughput gained on the reference, in percent of never rebalancing, on the same calls. It "
            f"is computed for {serving.deployment.name}, a rebalance every {serving.interval} steps, {serving.mode}: a "
            "rebalance costs the time of the plan, a fixed time unless nothing moves at all, and time for the slots "
            "that the busiest GPU receives in each layer; each later step is as slow as the next window's balance "
            "makes it."
        )
    reference = f", {marks.reference_ms:.2g} ms here" if marks.reference_ms is not None else ""
    lines.append(
        f"The reference is an exact greedy in numpy, vectorised over layers{reference}. Go by ratios; milliseconds "
        "follow the machine.\n[a, b] is a 95 % interval over the calls of one process. What seems to be the run's best "
        f"is measured again beside the best, and leads only if it is better at {100 * SURE:.0f} % confidence."
    )
    if settings.objective == "time":
        lines.append(f"The same program in another process differs by some {100 * PROCESS_SHARE:.0f} % more.")
        if not several:
            lines.append(
                f"A program of more than {HOPELESS:g} x the best's ratio is given up after "
                f"{settings.timing.triage_pairs} calls."
            )
        lines += _marks(marks)
    return "\n".join(lines) + "\n"


def _marks(marks: Marks) -> Iterator[str]:
    if marks.filled is None:
        return
    others = (
        ("one that fills tensors it has used before", marks.touched),
        ("one that returns tensors it has ready, an empty call", marks.ready),
    )
    told = "".join(f"; {which}: {ratio:.2g}" for which, ratio in others if ratio is not None)
    yield (
        f"Marks, no limits: a call that only fills three new tensors of a plan's size has ratio {marks.filled:.2g}"
        f"{told}."
    )


def _balance(facts: Facts, settings: Settings) -> str:
    least = settings.thresholds
    lines = [
        "## Balance, a hard constraint",
        "balancedness = sum over layers of the mean GPU load / sum of the largest. At least, as a share of the "
        f"reference's on the same calls: {_shares(least)}.",
        "The reference: groups, heaviest first, to the lightest node with room; each spare slot to the expert with the "
        "highest load per replica; replicas, heaviest first, to the lightest GPU with room.",
    ]
    robust = least.robust
    others = [f"{shape.name} (another recorded load)" for shape in facts.checks]
    if any(shape.groups > 1 and shape.groups % shape.nodes == 0 for shape in facts.shapes):
        others.append("this load without groups")
    asked = f"the same is asked on {', '.join(others)}; " if others else ""
    lines.append(f"Untimed, {asked}small random shapes with ties and zeros must work.")
    if robust.demands:
        lines.append(
            f"Also untimed, at the timed shape: log-normal loads with a largest expert of {TAILS[0]:g} to "
            f"{TAILS[-1]:g} times the mean, near-uniform loads, an expert with a third of a layer, ranks that turn "
            f"round, another recorded load composed to the shape. There at least {_shares(robust.as_thresholds())}. "
            f"So a path that relies on the timed loads (few "
            "replicas per expert, for one) needs a test of the load before it and a general path beside it: then a cap "
            "is fine, without it the balance collapses there."
        )
    return "\n".join(lines) + "\n"


def _shares(least: Thresholds) -> str:
    named = (
        (least.next_window, "on the next window (mean)"),
        (least.same_window, "on the window planned on (mean)"),
        (least.each_call, "in each call"),
        (least.worst_layer, "in the worst layer"),
    )
    return ", ".join(f"{share:g} {where}" for share, where in named if share) or "nothing"


def _facts(facts: Facts, settings: Settings, longest: int) -> str:
    machine, limits = facts.machine, settings.limits
    lines = ["## Facts", *(line for shape in facts.shapes for line in _shape(shape))]
    if facts.checks:
        largest = ", ".join(f"{each.most_replicas} on {each.name}" for each in facts.checks)
        lines.append(f"- The reference's largest replica count on the other loads: {largest}.")
    lines.append(
        f"- Machine: {machine.name} ({machine.model}). Caches: {', '.join(machine.caches) or 'not known'}; cold at "
        f"each call, others run between. SIMD: {' '.join(machine.simd) or 'not known'}."
    )
    told = ", ".join(f"{name} {version}" for name, version in machine.versions.items() if name != "openevolve")
    lines.append(f"- {told}. In the sandbox, to compile and load a tiny function: {'; '.join(_compilers(facts))}.")
    threads = "1 thread" if limits.threads == 1 else f"{limits.threads} threads"
    lines.append(
        f"- Limits: {threads} while timed; {limits.first_call_s:g} s for the import and as much for the first call, "
        f"both untimed, so compile there; {limits.call_s:g} s for any other call; {limits.memory_mb} MB memory, "
        f"{limits.disk_mb} MB disk (write under tempfile.gettempdir()); no network; {longest} bytes of program. Inputs "
        "never repeat: layers, groups and experts are permuted, loads scaled and perturbed."
    )
    return "\n".join(lines) + "\n"


def _shape(shape: ShapeFacts) -> Iterator[str]:
    spare = shape.row_slots - shape.row_experts
    yield (
        f"- Timed, {shape.name}: L {shape.layers}, E {shape.experts}, R {shape.replicas}, {shape.groups} groups, "
        f"{shape.nodes} nodes, {shape.gpus} GPUs. These are {shape.rows} independent rows of {shape.row_experts} "
        f"experts, {shape.row_slots} slots ({spare} spare), {shape.row_gpus} GPUs of {shape.replicas // shape.gpus} "
        "slots."
    )
    yield (
        f"  The reference's largest replica count: median {shape.median_most:g} a layer, {shape.most_replicas} at "
        f"most. The heaviest expert has {100 * shape.share_median:.1f} % of its row's load (median), "
        f"{100 * shape.share_largest:.1f} % at most. Bytes: weight {_kilo(shape, shape.experts, 4)}, phy2log "
        f"{_kilo(shape, shape.replicas, 8)}, logcnt {_kilo(shape, shape.experts, 8)}, log2phy "
        f"{_kilo(shape, shape.experts, 8)} x X."
    )


def _kilo(shape: ShapeFacts, columns: int, size: int) -> str:
    return f"{shape.layers * columns * size / 1e3:.0f} kB"


def _compilers(facts: Facts) -> Iterator[str]:
    def said(each: Compiler) -> str:
        if each.seconds is None:
            return f"{each.name} does not work ({each.why})"
        if each.seconds < 0.05:
            return f"{each.name} under 0.1 s"
        return f"{each.name} {each.seconds:.1f} s" if each.seconds < 9.95 else f"{each.name} {each.seconds:.0f} s"

    return map(said, facts.compilers)

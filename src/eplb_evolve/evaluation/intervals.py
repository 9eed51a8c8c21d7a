"""From a program's calls to the intervals that they serve."""

from collections.abc import Sequence

from eplb_evolve.evaluation.calls import Call
from eplb_evolve.evaluation.task import Task
from eplb_evolve.placement import Floats, balancedness_of, initial_phy2log, received_slots
from eplb_evolve.serving.cost import Interval


def intervals(calls: Sequence[Call], plan_s: Floats, task: Task) -> list[Interval]:
    """One interval for each call of every full round through the windows but the first, which starts from no plan.

    So each window counts alike. plan_s: seconds that each plan takes the server, [calls].
    """
    pairs = task.workload.pairs(task.split)
    found = []
    for row in full_rounds(len(calls), len(pairs)):
        call, inputs = calls[row], calls[row].inputs
        (layers, experts), gpus = inputs.weight.shape, call.topology.gpus
        start = inputs.from_workload_order(initial_phy2log(layers, experts, call.topology.replicas))
        found.append(
            Interval(
                plan_s=float(plan_s[row]),
                received_slots=received_slots(call.in_force, call.placement.phy2log, gpus, experts),
                balancedness=call.balance.next_window,
                balancedness_stale=balancedness_of(inputs.next_load, call.in_force, gpus),
                balancedness_never=balancedness_of(inputs.next_load, start, gpus),
                ages=row > 0 and pairs[row % len(pairs)][0] == pairs[(row - 1) % len(pairs)][1],
            )
        )
    return found


def full_rounds(calls: int, pairs: int) -> range:
    """The rows of every full round but the first; where there is no second round, all but the first call."""
    full = calls // pairs * pairs
    return range(pairs, full) if full > pairs else range(min(1, calls - 1), calls)

"""TensorRT-LLM's balancer: priority queues for replicas and for GPUs.

Source: doReplication and doPlacement in cpp/tensorrt_llm/runtime/moeLoadBalancer/moeLoadBalancer.cpp
(https://github.com/NVIDIA/TensorRT-LLM), Apache-2.0; written anew in Python from their description.
Idea: a heap gives the expert with the highest load per replica, and another the lightest GPU that has room.
TensorRT-LLM knows no groups; where they must stay together, the same heap packs them into nodes first.
Complexity: O(L R log R), in plain Python.
Exact: but for ties: of equal loads per replica the expert with the highest number gets the next replica.
Provenance: baseline
Held against: nothing; from its description, of C++
"""

# EVOLVE-BLOCK-START
import heapq

import torch


def packed(load, packs):
    """The items of each pack, as lists; the heaviest item left to the lightest pack with room."""
    room = len(load) // packs
    heap = [(0.0, pack) for pack in range(packs)]
    items = [[] for _ in range(packs)]
    for item in sorted(range(len(load)), key=lambda item: -load[item]):
        held, pack = heapq.heappop(heap)
        items[pack].append(item)
        if len(items[pack]) < room:
            heapq.heappush(heap, (held + load[item], pack))
    return items


def replicated(load, slots):
    """The number of replicas of each expert."""
    count = [1] * len(load)
    heap = [(-value, -expert) for expert, value in enumerate(load)]
    heapq.heapify(heap)
    for _ in range(slots - len(load)):
        expert = -heap[0][1]
        count[expert] += 1
        heapq.heapreplace(heap, (-load[expert] / count[expert], -expert))
    return count


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus)
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    layers, experts = weight.shape
    size, slots = experts // num_groups, num_replicas // num_nodes
    phy2log = []
    for load in weight.tolist():
        row = []
        groups = [sum(load[group * size : (group + 1) * size]) for group in range(num_groups)]
        for node in packed(groups, num_nodes):
            members = [group * size + member for group in node for member in range(size)]
            count = replicated([load[expert] for expert in members], slots)
            copies = [expert for expert, times in zip(members, count, strict=True) for _ in range(times)]
            shares = [load[expert] / times for expert, times in zip(members, count, strict=True) for _ in range(times)]
            row += [copies[item] for gpu in packed(shares, num_gpus // num_nodes) for item in gpu]
        phy2log.append(row)
    where = [[[] for _ in range(experts)] for _ in range(layers)]
    for layer, row in enumerate(phy2log):
        for slot, expert in enumerate(row):
            where[layer][expert].append(slot)
    width = max(len(slots) for layer in where for slots in layer)
    log2phy = [[slots + [-1] * (width - len(slots)) for slots in layer] for layer in where]
    logcnt = [[len(slots) for slots in layer] for layer in where]
    return torch.tensor(phy2log), torch.tensor(log2phy), torch.tensor(logcnt)


# EVOLVE-BLOCK-END


def _checked(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """The loads [L, E] as contiguous float32; ValueError unless they and the numbers can be planned for."""
    if not isinstance(weight, torch.Tensor) or weight.dim() != 2 or not weight.numel():
        raise ValueError("weight must be a tensor [layers, experts] with at least one of each")
    numbers = {"num_replicas": num_replicas, "num_groups": num_groups, "num_nodes": num_nodes, "num_gpus": num_gpus}
    for name, number in numbers.items():
        if not isinstance(number, int) or not 0 < number <= 32768:
            raise ValueError(f"{name} must be a whole number from 1 to 32768")
    experts, is_hierarchical = weight.shape[1], num_groups % num_nodes == 0
    if is_hierarchical and experts % num_groups:
        raise ValueError(f"num_groups must divide the {experts} experts, not be {num_groups}")
    if is_hierarchical and num_gpus % num_nodes:
        raise ValueError(f"num_gpus must be a multiple of the {num_nodes} nodes, not {num_gpus}")
    if num_replicas % num_gpus or num_replicas < experts:
        raise ValueError(
            f"num_replicas must be a multiple of the {num_gpus} GPUs, one for each of {experts} experts at least, "
            f"not {num_replicas}"
        )
    weight = weight.detach().float().contiguous()
    least, most = weight.aminmax()
    if not (least.item() >= 0 and most.item() <= 1e30):  # nor is NaN
        raise ValueError("weight must hold loads from 0 to 1e30")
    return weight

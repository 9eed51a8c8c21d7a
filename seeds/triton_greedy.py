"""DeepSeek's greedy as one fused Triton kernel: a program for each node of each layer plans it on chip.

Source: the algorithm is DeepSeek's (https://github.com/deepseek-ai/EPLB); this form of it is ours.
Idea: the loads of one row fit into the registers of a warp. Groups, further replicas and GPUs are chosen by reductions
over them, the replicas in order of load by repeated maxima, and only the three outputs are written. Nothing of the plan
is read back to the host: log2phy is as wide as the largest count can be.
Complexity: O(R / N) reductions one after the other, all rows at once.
Exact: yes; loads per replica in float32 and sums in float64, as in the seed.
Provenance: reference
Device: cuda; elsewhere with TRITON_INTERPRET=1 only, for tests.
"""

# EVOLVE-BLOCK-START
import os

import torch
import triton
import triton.language as tl


@triton.jit
def plan_row(
    weight,
    phy2log,
    log2phy,
    logcnt,
    width,
    experts: tl.constexpr,
    groups: tl.constexpr,
    nodes: tl.constexpr,
    slots: tl.constexpr,
    packs: tl.constexpr,
    size_2: tl.constexpr,
    groups_2: tl.constexpr,
    nodes_2: tl.constexpr,
    mids_2: tl.constexpr,
    slots_2: tl.constexpr,
    packs_2: tl.constexpr,
):
    """One node of one layer; names that end in _2 are the powers of two that hold the others."""
    size: tl.constexpr = experts // groups
    mids: tl.constexpr = experts // nodes
    groups_a_node: tl.constexpr = groups // nodes
    room: tl.constexpr = slots // packs
    layer, node = tl.program_id(0) // nodes, tl.program_id(0) % nodes
    first = weight + layer * experts

    group = tl.arange(0, groups_2)
    home, place = group, tl.zeros([groups_2], tl.int32)
    if groups_a_node > 1:
        offset = tl.arange(0, size_2)
        inside = (group < groups)[:, None] & (offset < size)[None, :]
        loads = tl.load(first + group[:, None] * size + offset[None, :], mask=inside, other=0.0)
        left = tl.where(group < groups, tl.sum(loads.to(tl.float64), 1).to(tl.float32), -1.0)
        bins = tl.arange(0, nodes_2)
        held = tl.where(bins < nodes, 0.0, float("inf")).to(tl.float64)
        filled = tl.zeros([nodes_2], tl.int32)
        for _ in range(groups):
            heaviest, lightest = tl.argmax(left, 0), tl.argmin(held, 0)
            chosen = bins == lightest
            home = tl.where(group == heaviest, lightest, home)
            place = tl.where(group == heaviest, tl.sum(tl.where(chosen, filled, 0), 0), place)
            filled += chosen.to(tl.int32)
            heavier = tl.where(filled == groups_a_node, float("inf"), held + tl.max(left, 0))
            held = tl.where(chosen, heavier, held)
            left = tl.where(group == heaviest, -1.0, left)

    mid = tl.arange(0, mids_2)
    is_mid = mid < mids
    here = (home == node) & (group < groups)
    mine = here[None, :] & (place[None, :] == (mid // size)[:, None])
    expert = tl.sum(tl.where(mine, group[None, :], 0), 1) * size + mid % size
    load = tl.load(first + expert, mask=is_mid, other=0.0)

    count = tl.full([mids_2], 1, tl.int32)
    share = tl.where(is_mid, load, -1.0)
    item = tl.arange(0, slots_2)
    mid_of, rank = tl.where(item < mids, item, 0), tl.zeros([slots_2], tl.int32)
    for further in range(mids, slots):
        hottest = tl.argmax(share, 0)
        chosen = mid == hottest
        mid_of = tl.where(item == further, hottest, mid_of)
        rank = tl.where(item == further, tl.sum(tl.where(chosen, count, 0), 0), rank)
        count += chosen.to(tl.int32)
        share = tl.where(chosen, tl.div_rn(load, count.to(tl.float32)), share)
    tl.store(logcnt + layer * experts + expert, count.to(tl.int64), mask=is_mid)

    slot = item
    if room > 1:
        left = tl.where(item < slots, tl.gather(share, mid_of, 0), -1.0)
        bins = tl.arange(0, packs_2)
        held = tl.where(bins < packs, 0.0, float("inf")).to(tl.float64)
        filled = tl.zeros([packs_2], tl.int32)
        for _ in range(slots):
            heaviest, lightest = tl.argmax(left, 0), tl.argmin(held, 0)
            chosen = bins == lightest
            position = tl.sum(tl.where(chosen, filled, 0), 0)
            slot = tl.where(item == heaviest, lightest * room + position, slot)
            filled += chosen.to(tl.int32)
            held = tl.where(chosen, tl.where(filled == room, float("inf"), held + tl.max(left, 0)), held)
            left = tl.where(item == heaviest, -1.0, left)
    slot += node * slots
    logical = tl.gather(expert, mid_of, 0)
    tl.store(phy2log + layer * nodes * slots + slot, logical.to(tl.int64), mask=item < slots)
    tl.store(log2phy + (layer * experts + logical) * width + rank, slot.to(tl.int64), mask=item < slots)


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X], logcnt [L, E], on the device of the loads."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus)
    (layers, experts), device = weight.shape, weight.device
    if device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise RuntimeError(f"this program plans on a CUDA device, and the loads are on the {device.type}")
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    slots, packs = num_replicas // num_nodes, num_gpus // num_nodes
    width = slots - experts // num_nodes + 1
    phy2log = torch.empty((layers, num_replicas), dtype=torch.int64, device=device)
    log2phy = torch.full((layers, experts, width), -1, dtype=torch.int64, device=device)
    logcnt = torch.empty((layers, experts), dtype=torch.int64, device=device)
    sizes = experts // num_groups, num_groups, num_nodes, experts // num_nodes, slots, packs
    plan_row[(layers * num_nodes,)](
        weight,
        phy2log,
        log2phy,
        logcnt,
        width,
        experts,
        num_groups,
        num_nodes,
        slots,
        packs,
        *(triton.next_power_of_2(size) for size in sizes),
        num_warps=1 if slots <= 256 else 4,
    )
    return phy2log, log2phy, logcnt


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

"""Round-wise packing: in each round every GPU gets one replica, the heaviest to the lightest GPU.

Source: a known refinement of list scheduling for bins of equal numbers; this form of it is ours.
Idea: torch costs by the operation, so few are made. An item is one integer of 64 bits: the bits of its load, which sort
as the load does, above its name. One sort orders loads and names at once, and a round is two operations for all layers:
add the round's loads to the GPUs' in place, and sort the GPUs, whose names are their first slots. Further replicas are
the largest of load / 1, load / 2, ... of all experts; the i-th heaviest expert can have the c-th of them only where i c
does not exceed the number of spare slots. Scratch memory and tables are kept from call to call, results never.
Complexity: O(R log R) per layer, R / G sorts of the L x G loads of GPUs, O(S log^2 S) per layer for S spare slots.
Exact: counts yes, but for ties; loads no, though they are about as even.
Provenance: reference
"""

# EVOLVE-BLOCK-START
import functools
import threading

import torch

LOWER_HALF = 0xFFFFFFFF
LEAST = 1e-36
"""Stands for no load where experts compete for replicas, so that a half and a third of it differ."""


class Items:
    """Integers [rows, n] of 64 bits; `load` and `name` are views of their upper and lower halves."""

    def __init__(self, rows, n, device):
        self.keys = torch.zeros(rows, n, dtype=torch.int64, device=device)
        halves = self.keys.view(torch.int32).view(rows, n, 2)
        self.name, self.load = halves[:, :, 0], halves[:, :, 1].view(torch.float32)


class Rounds:
    """Packs the items of each row into packs of equally many; load [rows, n], a view of what is sorted in each call."""

    def __init__(self, load, nodes, packs):
        (rows, n), device = load.shape, load.device
        self.rounds = n // packs
        first_slot = torch.arange(0, nodes * n, self.rounds, device=device).view(nodes, packs).repeat(rows // nodes, 1)
        lightest = torch.cat([first_slot, first_slot.flip(1)], 1)[:, :n]  # in the first two rounds it is known
        self.place = torch.arange(n, device=device) // packs
        self.known = lightest + self.place if self.rounds <= 2 else None
        self.packs = Items(rows, n, device)
        self.packs.name[:, : lightest.shape[1]] = lightest
        held, keys, loads = (
            part.unflatten(1, (self.rounds, packs)).unbind(1) for part in (self.packs.load, self.packs.keys, load)
        )
        self.held, self.first = held[1 % self.rounds], loads[0]
        self.steps = list(zip(held[1:], loads[1:], keys[1:], keys[2:], strict=False))
        self.moved = torch.empty(rows, packs, dtype=torch.int64, device=device)

    def pack(self):
        """The slot of each item among those of its layer, [rows, n]."""
        if self.known is not None:
            return self.known
        self.held.copy_(self.first.flip(1))
        for held, load, packs, next_packs in self.steps:
            held.add_(load)
            torch.sort(packs, dim=1, out=(next_packs, self.moved))
        return (self.packs.keys & LOWER_HALF).add_(self.place)


class Scratch:
    """What calls of one shape share: tables, and memory that each call fills anew."""

    def __init__(self, layers, experts, replicas, groups, nodes, gpus, device):
        rows, self.mids, self.spares = layers * nodes, experts // nodes, (replicas - experts) // nodes
        self.heaviest = min(self.spares, self.mids)
        self.rank_bits = self.spares.bit_length()
        self.by_group = (layers, groups, experts // groups)
        self.experts = Items(layers * groups, experts // groups, device)
        self.experts.name.view(layers, experts).copy_(torch.arange(experts, device=device) << self.rank_bits)
        self.load = self.experts.load.view(self.by_group)
        self.group_load = torch.empty(layers, groups, device=device)
        self.group = torch.empty(layers, groups, dtype=torch.int64, device=device)
        self.first_group = torch.arange(0, layers * groups, groups, device=device)[:, None]
        self.groups = Rounds(self.group_load, 1, nodes)

        items, self.sorted = Items(rows, replicas // nodes, device), Items(rows, replicas // nodes, device)
        self.keys = items.keys
        self.further, self.own = items.keys.split([self.spares, self.mids], 1)
        self.heaviest_keys = self.own[:, : self.heaviest]
        self.heaviest_load = items.load[:, self.spares : self.spares + self.heaviest]
        self.replicas = Rounds(self.sorted.load, nodes, gpus // nodes)
        self.sources = torch.empty(rows, replicas // nodes, dtype=torch.int64, device=device)
        self.own_sources = self.sources[:, : self.mids]
        pairs = [(i, c) for i in range(self.heaviest) for c in range(1, self.spares // (i + 1) + 1)]
        self.expert_of, self.rank_of = torch.tensor(pairs, device=device).view(-1, 2).T.contiguous()
        self.parts = self.rank_of.float()
        self.ones = torch.ones(rows, self.spares, dtype=torch.int64, device=device)
        self.single = self.ones[:, : self.heaviest].float()
        self.float_ones = self.ones.float()
        self.one_each = torch.ones(layers, replicas, dtype=torch.int64, device=device)


@functools.lru_cache(maxsize=8)
def scratch(thread, layers, experts, replicas, groups, nodes, gpus, device):
    """Each thread has its own."""
    return Scratch(layers, experts, replicas, groups, nodes, gpus, device)


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus)
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    (layers, experts), device = weight.shape, weight.device
    own = scratch(threading.get_ident(), layers, experts, num_replicas, num_groups, num_nodes, num_gpus, device)

    # Step 1: groups to nodes
    weight = weight.reshape(own.by_group)
    own.load.copy_(weight)
    torch.sort(weight.sum(-1, dtype=torch.float32), dim=1, descending=True, out=(own.group_load, own.group))
    group = torch.empty_like(own.group).scatter_(1, own.groups.pack(), own.group)
    keys = own.experts.keys.index_select(0, group.add_(own.first_group).flatten()).view(-1, own.mids)

    # Step 2: replicas within nodes
    torch.sort(keys, dim=1, descending=True, out=(own.own, own.own_sources))
    width = 1
    if own.spares:
        shares = own.heaviest_load.clamp(min=LEAST).index_select(1, own.expert_of).div_(own.parts)
        pair = shares.topk(own.spares, dim=1, sorted=False).indices
        expert = own.expert_of.take(pair)
        count = own.single.scatter_add(1, expert, own.float_ones)
        own.heaviest_load.div_(count)
        width = int(count.max())
        torch.gather(own.heaviest_keys, 1, expert, out=own.further)
        own.further.add_(own.rank_of.take(pair))

    # Step 3: replicas to GPUs
    torch.sort(own.keys, dim=1, descending=True, out=(own.sorted.keys, own.sources))
    slot = own.replicas.pack().view(layers, num_replicas)
    name = (own.sorted.keys & LOWER_HALF).view(layers, num_replicas)
    expert = name >> own.rank_bits
    phy2log = torch.empty_like(slot).scatter_(1, slot, expert)
    logcnt = torch.zeros(layers, experts, dtype=torch.int64, device=device).scatter_add_(1, expert, own.one_each)
    log2phy = torch.full((layers, experts * width), -1, device=device)
    log2phy.scatter_(1, name.sub_(expert, alpha=(1 << own.rank_bits) - width), slot)
    return phy2log, log2phy.view(layers, experts, width), logcnt


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

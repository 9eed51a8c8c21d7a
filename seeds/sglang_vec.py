"""SGLang's vectorised form: replicas for all layers at once, GPUs by a snake.

Source: deepseek_vec in python/sglang/srt/eplb/eplb_algorithms (https://github.com/sgl-project/sglang), Apache-2.0;
written anew.
Idea: the sorted replicas are dealt to the GPUs forwards, backwards, forwards ..., which needs no loads; only groups
are packed greedily, in a loop. The next replica goes to the expert without which the highest load per replica would be
lowest. So that no two are equal, the place of an expert, times 1e-4, is added to its load: loads are counts of tokens.
SGLang sums over a history of steps when it looks for that expert; here the window is the only step.
Complexity: O(R) operations of torch on L x E numbers, and a loop over L x groups; leaner than SGLang's form, which
carries the history along.
Exact: no; counts differ where two experts are nearly equal, and the snake does not look at the load of a GPU.
Provenance: baseline
Held against: sglang 0.5.23, sglang.srt.eplb.eplb_algorithms.deepseek_vec
"""

# EVOLVE-BLOCK-START
import torch


def pack_groups(load, nodes):
    """Each group's place, node by node: the heaviest to the lightest node with room. load [L, groups]."""
    layers, groups = load.shape
    room = groups // nodes
    place = torch.empty(layers, groups, dtype=torch.int64)
    order = load.sort(dim=1, descending=True, stable=True).indices.tolist()
    for layer, row in enumerate(load.tolist()):
        held, filled = [0.0] * nodes, [0] * nodes
        for group in order[layer]:
            node = min((n for n in range(nodes) if filled[n] < room), key=held.__getitem__)
            place[layer, group] = node * room + filled[node]
            held[node] += row[group]
            filled[node] += 1
    return place


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = R - E + 1, logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus).cpu()
    layers, experts = weight.shape
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    size, mids, slots = experts // num_groups, experts // num_nodes, num_replicas // num_nodes
    gpus = num_gpus // num_nodes

    place = pack_groups(weight.view(layers, num_groups, size).sum(-1), num_nodes)
    log2mid = (place[:, :, None] * size + torch.arange(size)).flatten(1)
    mid2log = log2mid.argsort(1)
    load = weight.gather(1, mid2log)
    uneven = (load + torch.arange(experts) * 1e-4).view(-1, mids)
    load = load.view(-1, mids)
    rows = torch.arange(len(load))
    phy2mid = torch.arange(slots).repeat(len(load), 1)
    rank = torch.zeros_like(phy2mid)
    count = torch.ones(len(load), mids, dtype=torch.int64)
    for slot in range(mids, slots):
        share = uneven / count
        highest, hottest = share.max(1)
        share[rows, hottest] = load[rows, hottest] / (count[rows, hottest] + 1)
        hottest[share.amax(1) >= highest] = 0  # rounded to the same: no expert helps, and SGLang takes the first
        phy2mid[:, slot], rank[:, slot] = hottest, count[rows, hottest]
        count[rows, hottest] += 1

    order = (load / count).gather(1, phy2mid).sort(dim=1, descending=True, stable=True).indices
    order = order.view(-1, slots // gpus, gpus)
    order[:, 1::2] = order[:, 1::2].flip(-1)
    order = order.transpose(1, 2).flatten(1)  # the replica in each slot of the node

    node = torch.arange(num_nodes)[:, None]
    mid = phy2mid.gather(1, order).view(layers, num_nodes, slots) + node * mids
    phy2log = mid2log.gather(1, mid.flatten(1))
    rank = rank.gather(1, order).view(layers, num_replicas)
    logcnt = count.view(layers, experts).gather(1, log2mid)
    width = num_replicas - experts + 1
    log2phy = torch.full((layers, experts * width), -1)
    log2phy.scatter_(1, phy2log * width + rank, torch.arange(num_replicas).expand(layers, -1))
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

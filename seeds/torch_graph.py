"""Round-wise packing in a CUDA graph: all its kernels are launched at once.

Source: a known refinement of list scheduling for bins of equal numbers; this form of it is ours.
Idea: seeds/torch_rounds.py as a graph. Some hundred small kernels cost their launches, not their work; recorded once
per shape they cost one launch. Nothing may be read back on the way: log2phy is as wide as the largest count can be.
Complexity: as seeds/torch_rounds.py; the first call of a shape records the graph.
Exact: counts yes, but for ties; loads no, though they are about as even.
Provenance: reference
Device: cuda; on a CPU it runs without a graph.
"""

# EVOLVE-BLOCK-START
import torch

MANY_SPARES = 24
HALVINGS = 40
GRAPHS = {}
"""By device, shape and topology: the graph, its input, its outputs."""


def round_packing(weight, num_packs):
    """weight [rows, n] -> the item in each place of each pack, [rows, n], pack by pack."""
    rows, items = weight.shape
    packs = torch.arange(num_packs, device=weight.device)
    if items == num_packs:
        return packs.expand(rows, -1)
    order = weight.view(torch.int32).sort(dim=1, descending=True).indices  # not negative: as integers in the same order
    rounds = items // num_packs
    load = weight.gather(1, order).view(rows, rounds, num_packs)
    lightest, held = packs.flip(0).expand(rows, -1), load[:, 0].flip(1)  # the first round fills them in falling order
    chosen = [packs.expand(rows, -1), lightest]
    for turn in range(1, rounds - 1):
        held, moved = (held + load[:, turn]).sort(1)
        lightest = lightest.gather(1, moved)
        chosen.append(lightest)
    place = torch.stack(chosen[:rounds], 1).mul_(rounds).add_(torch.arange(rounds, device=weight.device)[:, None])
    return torch.empty_like(order).scatter_(1, place.flatten(1), order)


def spares_by_selection(weight, spares):
    """Each further replica to the highest load per replica. Returns counts [rows, n]."""
    heaviest, expert = weight.topk(min(spares, weight.shape[1]), dim=1)
    shares = heaviest[:, :, None] / torch.arange(1, spares + 1, device=weight.device)
    chosen = shares.flatten(1).topk(spares, dim=1, sorted=False).indices.div_(spares, rounding_mode="floor")
    count = torch.ones_like(weight, dtype=torch.int64)
    return count.scatter_add_(1, expert.gather(1, chosen), torch.ones_like(chosen))


def spares_by_bisection(weight, spares):
    """The same counts: as many replicas as keep every load per replica under one bound, the least that suffices."""
    low = torch.zeros_like(weight[:, :1])
    high = weight.amax(1, keepdim=True)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        wanted = (weight / middle).ceil_().sub_(1).clamp_(min=0).nan_to_num_(0.0, 0.0).sum(1, keepdim=True)
        fits = wanted <= spares
        high, low = torch.where(fits, middle, high), torch.where(fits, low, middle)
    further = (weight / high).ceil_().sub_(1).clamp_(min=0).nan_to_num_(0.0, 0.0)
    count = further.long() + 1
    left = spares - further.sum(1, keepdim=True).long()
    order = (weight / count).sort(dim=1, descending=True, stable=True).indices  # equal shares at the bound
    position = torch.arange(weight.shape[1], device=weight.device).expand_as(order)
    experts = weight.shape[1]
    return count.scatter_add_(1, order, (left - position + experts - 1).div_(experts, rounding_mode="floor"))


def plan(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """The three outputs, without reading anything back to the host."""
    layers, experts = weight.shape
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    size, mids, slots = experts // num_groups, experts // num_nodes, num_replicas // num_nodes
    device = weight.device
    group = round_packing(weight.view(layers, num_groups, size).sum(-1), num_nodes)
    mid2log = (group[:, :, None] * size + torch.arange(size, device=device)).flatten(1)
    load = weight.gather(1, mid2log).view(-1, mids)
    spares = slots - mids
    count = (spares_by_bisection if spares > MANY_SPARES else spares_by_selection)(load, spares)

    mid = torch.repeat_interleave(count.flatten(), output_size=len(load) * slots).view(-1, slots)
    mid -= torch.arange(len(load), device=device)[:, None] * mids
    placed = round_packing((load / count).gather(1, mid), num_gpus // num_nodes)
    start = count.cumsum(1) - count
    rank = placed - start.gather(1, mid).gather(1, placed)  # the replicas of an expert stood side by side
    node = torch.arange(num_nodes, device=device)[:, None]
    mid = mid.gather(1, placed).view(layers, num_nodes, slots) + node * mids
    phy2log = mid2log.gather(1, mid.flatten(1))
    logcnt = torch.empty_like(mid2log).scatter_(1, mid2log, count.view(layers, experts))
    width = spares + 1
    log2phy = torch.full((layers, experts * width), -1, device=device)
    slot = torch.arange(num_replicas, device=device).expand(layers, -1)
    log2phy.scatter_(1, phy2log * width + rank.view(layers, -1), slot)
    return phy2log, log2phy.view(layers, experts, width), logcnt


def recorded(weight, *topology):
    """The graph of a plan for loads of this shape, with the tensors that it reads and writes."""
    given = weight.clone()
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        plan(given, *topology)  # libraries set themselves up in a first run, which no graph can hold
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        made = plan(given, *topology)
    return graph, given, made


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X], logcnt [L, E], on the device of the loads."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus)
    topology = (num_replicas, num_groups, num_nodes, num_gpus)
    if weight.device.type != "cuda":
        return plan(weight, *topology)
    key = weight.device, weight.shape, topology
    if key not in GRAPHS:
        GRAPHS[key] = recorded(weight, *topology)
    graph, given, made = GRAPHS[key]
    given.copy_(weight)
    graph.replay()
    return tuple(part.clone() for part in made)


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

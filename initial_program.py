"""Seed program: DeepSeek's EPLB in its plain Python-loop form.

The algorithm is the one that DeepSeek published (https://github.com/deepseek-ai/EPLB), written anew. OpenEvolve
changes what stands between the two EVOLVE-BLOCK markers; the signature of `rebalance_experts` is the contract.
"""

# EVOLVE-BLOCK-START
import torch


def balanced_packing(weight: torch.Tensor, num_packs: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Put n items into num_packs packs of n / num_packs items each, so that the packs weigh about the same.

    The heaviest remaining item goes to the lightest pack that still has room.

    weight: [layers, n]. Returns the pack of each item and its position in that pack, both [layers, n].
    """
    num_layers, num_items = weight.shape
    items_per_pack = num_items // num_packs
    if items_per_pack == 1:  # one item each: nothing to balance
        return torch.arange(num_items).repeat(num_layers, 1), torch.zeros(num_layers, num_items, dtype=torch.int64)
    pack_index = torch.zeros(num_layers, num_items, dtype=torch.int64)
    rank_in_pack = torch.zeros(num_layers, num_items, dtype=torch.int64)
    order = weight.sort(dim=-1, descending=True, stable=True).indices
    for layer in range(num_layers):
        pack_weight = [0.0] * num_packs
        pack_items = [0] * num_packs
        for item in order[layer]:
            pack = min(
                (p for p in range(num_packs) if pack_items[p] < items_per_pack),
                key=pack_weight.__getitem__,
            )
            pack_index[layer, item] = pack
            rank_in_pack[layer, item] = pack_items[pack]
            pack_weight[pack] += float(weight[layer, item])
            pack_items[pack] += 1
    return pack_index, rank_in_pack


def replicate_experts(weight: torch.Tensor, num_phy: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give each expert one replica, and each further replica to the expert with the highest load per replica.

    weight: [rows, num_log]. Returns phy2log [rows, num_phy], the replica's rank among those of its expert
    [rows, num_phy], and the replica count [rows, num_log].
    """
    num_rows, num_log = weight.shape
    phy2log = torch.arange(num_phy).repeat(num_rows, 1)
    rank = torch.zeros(num_rows, num_phy, dtype=torch.int64)
    logcnt = torch.ones(num_rows, num_log, dtype=torch.int64)
    rows = torch.arange(num_rows)
    for slot in range(num_log, num_phy):
        hottest = (weight / logcnt).max(dim=-1).indices
        phy2log[:, slot] = hottest
        rank[:, slot] = logcnt[rows, hottest]
        logcnt[rows, hottest] += 1
    return phy2log, rank, logcnt


def inverse(permutation: torch.Tensor) -> torch.Tensor:
    """Inverse of each row of a [rows, n] permutation."""
    result = torch.empty_like(permutation)
    result.scatter_(1, permutation, torch.arange(permutation.shape[1]).expand(permutation.shape))
    return result


def rebalance_hierarchical(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Groups to nodes, replicas within nodes, replicas to GPUs.

    weight: [layers, experts]. Returns phy2log and rank [layers, num_replicas], logcnt [layers, experts].
    """
    num_layers, num_experts = weight.shape
    group_size = num_experts // num_groups
    groups_per_node = num_groups // num_nodes
    replicas_per_node = num_replicas // num_nodes
    replicas_per_gpu = num_replicas // num_gpus

    # Step 1: pack groups into nodes; "mid" is the order of the experts node by node
    group_load = weight.view(num_layers, num_groups, group_size).sum(-1)
    node, position = balanced_packing(group_load, num_nodes)
    first = (node * groups_per_node + position) * group_size
    log2mid = (first.unsqueeze(-1) + torch.arange(group_size)).flatten(1)
    mid2log = inverse(log2mid)

    # Step 2: replicate the heavy experts within each node
    load_mid = weight.gather(1, mid2log).view(-1, num_experts // num_nodes)
    phy2mid, rank, mid_count = replicate_experts(load_mid, replicas_per_node)

    # Step 3: pack the replicas into the GPUs of the node
    load_phy = (load_mid / mid_count).gather(1, phy2mid)
    gpu, position = balanced_packing(load_phy, num_gpus // num_nodes)
    slot2phy = inverse(gpu * replicas_per_gpu + position)

    slot2mid = phy2mid.gather(1, slot2phy).view(num_layers, num_nodes, replicas_per_node)
    slot2mid = slot2mid + torch.arange(num_nodes).view(1, -1, 1) * (num_experts // num_nodes)
    phy2log = mid2log.gather(1, slot2mid.flatten(1))
    rank = rank.gather(1, slot2phy).view(num_layers, num_replicas)
    logcnt = mid_count.view(num_layers, num_experts).gather(1, log2mid)
    return phy2log, rank, logcnt


def rebalance_experts(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Place num_replicas physical experts on num_gpus GPUs.

    weight: [layers, experts], load of each logical expert in the past window. Returns phy2log [layers, num_replicas],
    log2phy [layers, experts, X] padded with -1, and logcnt [layers, experts], all int64.
    """
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus).cpu()
    num_layers, num_experts = weight.shape
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1  # groups do not divide among the nodes: balance globally
    phy2log, rank, logcnt = rebalance_hierarchical(weight, num_replicas, num_groups, num_nodes, num_gpus)
    width = num_replicas - num_experts + 1
    log2phy = torch.full((num_layers, num_experts * width), -1, dtype=torch.int64)
    slots = torch.arange(num_replicas).expand(num_layers, -1)
    log2phy.scatter_(1, phy2log * width + rank, slots)
    return phy2log, log2phy.view(num_layers, num_experts, width), logcnt


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

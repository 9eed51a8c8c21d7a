"""DeepSeek's greedy in plain C++, row by row.

Source: the algorithm is DeepSeek's (https://github.com/deepseek-ai/EPLB); this form of it is ours.
Idea: what a compiled language gives without any other idea: a stable sort, and a scan of the GPUs for each replica.
Complexity: O(L R (log R + G / N)), and O(L E) for each further replica of a node.
Exact: yes; loads per replica in float32 and sums in float64, as in the seed.
Provenance: reference
"""

# EVOLVE-BLOCK-START
import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

SOURCE = r"""
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

constexpr double FULL = std::numeric_limits<double>::infinity();

struct Plan {  // kept between calls, so that its memory is
    int64_t layers, experts, replicas, groups, nodes, gpus;
    std::vector<int32_t> expert, rank;  // [L, R], slot by slot
    std::vector<int64_t> count;         // [L, E]
};
static thread_local Plan plan;

// Each item's place, pack by pack: the heaviest item left to the lightest pack with room.
static void pack(const std::vector<float> &load, int packs, std::vector<int> &place) {
    const int items = load.size(), room = items / packs;
    place.resize(items);
    std::iota(place.begin(), place.end(), 0);
    if (room == 1) return;  // one item each: nothing to balance
    static thread_local std::vector<int> order, filled;
    static thread_local std::vector<double> held;
    order.resize(items);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return load[a] > load[b]; });
    filled.assign(packs, 0);
    held.assign(packs, 0.0);
    for (int item : order) {
        const int lightest = std::min_element(held.begin(), held.end()) - held.begin();
        place[item] = lightest * room + filled[lightest]++;
        held[lightest] = filled[lightest] == room ? FULL : held[lightest] + load[item];
    }
}

// Plans all layers; returns the largest number of replicas of an expert.
extern "C" int64_t plan_layers(const float *weight, const int64_t *sizes) {
    Plan &p = plan;
    p.layers = sizes[0], p.experts = sizes[1], p.replicas = sizes[2];
    p.groups = sizes[3], p.nodes = sizes[4], p.gpus = sizes[5];
    p.expert.resize(p.layers * p.replicas);
    p.rank.resize(p.layers * p.replicas);
    p.count.assign(p.layers * p.experts, 1);
    const int size = p.experts / p.groups, mids = p.experts / p.nodes, slots = p.replicas / p.nodes;
    std::vector<float> sum(p.groups), load(mids), share(mids), per_slot(slots);
    std::vector<int> group_place, slot_place, group_at(p.groups), expert(mids), mid(slots), rank(slots);
    int64_t most = 1;
    for (int64_t layer = 0; layer < p.layers; ++layer) {
        const float *row = weight + layer * p.experts;
        for (int group = 0; group < p.groups; ++group)
            sum[group] = (float)std::accumulate(row + group * size, row + (group + 1) * size, 0.0);
        pack(sum, p.nodes, group_place);
        for (int group = 0; group < p.groups; ++group) group_at[group_place[group]] = group;
        for (int64_t node = 0; node < p.nodes; ++node) {
            for (int m = 0; m < mids; ++m) {
                expert[m] = group_at[(node * mids + m) / size] * size + m % size;
                load[m] = share[m] = row[expert[m]];
                mid[m] = m;
                rank[m] = 0;
            }
            int64_t *count = &p.count[layer * p.experts];
            for (int slot = mids; slot < slots; ++slot) {
                const int hottest = std::max_element(share.begin(), share.end()) - share.begin();
                mid[slot] = hottest;
                rank[slot] = count[expert[hottest]]++;
                share[hottest] = load[hottest] / count[expert[hottest]];
                most = std::max<int64_t>(most, rank[slot] + 1);
            }
            for (int slot = 0; slot < slots; ++slot) per_slot[slot] = share[mid[slot]];
            pack(per_slot, p.gpus / p.nodes, slot_place);
            for (int slot = 0; slot < slots; ++slot) {
                const int64_t at = layer * p.replicas + node * slots + slot_place[slot];
                p.expert[at] = expert[mid[slot]];
                p.rank[at] = rank[slot];
            }
        }
    }
    return most;
}

extern "C" void write_out(int64_t *phy2log, int64_t *log2phy, int64_t *logcnt, int64_t width) {
    const Plan &p = plan;
    std::memset(log2phy, 0xff, p.layers * p.experts * width * sizeof(int64_t));
    std::copy(p.count.begin(), p.count.end(), logcnt);
    std::copy(p.expert.begin(), p.expert.end(), phy2log);
    for (int64_t layer = 0; layer < p.layers; ++layer)
        for (int64_t slot = 0; slot < p.replicas; ++slot) {
            const int64_t at = layer * p.replicas + slot;
            log2phy[(layer * p.experts + p.expert[at]) * width + p.rank[at]] = slot;
        }
}
"""


def _library():
    """The compiled code, from the cache of this user if it was compiled before; None without a compiler."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        print("no C++ compiler (c++) on the PATH: planning in numpy, many times slower", file=sys.stderr)
        return None
    flags = ["-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-Wno-psabi"]
    with open("/proc/cpuinfo") as cpuinfo:  # what -march=native compiles differs between processors
        processor = "".join(sorted({line for line in cpuinfo if line.startswith(("flags", "model name"))}))
    name = hashlib.sha256("\n".join([SOURCE, compiler, *flags, processor]).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eplb-evolve" / "compiled"
    library = folder / f"{name}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            source, made = Path(scratch) / "plan.cpp", Path(scratch) / "plan.so"
            source.write_text(SOURCE)
            subprocess.run([compiler, *flags, "-o", made, source], check=True)
            made.rename(library)  # other processes see all of it or nothing
    loaded = ctypes.CDLL(str(library))
    loaded.plan_layers.restype = ctypes.c_int64
    loaded.plan_layers.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    loaded.write_out.restype = None
    loaded.write_out.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    return loaded


LIBRARY = _library()


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = _checked(weight, num_replicas, num_groups, num_nodes, num_gpus).cpu()
    layers, experts = weight.shape
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    if LIBRARY is None:
        return _plan_in_numpy(weight.numpy(), num_replicas, num_groups, num_nodes, num_gpus)
    sizes = (ctypes.c_int64 * 6)(layers, experts, num_replicas, num_groups, num_nodes, num_gpus)
    width = LIBRARY.plan_layers(weight.data_ptr(), sizes)
    phy2log = torch.empty((layers, num_replicas), dtype=torch.int64)
    log2phy = torch.empty((layers, experts, width), dtype=torch.int64)
    logcnt = torch.empty((layers, experts), dtype=torch.int64)
    LIBRARY.write_out(phy2log.data_ptr(), log2phy.data_ptr(), logcnt.data_ptr(), width)
    return phy2log, log2phy, logcnt


def _plan_in_numpy(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """The same plan, all rows at once in numpy."""
    (layers, experts), rows = weight.shape, weight.shape[0] * num_nodes
    size, mids, slots = experts // num_groups, experts // num_nodes, num_replicas // num_nodes
    node, place = _pack(weight.reshape(layers, num_groups, size).sum(-1), num_nodes)
    first = (node * (num_groups // num_nodes) + place) * size
    expert = (first[:, :, None] + np.arange(size)).reshape(layers, experts).argsort(1).reshape(rows, mids)
    row, layer = np.arange(rows), np.arange(rows) // num_nodes
    load = weight[layer[:, None], expert]
    mid, rank = np.tile(np.arange(slots), (rows, 1)), np.zeros((rows, slots), np.int64)
    count = np.ones(load.shape, np.int64)
    for slot in range(mids, slots):
        hottest = (load / count.astype(np.float32)).argmax(1)
        mid[:, slot], rank[:, slot] = hottest, count[row, hottest]
        count[row, hottest] += 1
    share = load / count.astype(np.float32)
    gpu, place = _pack(np.take_along_axis(share, mid, 1), num_gpus // num_nodes)
    slot = (row % num_nodes * slots)[:, None] + gpu * (num_replicas // num_gpus) + place
    logical = np.take_along_axis(expert, mid, 1)
    phy2log = np.empty((layers, num_replicas), np.int64)
    log2phy = np.full((layers, experts, count.max()), -1)
    logcnt = np.empty((layers, experts), np.int64)
    phy2log[layer[:, None], slot] = logical
    log2phy[layer[:, None], logical, rank] = slot
    logcnt[layer[:, None], expert] = count
    return tuple(torch.from_numpy(part) for part in (phy2log, log2phy, logcnt))


def _pack(load, packs):
    """Of each row: the heaviest item left to the lightest pack with room. Returns pack and place in it."""
    (rows, items), row = load.shape, np.arange(len(load))
    held, filled = np.zeros((rows, packs)), np.zeros((rows, packs), np.int64)
    pack, place = np.empty((rows, items), np.int64), np.empty((rows, items), np.int64)
    if items == packs:
        return np.tile(np.arange(items), (rows, 1)), np.zeros((rows, items), np.int64)
    for item in np.argsort(-load, axis=1, kind="stable").T:
        lightest = held.argmin(1)
        pack[row, item], place[row, item] = lightest, filled[row, lightest]
        filled[row, lightest] += 1
        held[row, lightest] += np.where(filled[row, lightest] == items // packs, np.inf, load[row, item])
    return pack, place


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

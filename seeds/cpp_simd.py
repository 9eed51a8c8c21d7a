"""DeepSeek's greedy in C++, eight or sixteen rows side by side in vector registers.

Source: the algorithm is DeepSeek's (https://github.com/deepseek-ai/EPLB); this form of it is ours.
Idea: each node of each layer is a row, and rows do not depend on each other, so one vector holds the same item of
several rows. Replicas are counted by a maximum over experts, sorted by Batcher's network on keys of load and index in
32 bits, and placed by a minimum over GPUs, all without a branch. Rows of more than 128 replicas or 32 GPUs go one by
one: radix sort, and trees of minima that answer in the logarithm of the number of GPUs.
Complexity: O(L R (log^2 R + G / N) / lanes), or O(L R log G) for long rows.
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

#ifdef __AVX512F__
constexpr int W = 16;
#else
constexpr int W = 8;
#endif
typedef float Floats __attribute__((vector_size(4 * W)));
typedef int32_t Ints __attribute__((vector_size(4 * W)));
typedef uint32_t Keys __attribute__((vector_size(4 * W)));
constexpr int D = W / 2;  // doubles and longs in as many bytes
typedef double Doubles __attribute__((vector_size(4 * W)));
typedef int64_t Longs __attribute__((vector_size(4 * W)));
typedef float Halves __attribute__((vector_size(2 * W)));  // as many floats

constexpr int SHORT_ROW = 128, FEW_GPUS = 32, INDEX_BITS = 7, TOGETHER = 4;
constexpr double FULL = std::numeric_limits<double>::infinity();

struct Shape { int64_t layers, experts, replicas, groups, nodes, gpus; };

struct Plan {  // kept between calls, so that its memory is
    Shape shape;
    int rows, mids, slots, packs, room;         // per row: experts, replicas, GPUs, replicas per GPU
    std::vector<int32_t> expert;                // [rows, mids]: logical expert
    std::vector<float> load;                    // [rows, mids]
    std::vector<int32_t> count;                 // [rows, mids]
    std::vector<int32_t> extra, extra_rank;     // [rows, slots - mids]: mid of each further replica, and its rank
};
static thread_local Plan plan;

static uint32_t bits_of(float value) { uint32_t bits; std::memcpy(&bits, &value, 4); return bits; }

// Groups to nodes: the heaviest left to the lightest node with room.
static void order_experts(Plan &p, const float *weight) {
    const Shape &s = p.shape;
    const int size = s.experts / s.groups, per_node = s.groups / s.nodes;
    std::vector<float> sum(s.groups);
    std::vector<int> order(s.groups), filled(s.nodes), at(s.groups);
    std::vector<double> held(s.nodes);
    for (int64_t layer = 0; layer < s.layers; ++layer) {
        const float *row = weight + layer * s.experts;
        if (per_node == 1) {
            std::iota(at.begin(), at.end(), 0);
        } else {
            for (int g = 0; g < s.groups; ++g) {
                double total = 0;
                for (int j = 0; j < size; ++j) total += row[g * size + j];
                sum[g] = (float)total;
            }
            std::iota(order.begin(), order.end(), 0);
            std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return sum[a] > sum[b]; });
            std::fill(filled.begin(), filled.end(), 0);
            std::fill(held.begin(), held.end(), 0.0);
            for (int g : order) {
                int node = std::min_element(held.begin(), held.end()) - held.begin();
                at[node * per_node + filled[node]++] = g;
                held[node] = filled[node] == per_node ? FULL : held[node] + sum[g];
            }
        }
        int32_t *expert = &p.expert[layer * s.experts];
        float *load = &p.load[layer * s.experts];
        for (int place = 0; place < s.groups; ++place)
            for (int j = 0; j < size; ++j) {
                const int from = at[place] * size + j;
                *expert++ = from;
                *load++ = row[from];
            }
    }
}

// The further replicas of W short rows from `first` on, each to the expert with the highest load per replica.
static void replicate_rows(Plan &p, int first) {
    alignas(64) float load[SHORT_ROW * W], share[SHORT_ROW * W];
    alignas(64) int32_t best_at[W];
    const int mids = p.mids, lanes = std::min(W, p.rows - first), further = p.slots - mids;
    for (int lane = 0; lane < W; ++lane) {
        const float *row = &p.load[(int64_t)(first + std::min(lane, lanes - 1)) * mids];
        for (int m = 0; m < mids; ++m) share[m * W + lane] = load[m * W + lane] = row[m];
    }
    for (int r = 0; r < further; ++r) {
        const Floats *shares = (const Floats *)share;
        const int half = mids / 2;
        Floats best = shares[0], other = shares[half];
        Ints at = Ints{}, other_at = Ints{} + half;
        for (int m = 1; m < half; ++m) {
            const Ints more = shares[m] > best, more_2 = shares[half + m] > other;
            best = more ? shares[m] : best;
            at = more ? Ints{} + m : at;
            other = more_2 ? shares[half + m] : other;
            other_at = more_2 ? Ints{} + (half + m) : other_at;
        }
        Ints more = other > best;
        best = more ? other : best;
        at = more ? other_at : at;
        if (mids % 2) at = shares[mids - 1] > best ? Ints{} + (mids - 1) : at;
        std::memcpy(best_at, &at, sizeof best_at);
        for (int lane = 0; lane < lanes; ++lane) {
            const int64_t row = first + lane;
            const int m = best_at[lane];
            int32_t &count = p.count[row * mids + m];
            p.extra[row * further + r] = m;
            p.extra_rank[row * further + r] = count++;
            share[m * W + lane] = load[m * W + lane] / count;
        }
    }
}

struct Tree {  // greatest or least of values that change one at a time; of equal ones the first
    int size = 1;
    std::vector<double> value;
    void start(int leaves, double unused) {
        for (size = 1; size < leaves; size *= 2) {}
        value.assign(2 * size, unused);
    }
    void build() {
        for (int i = size - 1; i > 0; --i) value[i] = std::min(value[2 * i], value[2 * i + 1]);
    }
    int first_least() const {
        int i = 1;
        while (i < size) i = 2 * i + (value[2 * i] != value[1]);
        return i - size;
    }
    void set(int leaf, double changed) {
        int i = leaf + size;
        value[i] = changed;
        while (i > 1) {
            changed = std::min(changed, value[i ^ 1]);
            value[i /= 2] = changed;
        }
    }
};

static void replicate_row(Plan &p, int64_t row) {
    static thread_local Tree tree;
    const int mids = p.mids, further = p.slots - mids;
    tree.start(mids, 1.0);  // loads are kept negative: the least is the greatest
    for (int m = 0; m < mids; ++m) tree.value[tree.size + m] = -(double)p.load[row * mids + m];
    tree.build();
    for (int r = 0; r < further; ++r) {
        const int m = tree.first_least();
        int32_t &count = p.count[row * mids + m];
        p.extra[row * further + r] = m;
        p.extra_rank[row * further + r] = count++;
        tree.set(m, -(double)(p.load[row * mids + m] / count));
    }
}

struct Items {  // the replicas of one row
    std::vector<float> share;
    std::vector<uint32_t> order, spare, key;
};

// Comparators of Batcher's merge exchange (Knuth, The Art of Computer Programming, vol. 3, 5.2.2 M).
static const std::vector<std::pair<int, int>> &network(int n) {
    static thread_local std::vector<std::pair<int, int>> pairs;
    static thread_local int made = 0;
    if (made == n) return pairs;
    pairs.clear();
    int top = 1;
    while (top * 2 < n) top *= 2;
    for (int p = top; p > 0; p /= 2) {
        int q = top, r = 0, d = p;
        while (true) {
            for (int i = 0; i + d < n; ++i)
                if ((i & p) == r) pairs.push_back({i, i + d});
            if (q == p) break;
            d = q - p;
            q /= 2;
            r = p;
        }
    }
    made = n;
    return pairs;
}

struct Output { int64_t *phy2log, *log2phy, *logcnt; int64_t width; };

struct Row {  // where the replicas of one row are written
    int64_t *phy2log, *log2phy, width, first_slot;
    const int32_t *expert, *extra, *extra_rank;
    int mids, room;
    Row() = default;
    Row(const Plan &p, const Output &out, int64_t row) : width(out.width), mids(p.mids), room(p.room) {
        const int64_t layer = row / p.shape.nodes, further = p.slots - p.mids;
        first_slot = row % p.shape.nodes * p.slots;
        phy2log = out.phy2log + layer * p.shape.replicas + first_slot;
        log2phy = out.log2phy + layer * p.shape.experts * width;
        expert = &p.expert[row * p.mids];
        extra = p.extra.data() + row * further;
        extra_rank = p.extra_rank.data() + row * further;
    }
    void put(int item, int pack, int filled) const {
        const bool is_first = item < mids;
        const int mid = is_first ? item : extra[item - mids], rank = is_first ? 0 : extra_rank[item - mids];
        const int slot = pack * room + filled;
        phy2log[slot] = expert[mid];
        log2phy[expert[mid] * width + rank] = first_slot + slot;
    }
};

// W rows of n loads by falling load, of equal ones the first first: their numbers to `key`, the loads to `sorted`.
static void sort_rows(const float *share, uint32_t *key, float *sorted, int n, int lanes) {
    for (int i = 0; i < n; ++i) {
        Keys bits;
        std::memcpy(&bits, share + i * W, sizeof bits);
        const Keys rising = ~(bits << 1);  // loads are not negative: as integers they keep their order
        ((Keys *)key)[i] = (rising & ~(Keys{} + ((1u << INDEX_BITS) - 1))) | (Keys{} + (uint32_t)i);
    }
    for (const auto &[i, j] : network(n)) {
        Keys *keys = (Keys *)key;
        const Keys a = keys[i], b = keys[j];
        keys[i] = a < b ? a : b;
        keys[j] = a < b ? b : a;
    }
    for (int i = 0; i < n * W; ++i) {
        key[i] &= (1u << INDEX_BITS) - 1;
        sorted[i] = share[key[i] * W + i % W];
    }
    Ints wrong = Ints{};
    for (int i = 1; i < n; ++i) wrong |= ((Floats *)sorted)[i - 1] < ((Floats *)sorted)[i];
    for (int lane = 0; lane < lanes; ++lane)
        if (wrong[lane])  // loads that only differ in their last bits
            for (int i = 1; i < n; ++i) {
                const float value = sorted[i * W + lane];
                const uint32_t index = key[i * W + lane];
                int j = i;
                for (; j > 0 && (sorted[(j - 1) * W + lane] < value ||
                                 (sorted[(j - 1) * W + lane] == value && key[(j - 1) * W + lane] > index)); --j) {
                    sorted[j * W + lane] = sorted[(j - 1) * W + lane];
                    key[j * W + lane] = key[(j - 1) * W + lane];
                }
                sorted[j * W + lane] = value;
                key[j * W + lane] = index;
            }
}

// The items of W short rows, sorted by load, each to the lightest GPU with room; of equal ones to the first.
template <int LEAVES>  // the power of two that holds the GPUs: what is known now is unrolled
static void choose_packs(const float *sorted, const Plan &p, int lanes, uint8_t *slot_of) {
    alignas(64) double held[LEAVES * W];
    alignas(64) int64_t lightest[W];
    uint8_t next[W][LEAVES];
    for (int pack = 0; pack < LEAVES; ++pack)
        for (int lane = 0; lane < W; ++lane) {
            held[pack * W + lane] = pack < p.packs ? 0.0 : FULL;
            next[lane][pack] = pack * p.room;
        }
    uint8_t end[LEAVES];
    for (int pack = 0; pack < LEAVES; ++pack) end[pack] = (pack + 1) * p.room;
    for (int i = 0; i < p.slots; ++i) {
        for (int half = 0; half < 2; ++half) {
            Doubles *loads = (Doubles *)held + half, least[LEAVES];
            Longs at[LEAVES];
            for (int pack = 0; pack < LEAVES; ++pack) {
                least[pack] = loads[2 * pack];
                at[pack] = Longs{} + pack;
            }
            for (int left = LEAVES / 2; left > 0; left /= 2)
                for (int k = 0; k < left; ++k) {
                    const Longs less = least[2 * k + 1] < least[2 * k];
                    least[k] = less ? least[2 * k + 1] : least[2 * k];
                    at[k] = less ? at[2 * k + 1] : at[2 * k];
                }
            Halves narrow;
            std::memcpy(&narrow, sorted + i * W + half * D, sizeof narrow);
            const Doubles added = __builtin_convertvector(narrow, Doubles);
            for (int pack = 0; pack < LEAVES; ++pack)
                loads[2 * pack] += (Doubles)((Longs)added & (at[0] == Longs{} + pack));
            std::memcpy(lightest + half * D, &at[0], sizeof at[0]);
        }
        for (int lane = 0; lane < lanes; ++lane) {
            const int pack = lightest[lane];
            const uint8_t slot = next[lane][pack]++;
            slot_of[lane * SHORT_ROW + i] = slot;
            if (slot + 1 == end[pack]) held[pack * W + lane] = FULL;
        }
    }
}

// W short rows from `first` on: sorted by load, placed, written.
static void place_rows(const Plan &p, const Output &out, int first) {
    alignas(64) float share[SHORT_ROW * W];
    alignas(64) uint32_t key[SHORT_ROW * W];
    alignas(64) float sorted[SHORT_ROW * W];
    int32_t logical[W][SHORT_ROW], entry[W][SHORT_ROW];  // of each replica: its expert, and its place in log2phy
    uint8_t slot_of[W * SHORT_ROW];
    const int n = p.slots, mids = p.mids, lanes = std::min(W, p.rows - first);
    for (int lane = 0; lane < W; ++lane) {
        const int64_t row = first + std::min(lane, lanes - 1);
        const float *load = &p.load[row * mids];
        const int32_t *expert = &p.expert[row * mids], *count = &p.count[row * mids];
        const int32_t *extra = p.extra.data() + row * (n - mids), *rank = p.extra_rank.data() + row * (n - mids);
        for (int m = 0; m < mids; ++m) {
            share[m * W + lane] = load[m] / count[m];
            logical[lane][m] = expert[m];
            entry[lane][m] = expert[m] * (int32_t)out.width;
        }
        for (int r = mids; r < n; ++r) {
            const int m = extra[r - mids];
            share[r * W + lane] = share[m * W + lane];
            logical[lane][r] = expert[m];
            entry[lane][r] = entry[lane][m] + rank[r - mids];
        }
    }
    sort_rows(share, key, sorted, n, lanes);
    if (p.packs <= 1) choose_packs<1>(sorted, p, lanes, slot_of);
    else if (p.packs <= 2) choose_packs<2>(sorted, p, lanes, slot_of);
    else if (p.packs <= 4) choose_packs<4>(sorted, p, lanes, slot_of);
    else if (p.packs <= 8) choose_packs<8>(sorted, p, lanes, slot_of);
    else if (p.packs <= 16) choose_packs<16>(sorted, p, lanes, slot_of);
    else choose_packs<32>(sorted, p, lanes, slot_of);
    for (int lane = 0; lane < lanes; ++lane) {
        const Row row(p, out, first + lane);
        int64_t *const phy2log = row.phy2log, *const log2phy = row.log2phy, first_slot = row.first_slot;
        for (int i = 0; i < n; ++i) {
            const int item = key[i * W + lane], slot = slot_of[lane * SHORT_ROW + i];
            phy2log[slot] = logical[lane][item];
            log2phy[entry[lane][item]] = first_slot + slot;
        }
    }
}

// The order of one long row by falling load: radix sort, which is stable.
static void sort_row(const Plan &p, int64_t row, Items &items) {
    const int n = p.slots, mids = p.mids;
    items.share.resize(n);
    items.order.resize(n);
    items.spare.resize(n);
    items.key.resize(n);
    for (int m = 0; m < mids; ++m) items.share[m] = p.load[row * mids + m] / p.count[row * mids + m];
    for (int r = mids; r < n; ++r) items.share[r] = items.share[p.extra[row * (n - mids) + r - mids]];
    uint32_t starts[4][256] = {};
    for (int i = 0; i < n; ++i) {
        const uint32_t key = items.key[i] = ~bits_of(items.share[i]);
        items.order[i] = i;
        for (int byte = 0; byte < 4; ++byte) ++starts[byte][key >> (8 * byte) & 255];
    }
    for (int byte = 0; byte < 4; ++byte) {
        uint32_t *start = starts[byte], total = 0;
        bool is_one = false;
        for (int digit = 0; digit < 256; ++digit) {
            is_one |= start[digit] == (uint32_t)n;
            total += start[digit];
            start[digit] = total - start[digit];
        }
        if (is_one) continue;
        for (uint32_t item : items.order) items.spare[start[items.key[item] >> (8 * byte) & 255]++] = item;
        items.order.swap(items.spare);
    }
}

// Up to TOGETHER long rows at once, so that the processor has something to do while it waits for one of them.
static void place_long_rows(const Plan &p, const Output &out, int64_t first) {
    static thread_local Tree trees[TOGETHER];
    static thread_local Items items[TOGETHER];
    static thread_local std::vector<int32_t> filled;
    Row rows[TOGETHER];
    const int together = std::min<int64_t>(TOGETHER, p.rows - first);
    filled.assign(together * p.packs, 0);
    for (int k = 0; k < together; ++k) {
        rows[k] = Row(p, out, first + k);
        sort_row(p, first + k, items[k]);
        trees[k].start(p.packs, FULL);
        std::fill_n(trees[k].value.begin() + trees[k].size, p.packs, 0.0);
        trees[k].build();
    }
    for (int i = 0; i < p.slots; ++i)
        for (int k = 0; k < together; ++k) {
            Tree &tree = trees[k];
            const int pack = tree.first_least(), item = items[k].order[i];
            const int before = filled[k * p.packs + pack]++;
            rows[k].put(item, pack, before);
            tree.set(pack, before + 1 == p.room ? FULL : tree.value[tree.size + pack] + items[k].share[item]);
        }
}

// Counts the replicas; returns the largest count.
extern "C" int64_t count_replicas(const float *weight, const int64_t *sizes) {
    Plan &p = plan;
    p.shape = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]};
    const Shape &s = p.shape;
    p.rows = s.layers * s.nodes;
    p.mids = s.experts / s.nodes;
    p.slots = s.replicas / s.nodes;
    p.packs = s.gpus / s.nodes;
    p.room = p.slots / p.packs;
    p.expert.resize(s.layers * s.experts);
    p.load.resize(s.layers * s.experts);
    p.count.assign(s.layers * s.experts, 1);
    p.extra.resize((int64_t)p.rows * (p.slots - p.mids));
    p.extra_rank.resize((int64_t)p.rows * (p.slots - p.mids));
    order_experts(p, weight);
    if (p.slots <= SHORT_ROW && p.mids > 1)
        for (int row = 0; row < p.rows; row += W) replicate_rows(p, row);
    else
        for (int row = 0; row < p.rows; ++row) replicate_row(p, row);
    int32_t most = 1;
    for (int32_t rank : p.extra_rank) most = std::max(most, rank + 1);
    return most;
}

extern "C" void place(int64_t *phy2log, int64_t *log2phy, int64_t *logcnt, int64_t width) {
    const Plan &p = plan;
    const Shape &s = p.shape;
    const Output out{phy2log, log2phy, logcnt, width};
    std::memset(log2phy, 0xff, s.layers * s.experts * width * sizeof(int64_t));
    for (int64_t row = 0; row < p.rows; ++row) {
        int64_t *counts = logcnt + row / s.nodes * s.experts;
        const int32_t *expert = &p.expert[row * p.mids], *count = &p.count[row * p.mids];
        for (int m = 0, mids = p.mids; m < mids; ++m) counts[expert[m]] = count[m];
    }
    if (p.room == 1) {  // one replica each: nothing to balance
        for (int64_t row = 0; row < p.rows; ++row)
            for (int item = 0; item < p.slots; ++item) Row(p, out, row).put(item, item, 0);
    } else if (p.slots <= SHORT_ROW && p.packs <= FEW_GPUS) {
        for (int row = 0; row < p.rows; row += W) place_rows(p, out, row);
    } else {
        for (int row = 0; row < p.rows; row += TOGETHER) place_long_rows(p, out, row);
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
    loaded.count_replicas.restype = ctypes.c_int64
    loaded.count_replicas.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    loaded.place.restype = None
    loaded.place.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    return loaded


LIBRARY = _library()


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    weight = weight.detach().to("cpu", torch.float32).contiguous()
    layers, experts = weight.shape
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    if LIBRARY is None:
        return _plan_in_numpy(weight.numpy(), num_replicas, num_groups, num_nodes, num_gpus)
    sizes = (ctypes.c_int64 * 6)(layers, experts, num_replicas, num_groups, num_nodes, num_gpus)
    width = LIBRARY.count_replicas(weight.data_ptr(), sizes)
    phy2log = torch.empty((layers, num_replicas), dtype=torch.int64)
    log2phy = torch.empty((layers, experts, width), dtype=torch.int64)
    logcnt = torch.empty((layers, experts), dtype=torch.int64)
    LIBRARY.place(phy2log.data_ptr(), log2phy.data_ptr(), logcnt.data_ptr(), width)
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

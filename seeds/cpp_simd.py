"""DeepSeek's greedy in C++, eight or sixteen rows side by side in vector registers.

Source: the algorithm is DeepSeek's (https://github.com/deepseek-ai/EPLB); this form of it is ours.
Idea: each node of each layer is a row, and rows do not depend on each other, so one vector holds the same item of
several rows. Rows are sorted by Batcher's network on 32-bit keys of load and index, then mended where loads differ in
their last bits only; GPUs are chosen by vector minima, or by a tree of losers for each row where there are more than
32. Short rows count their replicas by vector maxima, long ones by such a tree. log2phy is padded layer by layer,
shortly before its entries are written.
Complexity: O(L R (log^2 R + G / N) / lanes), or O(L R (log^2 R / lanes + log G)) for many GPUs.
Exact: yes; loads per replica in float32 and sums in float64, as in the seed (for more than 32 GPUs sums that differ by
less than G / 2^52 of themselves count as equal).
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
#include <climits>
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

constexpr int SHORT_ROW = 128, FEW_GPUS = 32;
constexpr double FULL = std::numeric_limits<double>::infinity(), LAST = std::numeric_limits<double>::max();

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

static double total_of(const float *load, int n) {
    double part[4] = {};  // float64 holds sums of a few thousand float32 of like size exactly, in any order
    int i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; ++k) part[k] += load[i + k];
    for (; i < n; ++i) part[0] += load[i];
    return part[0] + part[1] + (part[2] + part[3]);
}

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
                sum[g] = (float)total_of(row + g * size, size);
                int place = g;  // by falling sum, of equal ones the first first
                for (; place > 0 && sum[order[place - 1]] < sum[g]; --place) order[place] = order[place - 1];
                order[place] = g;
            }
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

// A key is a double whose high bits are compared for a value and whose low bits hold a number: of equal values the
// least number is the least key. As doubles, since their minimum takes one instruction and no branch.
static double key_of(uint64_t bits) { double key; std::memcpy(&key, &bits, sizeof key); return key; }
static uint64_t bits_of(double key) { uint64_t bits; std::memcpy(&bits, &key, sizeof bits); return bits; }

// Falls as a load that is not negative rises.
static uint64_t falling(float load, uint32_t number) {
    return (uint64_t)(0x7fffffffu - (bits_of(load) & 0x7fffffffu)) << 31 | number;
}

// The least of keys that change one at a time, each the least when it does: a tree of the losers of all comparisons.
struct Losers {
    int size = 1;
    std::vector<double> lost, won;
    uint64_t least() const { return bits_of(lost[0]); }
    void start(int leaves) {  // then the keys into won[size ...], then build
        for (size = 1; size < leaves; size *= 2) {}
        lost.resize(size);
        won.assign(2 * size, FULL);
    }
    void build() {
        for (int i = size - 1; i > 0; --i) {
            won[i] = std::min(won[2 * i], won[2 * i + 1]);
            lost[i] = std::max(won[2 * i], won[2 * i + 1]);
        }
        lost[0] = won[1];
    }
    void replace_least(uint32_t leaf, double key) {
        double *const losers = lost.data();
        for (uint32_t i = (leaf + size) / 2; i > 0; i /= 2) {
            const double other = losers[i];
            losers[i] = other > key ? other : key;
            key = other < key ? other : key;
        }
        losers[0] = key;
    }
};

// The same for up to W long rows, with a tree for each; side by side, so that there is something to do while one waits.
static void replicate_long_rows(Plan &p, int first) {
    static thread_local Losers trees[W];
    Losers *const tree = trees;
    const int mids = p.mids, lanes = std::min(W, p.rows - first), further = p.slots - mids;
    for (int lane = 0; lane < lanes; ++lane) {
        const float *load = &p.load[(int64_t)(first + lane) * mids];
        tree[lane].start(mids);
        double *const leaves = &tree[lane].won[tree[lane].size];
        for (int m = 0; m < mids; ++m) leaves[m] = key_of(falling(load[m], m));
        tree[lane].build();
    }
    const uint32_t number = tree[0].size - 1;
    for (int r = 0; r < further; ++r)
        for (int lane = 0; lane < lanes; ++lane) {
            const int64_t row = first + lane;
            const uint32_t m = tree[lane].least() & number;
            int32_t &count = p.count[row * mids + m];
            p.extra[row * further + r] = m;
            p.extra_rank[row * further + r] = count++;
            tree[lane].replace_least(m, key_of(falling(p.load[row * mids + m] / count, m)));
        }
}

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

struct Output {
    int64_t *phy2log, *log2phy, *logcnt, width, cleared;
    // Pads log2phy up to and with a layer, shortly before its entries are written: it is still in the cache.
    void clear_to(const Plan &p, int64_t layer) {
        const int64_t size = p.shape.experts * width;
        std::memset(log2phy + cleared * size, 0xff, (layer + 1 - cleared) * size * sizeof(int64_t));
        cleared = layer + 1;
    }
};

// W rows of n loads by falling load, of equal ones the first first: their numbers to `key`, the loads to `sorted`.
static void sort_rows(const float *share, uint32_t *key, float *sorted, int n, int lanes) {
    uint32_t number = 1;  // the low bits of a key, above which only the load's first bits have room
    while (number < (uint32_t)n) number = 2 * number + 1;
    for (int i = 0; i < n; ++i) {
        Keys bits;
        std::memcpy(&bits, share + i * W, sizeof bits);
        const Keys rising = ~(bits << 1);  // loads are not negative: as integers they keep their order
        ((Keys *)key)[i] = (rising & ~(Keys{} + number)) | (Keys{} + (uint32_t)i);
    }
    for (const auto &[i, j] : network(n)) {
        Keys *keys = (Keys *)key;
        const Keys a = keys[i], b = keys[j];
        keys[i] = a < b ? a : b;
        keys[j] = a < b ? b : a;
    }
    for (int i = 0; i < n * W; ++i) {
        key[i] &= number;
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

// The heaviest items go one to each GPU, as long as all have a load. Returns how many.
static int dealt_one_each(const float *sorted, const Plan &p, int32_t *slot_of) {
    for (int lane = 0; lane < W; ++lane)
        if (!(sorted[(p.packs - 1) * W + lane] > 0)) return 0;
    for (int i = 0; i < p.packs * W; ++i) slot_of[i] = i / W * p.room;
    return p.packs;
}

// The items of W rows, sorted by load, each to the lightest GPU with room; of equal ones to the first.
template <int LEAVES>  // the power of two that holds the GPUs: what is known now is unrolled
static void choose_packs(const float *sorted, const Plan &p, int lanes, int32_t *slot_of) {
    alignas(64) double held[LEAVES * W];
    alignas(64) int64_t lightest[W];
    int32_t next[W][LEAVES], end[LEAVES];
    for (int pack = 0; pack < LEAVES; ++pack)
        for (int lane = 0; lane < W; ++lane) {
            held[pack * W + lane] = pack < p.packs ? 0.0 : FULL;
            next[lane][pack] = pack * p.room;
        }
    for (int pack = 0; pack < LEAVES; ++pack) end[pack] = (pack + 1) * p.room;
    const int dealt = dealt_one_each(sorted, p, slot_of);
    for (int i = 0; i < dealt; ++i)
        for (int lane = 0; lane < W; ++lane) {
            held[i * W + lane] = sorted[i * W + lane];
            ++next[lane][i];
        }
    for (int i = dealt; i < p.slots; ++i) {
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
            const int32_t slot = next[lane][pack]++;
            slot_of[i * W + lane] = slot;
            if (slot + 1 == end[pack]) held[pack * W + lane] = FULL;
        }
    }
}

// The same for many GPUs, with a tree for each row; side by side, so that there is something to do while one waits.
static void choose_by_trees(const float *sorted, const Plan &p, int lanes, int32_t *slot_of) {
    static thread_local Losers trees[W];
    static thread_local std::vector<double> held;
    static thread_local std::vector<int32_t> next;
    Losers *const tree = trees;
    held.assign(p.packs * W, 0.0);
    next.resize(p.packs * W);
    const int dealt = dealt_one_each(sorted, p, slot_of);
    for (int pack = 0; pack < p.packs; ++pack) std::fill_n(&next[pack * W], W, pack * p.room + (pack < dealt));
    for (int i = 0; i < dealt * W; ++i) held[i] = sorted[i];
    for (int lane = 0; lane < lanes; ++lane) tree[lane].start(p.packs);
    const uint64_t number = tree[0].size - 1;  // low bits of a key say which GPU, the others hold the load
    for (int lane = 0; lane < lanes; ++lane) {
        for (int pack = 0; pack < p.packs; ++pack)
            tree[lane].won[tree[lane].size + pack] = key_of((bits_of(held[pack * W + lane]) & ~number) | pack);
        tree[lane].build();
    }
    double *const loads = held.data();
    int32_t *const free_slot = next.data();
    for (int i = dealt; i < p.slots; ++i)
        for (int lane = 0; lane < lanes; ++lane) {
            const uint32_t pack = tree[lane].least() & number;
            const int32_t slot = free_slot[pack * W + lane]++;
            slot_of[i * W + lane] = slot;
            const double load = loads[pack * W + lane] += sorted[i * W + lane];
            const bool is_full = slot + 1 == (int32_t)(pack + 1) * p.room;
            tree[lane].replace_least(pack, key_of((bits_of(is_full ? LAST : load) & ~number) | pack));
        }
}

// W rows from `first` on: sorted by load, placed, written.
static void place_rows(const Plan &p, Output &out, int first) {
    static thread_local std::vector<Floats> shares, loads;
    static thread_local std::vector<Keys> keys;
    static thread_local std::vector<int32_t> logicals, entries, slots;  // of each replica: expert, place in log2phy
    const int n = p.slots, mids = p.mids, lanes = std::min(W, p.rows - first);
    for (auto *part : {&shares, &loads}) part->resize(n);
    keys.resize(n);
    for (auto *part : {&logicals, &entries, &slots}) part->resize(n * W);
    float *const share = (float *)shares.data(), *const sorted = (float *)loads.data();
    uint32_t *const key = (uint32_t *)keys.data();
    int32_t *const slot_of = slots.data();
    for (int lane = 0; lane < W; ++lane) {
        const int64_t row = first + std::min(lane, lanes - 1);
        const float *load = &p.load[row * mids];
        const int32_t *expert = &p.expert[row * mids], *count = &p.count[row * mids];
        const int32_t *extra = p.extra.data() + row * (n - mids), *rank = p.extra_rank.data() + row * (n - mids);
        int32_t *const logical = &logicals[lane * n], *const entry = &entries[lane * n];
        for (int m = 0; m < mids; ++m) {
            share[m * W + lane] = load[m] / count[m];
            logical[m] = expert[m];
            entry[m] = expert[m] * (int32_t)out.width;
        }
        for (int r = mids; r < n; ++r) {
            const int m = extra[r - mids];
            share[r * W + lane] = share[m * W + lane];
            logical[r] = expert[m];
            entry[r] = entry[m] + rank[r - mids];
        }
    }
    if (p.room == 1) {  // one replica each: nothing to balance
        for (int i = 0; i < n * W; ++i) slot_of[i] = key[i] = i / W;
    } else {
        sort_rows(share, key, sorted, n, lanes);
        if (p.packs == 1) choose_packs<1>(sorted, p, lanes, slot_of);
        else if (p.packs == 2) choose_packs<2>(sorted, p, lanes, slot_of);
        else if (p.packs <= 4) choose_packs<4>(sorted, p, lanes, slot_of);
        else if (p.packs <= 8) choose_packs<8>(sorted, p, lanes, slot_of);
        else if (p.packs <= 16) choose_packs<16>(sorted, p, lanes, slot_of);
        else if (p.packs <= FEW_GPUS) choose_packs<FEW_GPUS>(sorted, p, lanes, slot_of);
        else choose_by_trees(sorted, p, lanes, slot_of);
    }
    for (int lane = 0; lane < lanes; ++lane) {
        const int64_t layer = (first + lane) / p.shape.nodes, first_slot = (first + lane) % p.shape.nodes * n;
        out.clear_to(p, layer);
        int64_t *const phy2log = out.phy2log + layer * p.shape.replicas + first_slot;
        int64_t *const log2phy = out.log2phy + layer * p.shape.experts * out.width;
        const int32_t *const logical = &logicals[lane * n], *const entry = &entries[lane * n];
        for (int i = 0; i < n; ++i) {
            const int item = key[i * W + lane], slot = slot_of[i * W + lane];
            phy2log[slot] = logical[item];
            log2phy[entry[item]] = first_slot + slot;
        }
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
        for (int row = 0; row < p.rows; row += W) replicate_long_rows(p, row);
    int32_t most = 1;
    for (int32_t rank : p.extra_rank) most = std::max(most, rank + 1);
    return most;
}

extern "C" void place(int64_t *phy2log, int64_t *log2phy, int64_t *logcnt, int64_t width) {
    const Plan &p = plan;
    const Shape &s = p.shape;
    Output out{phy2log, log2phy, logcnt, width, 0};
    for (int64_t row = 0; row < p.rows; ++row) {
        int64_t *counts = logcnt + row / s.nodes * s.experts;
        const int32_t *expert = &p.expert[row * p.mids], *count = &p.count[row * p.mids];
        for (int m = 0, mids = p.mids; m < mids; ++m) counts[expert[m]] = count[m];
    }
    for (int row = 0; row < p.rows; row += W) place_rows(p, out, row);
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

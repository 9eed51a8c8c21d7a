"""Replicas dealt to GPUs in rounds, in C++, eight or sixteen rows side by side in vector registers.

Source: ours; packing in rounds is what seeds/torch_rounds.py does.
Idea: as in cpp_simd a vector holds the same item of several rows, sixteen with AVX-512, eight with AVX2. But a load has
only the bits that its key of 32 leaves beside the item's number, so nothing is looked up after the sort; and GPUs take
one replica each before any takes the next, the heaviest to the lightest, so that they are sorted once a round instead
of once a replica. Rows with many spare slots find most counts by bisection. All is kept in 16 bits, and widened to
int64 once, at the end; past the caches where there is much of it.
Complexity: O(L R (log^2 R + S) / lanes) for S spare slots; for many O(log(1 / accuracy)) in place of S.
Exact: no; counts follow the greedy but for loads per replica that are nearly the same, GPUs get theirs in rounds.
Provenance: reference
"""

# EVOLVE-BLOCK-START
import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

SOURCE = r"""
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#ifndef STAGE
#define STAGE(name)  // a benchmark may tell here how long each part takes
#endif
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
typedef int32_t HalfInts __attribute__((vector_size(2 * W)));

constexpr int LONG = 16;  // so many further replicas of a row are not searched for one by one
constexpr double LAST = std::numeric_limits<double>::max();
constexpr float HIGHEST = 1e30f;  // sums of loads up to here stay finite

struct Plan {  // kept between calls, so that its memory is
    int layers, experts, replicas, groups, nodes, gpus;
    int rows, mids, slots, packs, room, further;  // per row: experts, replicas, GPUs, slots per GPU, spare slots
    std::vector<uint16_t> name;      // [rows, slots]: of each replica its expert; the first of each expert come first
    std::vector<int16_t> slot;       // [rows, slots]: where it goes, counted from the node's first slot
    std::vector<uint16_t> rank;      // [rows, further]: of each further replica, among those of its expert
    std::vector<uint16_t> count;     // [layers, experts]
    std::vector<uint16_t> phy2log;   // [layers, replicas]
    std::vector<Floats> memory;      // of these four, each [slots, W], of the rows at hand
    float *share, *sorted;
    uint32_t *key;
    int32_t *slot_of;
    std::vector<int16_t> log2phy;                  // [experts, width]: of the layer at hand
    int width;
};
static thread_local Plan plan;

// Whether all are from 0 to HIGHEST: as integers loads keep their order, and what is none is greater.
// Whether all are from 0 to HIGHEST: as integers loads keep their order, and what is none is greater.
static bool are_loads(const float *weight, int64_t n) {
    Keys most = Keys{};
    int64_t i = 0;
    for (; i + W <= n; i += W) {
        Keys bits;
        std::memcpy(&bits, weight + i, sizeof bits);
        most = most > bits ? most : bits;
    }
    uint32_t greatest, highest, one;
    std::memcpy(&highest, &HIGHEST, sizeof highest);
    greatest = most[0];
    for (int lane = 1; lane < W; ++lane) greatest = std::max(greatest, most[lane]);
    for (; i < n; ++i) {
        std::memcpy(&one, weight + i, sizeof one);
        greatest = std::max(greatest, one);
    }
    const auto is_load = [](float load) { return load >= 0 && load <= HIGHEST; };  // -0 too
    return greatest <= highest || std::all_of(weight, weight + n, is_load);
}

static float total_of(const float *load, int n) {
    Doubles part[2] = {};  // float64 holds sums of a few thousand float32 of like size exactly, in any order
    int i = 0;
    for (; i + 2 * D <= n; i += 2 * D)
        for (int k = 0; k < 2; ++k) {
            Halves loads;
            std::memcpy(&loads, load + i + k * D, sizeof loads);
            part[k] += __builtin_convertvector(loads, Doubles);
        }
    double sums[D], total = 0;
    part[0] += part[1];
    std::memcpy(sums, &part[0], sizeof sums);
    for (int width = D / 2; width > 0; width /= 2)
        for (int k = 0; k < width; ++k) sums[k] += sums[k + width];
    for (; i < n; ++i) total += load[i];
    return (float)(total + sums[0]);
}

// Groups to nodes: the heaviest left to the lightest node with room. The experts of each row to `name`.
static void order_experts(Plan &p, const float *weight) {
    const int size = p.experts / p.groups, per_node = p.groups / p.nodes;
    std::vector<float> sum(p.groups);
    std::vector<int> order(p.groups), filled(p.nodes), at(p.groups);
    std::vector<double> held(p.nodes);
    std::vector<uint16_t> number(p.experts);
    std::iota(number.begin(), number.end(), 0);
    std::iota(at.begin(), at.end(), 0);
    for (int64_t layer = 0; layer < p.layers; ++layer) {
        const float *row = weight + layer * p.experts;
        if (per_node > 1) {
            for (int g = 0; g < p.groups; ++g) {
                sum[g] = total_of(row + g * size, size);
                int place = g;  // by falling sum, of equal ones the first first
                for (; place > 0 && sum[order[place - 1]] < sum[g]; --place) order[place] = order[place - 1];
                order[place] = g;
            }
            std::fill(filled.begin(), filled.end(), 0);
            std::fill(held.begin(), held.end(), 0.0);
            for (int g : order) {
                int node = 0;
                for (int other = 1; other < p.nodes; ++other) node = held[other] < held[node] ? other : node;
                at[node * per_node + filled[node]++] = g;
                held[node] = filled[node] == per_node ? LAST : held[node] + sum[g];
            }
        }
        for (int place = 0; place < p.groups; ++place) {
            const int node = place / per_node, from = at[place] * size;
            uint16_t *const name = &p.name[(layer * p.nodes + node) * p.slots + place % per_node * size];
            std::memcpy(name, &number[from], size * sizeof *name);
        }
    }
}

// The loads of W rows from `first` on, side by side.
static void read_rows(Plan &p, const float *weight, int first, int lanes) {
    const int size = p.experts / p.groups;
    for (int lane = 0; lane < W; ++lane) {
        const int64_t row = first + std::min(lane, lanes - 1);
        const float *loads = weight + row / p.nodes * p.experts;
        for (int m = 0; m < p.mids; m += size) {
            const float *load = loads + p.name[row * p.slots + m];
            float *share = &p.share[m * W + lane];
            for (int j = 0; j < size; ++j) share[j * W] = load[j];
        }
    }
}

// The bits that hold numbers below n.
static uint32_t low_bits(uint32_t n) {
    uint32_t low = 1;
    while (low < n - 1) low = 2 * low + 1;
    return low;
}

// What one row reads and writes as it gets further replicas.
struct Row {
    const float *load;            // [experts], of its layer
    uint16_t *name, *count, *rank;
    // Replica number r of the further ones goes to item m. Returns its expert's load and new count.
    std::pair<float, int> give(int m, int mids, int r) const {
        const uint16_t expert = name[m];
        rank[r] = count[expert]++;
        name[mids + r] = expert;
        return {load[expert], count[expert]};
    }
};

static void rows_at(Plan &p, const float *weight, int first, int lanes, Row *rows) {
    for (int lane = 0; lane < lanes; ++lane) {
        const int64_t row = first + lane, of_layer = row / p.nodes * p.experts;
        rows[lane] = {weight + of_layer, &p.name[row * p.slots], &p.count[of_layer], p.rank.data() + row * p.further};
    }
}

// Most of the further replicas of long rows at once: to each expert load / T, rounded down, for the least T found that
// gives no more than there are. Returns how many each row got; what is left goes to the hottest one by one.
static int give_most(Plan &p, int lanes, const Row *rows) {
    const Floats *const load = (const Floats *)p.share;
    Floats total = Floats{};
    for (int m = 0; m < p.mids; ++m) total += load[m];
    const auto factor = [&](Floats share) { return total > 0 ? 0.999999f / share : Floats{}; };
    const auto given = [&](Floats share) {
        const Floats by = factor(share);
        Ints sum = Ints{};
        for (int m = 0; m < p.mids; ++m) sum += __builtin_convertvector(load[m] * by, Ints);
        return sum;
    };
    Floats low = total / (float)p.slots, high = total / (float)p.further;
    for (int step = 0; step < 10; ++step) {
        const Floats middle = (low + high) / 2;
        const Ints fits = given(middle) <= p.further;
        high = fits ? middle : high;
        low = fits ? low : middle;
    }
    const Ints most = given(high);
    const Floats by = factor(high);
    int each = p.further, had[W] = {};
    for (int lane = 0; lane < lanes; ++lane) each = std::min(each, most[lane]);
    for (int m = 0; m < p.mids; ++m) {
        alignas(64) int32_t more[W];
        const Ints wanted = __builtin_convertvector(load[m] * by, Ints);
        std::memcpy(more, &wanted, sizeof more);
        for (int lane = 0; lane < lanes; ++lane)
            for (; more[lane] > 0 && had[lane] < each; --more[lane]) {
                const auto [full, count] = rows[lane].give(m, p.mids, had[lane]);
                p.slot_of[had[lane]++ * W + lane] = m;
                p.share[m * W + lane] = full / count;
            }
    }
    return each;
}

// Keys rise as loads fall; their low bits hold the number of the item, so that only a load's first bits have room.
static inline Keys key_of(Floats load, Keys item, uint32_t number) {
    const Keys rising = ~((Keys)load << 1);  // loads are not negative: as integers they keep their order
    return (rising & ~number) | item;
}

static void make_keys(Plan &p, int n) {
    const uint32_t number = low_bits(p.slots);
    for (int i = 0; i < n; ++i) ((Keys *)p.key)[i] = key_of(((Floats *)p.share)[i], Keys{} + (uint32_t)i, number);
}

static inline Keys less(Keys a, Keys b) { return a < b ? a : b; }

// The least of n keys of W rows.
static Keys least_of(const Keys *key, int n) {
    Keys best[4] = {key[0], key[0], key[0], key[0]};
    int m = 0;
    for (; m + 4 <= n; m += 4)
        for (int k = 0; k < 4; ++k) best[k] = less(best[k], key[m + k]);
    for (; m < n; ++m) best[0] = less(best[0], key[m]);
    return less(less(best[0], best[1]), less(best[2], best[3]));
}

// The further replicas, each to the expert with the highest load per replica: the one with the least key.
static void replicate_rows(Plan &p, const float *weight, int first, int lanes) {
    alignas(64) float load[W] = {}, count[W];
    alignas(64) uint32_t at[W], fewer[W];
    Row rows[W];
    rows_at(p, weight, first, lanes, rows);
    const uint32_t number = low_bits(p.slots);
    int r = p.further > LONG ? give_most(p, lanes, rows) : 0;
    make_keys(p, p.mids);
    std::fill_n(count, W, 1.0f);
    for (; r < p.further; ++r) {
        const Keys found = least_of((Keys *)p.key, p.mids) & number;
        std::memcpy(at, &found, sizeof at);
        std::memcpy(&p.slot_of[r * W], at, sizeof at);
        for (int lane = 0; lane < lanes; ++lane)
            std::tie(load[lane], count[lane]) = rows[lane].give(at[lane], p.mids, r);
        const Keys keys = key_of(*(Floats *)load / *(Floats *)count, found, number);
        std::memcpy(fewer, &keys, sizeof fewer);
        for (int lane = 0; lane < lanes; ++lane) p.key[at[lane] * W + lane] = fewer[lane];
    }
    for (r = 0; r < p.further; ++r)
        for (int lane = 0; lane < lanes; ++lane)
            p.key[(p.mids + r) * W + lane] = (p.key[p.slot_of[r * W + lane] * W + lane] & ~number) | (p.mids + r);
}

// Comparators of Batcher's odd-even merge sort for n items whose blocks of `sorted` are in order (Knuth, The Art of
// Computer Programming, vol. 3, 5.3.4).
template <typename Take>
static constexpr void each_comparator(int n, int sorted, Take take) {
    for (int p = sorted; p < n; p *= 2)
        for (int k = p; k >= 1; k /= 2)
            for (int j = k % p; j + k < n; j += 2 * k)
                for (int i = j; i < std::min(j + k, n - k); ++i)
                    if (i / (2 * p) == (i + k) / (2 * p)) take(i, i + k);
}

static inline void compare(Keys &one, Keys &other) {
    const Keys a = one, b = other;
    one = a < b ? a : b;
    other = a < b ? b : a;
}

struct Network {
    std::vector<std::pair<int, int>> pairs;
    int made = 0;
    void make(int n, int sorted) {
        if (made == n) return;
        made = n;
        pairs.clear();
        each_comparator(n, sorted, [this](int one, int other) { pairs.push_back({one, other}); });
    }
    void sort(Keys *key) const {
        for (const auto &[one, other] : pairs) compare(key[one], key[other]);
    }
};

// The comparators of few items, known when this is compiled: the items stay in registers.
template <int N>
struct Known {
    int one[N * N] = {}, other[N * N] = {}, n = 0;
    constexpr Known() {
        each_comparator(N, 1, [this](int a, int b) { one[n] = a, other[n++] = b; });
    }
};
template <int N> constexpr Known<N> KNOWN;
template <int N, size_t... I>
static inline void sort_few(Keys *key, std::index_sequence<I...>) {
    (compare(key[KNOWN<N>.one[I]], key[KNOWN<N>.other[I]]), ...);
}
template <int N>
static inline void sort_few(Keys *key) { sort_few<N>(key, std::make_index_sequence<KNOWN<N>.n>()); }

constexpr int BLOCK = 16;

static void sort_keys(Plan &p) {
    static thread_local Network network;
    const int padded = (p.slots + BLOCK - 1) / BLOCK * BLOCK;
    network.make(padded, BLOCK);
    Keys *const key = (Keys *)p.key;
    for (int i = p.slots; i < padded; ++i) key[i] = ~Keys{};
    for (int i = 0; i < padded; i += BLOCK) {
        Keys few[BLOCK];
        for (int k = 0; k < BLOCK; ++k) few[k] = key[i + k];
        sort_few<BLOCK>(few);
        for (int k = 0; k < BLOCK; ++k) key[i + k] = few[k];
    }
    network.sort(key);
}


// In rounds of as many replicas as there are GPUs, the heaviest to the lightest GPU. GPUs stand by rising load; the low
// bits of a load hold the GPU's number. Loads are taken from the keys, which hold all but their last bits.
template <int FEW>  // GPUs, if few enough for registers; else 0
static void choose_in_rounds(Plan &p) {
    static thread_local Network network;
    static thread_local std::vector<Keys> memory;
    const int packs = FEW ? FEW : p.packs;
    if (!FEW) {
        network.make(packs, 1);
        memory.resize(packs);
    }
    Keys few[FEW + 1], *const held = FEW ? few : memory.data(), *key = (Keys *)p.key;
    Ints *slot_of = (Ints *)p.slot_of;
    const uint32_t number = low_bits(p.slots), low = low_bits(packs);
    for (int pack = 0; pack < packs; ++pack) held[pack] = Keys{} + (uint32_t)pack;
    for (int turn = 0; turn < p.room; ++turn) {
        if (turn > 0) {
            if constexpr (FEW > 1) sort_few<FEW>(few);
            else network.sort(held);
        }
        for (int pack = 0; pack < packs; ++pack, ++key, ++slot_of) {
            const Keys at = held[pack] & low;
            const Floats sum = (Floats)(held[pack] & ~low) + (Floats)((~*key & ~number) >> 1);
            *key &= number;
            held[pack] = ((Keys)sum & ~low) | at;
            *slot_of = (Ints)at * p.room + turn;
        }
    }
}

static void pack_rows(Plan &p, int) {
    switch (p.packs) {
        case 2: return choose_in_rounds<2>(p);
        case 4: return choose_in_rounds<4>(p);
        case 8: return choose_in_rounds<8>(p);
        case 16: return choose_in_rounds<16>(p);
        default: return choose_in_rounds<0>(p);
    }
}

// What was found for W rows: the slot of each replica, and the replica in each slot.
static void keep(Plan &p, int first, int lanes) {
    for (int i = 0; i < p.slots; ++i) ((Keys *)p.key)[i] |= ((Keys *)p.slot_of)[i] << 16;
    for (int lane = 0; lane < lanes; ++lane) {
        const int64_t row = first + lane;
        const uint16_t *name = &p.name[row * p.slots];
        int16_t *slots = &p.slot[row * p.slots];
        uint16_t *phy2log = &p.phy2log[row * p.slots];
        const uint32_t *both = p.key + lane;
        for (int i = 0; i < p.slots; ++i, both += W) {
            const uint32_t item = *both & 0xffff, slot = *both >> 16;
            phy2log[slot] = name[item];
            slots[item] = slot;
        }
    }
}

// Returns the largest replica count; -1 where a load is no load.
extern "C" int plan_all(const float *weight, int layers, int experts, int replicas, int groups, int nodes, int gpus) {
    Plan &p = plan;
    STAGE(other)
    if (!are_loads(weight, (int64_t)layers * experts)) return -1;
    STAGE(check)
    p.layers = layers, p.experts = experts, p.replicas = replicas, p.groups = groups, p.nodes = nodes, p.gpus = gpus;
    p.rows = layers * nodes, p.mids = experts / nodes, p.slots = replicas / nodes, p.packs = gpus / nodes;
    p.room = p.slots / p.packs, p.further = p.slots - p.mids;
    const int64_t all = (int64_t)layers * replicas;
    for (auto *part : {&p.name, &p.phy2log}) part->resize(all);
    p.slot.resize(all);
    p.rank.resize((int64_t)p.rows * p.further);
    p.count.assign((int64_t)layers * experts, 1);
    const int padded = (p.slots + BLOCK - 1) / BLOCK * BLOCK;
    p.memory.resize(4 * padded);
    p.share = (float *)p.memory.data(), p.sorted = p.share + padded * W;
    p.key = (uint32_t *)(p.sorted + padded * W), p.slot_of = (int32_t *)(p.key + padded * W);
    order_experts(p, weight);
    STAGE(groups)
    for (int first = 0; first < p.rows; first += W) {
        const int lanes = std::min(W, p.rows - first);
        read_rows(p, weight, first, lanes);
        STAGE(read)
        replicate_rows(p, weight, first, lanes);
        STAGE(replicate)
        if (p.room == 1) {  // one replica each: nothing to balance
            for (int i = 0; i < p.slots * W; ++i) p.key[i] = p.slot_of[i] = i / W;
        } else {
            sort_keys(p);
            STAGE(sort)
            pack_rows(p, lanes);
            STAGE(pack)
        }
        keep(p, first, lanes);
        STAGE(keep)
    }
    uint16_t most = 1;
    for (uint16_t count : p.count) most = std::max(most, count);
    return p.width = most;
}

constexpr int64_t STREAMED = 1 << 20;  // numbers of log2phy

// Widens numbers; past the caches where so much is written that they would not hold it.
template <typename Narrow>
static void widen(const Narrow *from, int64_t *to, int64_t n, bool streams) {
    int64_t i = 0;
    if (streams) {
        for (; i < n && (uintptr_t)(to + i) % sizeof(Longs); ++i) to[i] = from[i];
        for (; i + D <= n; i += D) {
            typedef Narrow Few __attribute__((vector_size(D * sizeof(Narrow))));
            Few few;
            std::memcpy(&few, from + i, sizeof few);
            const Longs wide = __builtin_convertvector(few, Longs);
#ifdef __AVX512F__
            _mm512_stream_si512((__m512i *)(to + i), (__m512i)wide);
#else
            _mm256_stream_si256((__m256i *)(to + i), (__m256i)wide);
#endif
        }
    }
    for (; i < n; ++i) to[i] = from[i];
}

// The plan made last.
extern "C" void write_out(int64_t *phy2log, int64_t *log2phy, int64_t *logcnt) {
    Plan &p = plan;
    STAGE(other)
    const int size = p.experts / p.groups;
    const int64_t entries = (int64_t)p.experts * p.width;
    const bool streams = p.layers * entries > STREAMED;
    widen(p.phy2log.data(), phy2log, (int64_t)p.layers * p.replicas, streams);
    widen(p.count.data(), logcnt, (int64_t)p.layers * p.experts, streams);
    STAGE(write)
    p.log2phy.resize(entries);
    int16_t *const entry = p.log2phy.data();
    for (int64_t layer = 0; layer < p.layers; ++layer) {
        std::memset(entry, 0xff, entries * sizeof *entry);
        for (int node = 0; node < p.nodes; ++node) {
            const int64_t row = layer * p.nodes + node;
            const uint16_t *name = &p.name[row * p.slots], *rank = p.rank.data() + row * p.further;
            const int16_t *slot = &p.slot[row * p.slots];
            const int first = node * p.slots;
            for (int m = 0; m < p.mids; m += size) {
                int16_t *to = entry + name[m] * p.width;
                for (int j = m; j < m + size; ++j, to += p.width) *to = first + slot[j];
            }
            for (int r = 0; r < p.further; ++r)
                entry[name[p.mids + r] * p.width + rank[r]] = first + slot[p.mids + r];
        }
        STAGE(invert)
        widen(entry, log2phy + layer * entries, entries, streams);
        STAGE(write)
    }
    if (streams) _mm_sfence();
}
"""


def _library():
    """The compiled code, from the cache of this user if it was compiled before."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise RuntimeError("cpp_rounds needs a C++ compiler, and there is no c++, g++ or clang++ on the PATH")
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
    loaded.plan_all.argtypes = [ctypes.c_void_p] + [ctypes.c_int] * 6
    loaded.write_out.restype = None
    loaded.write_out.argtypes = [ctypes.c_void_p] * 3
    return loaded


LIBRARY = _library()
SENSIBLE = set()
"""Shapes and numbers that were found to be so."""


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """weight [L, E] -> phy2log [L, num_replicas], log2phy [L, E, X] with X = max(logcnt), logcnt [L, E]."""
    numbers = (getattr(weight, "shape", None), num_replicas, num_groups, num_nodes, num_gpus)
    if {*map(type, numbers[1:])} != {int} or numbers not in SENSIBLE:
        _checked(weight, *numbers[1:])
        SENSIBLE.add(numbers)
    layers, experts = weight.shape
    if num_groups % num_nodes:
        num_groups, num_nodes = 1, 1
    loads = weight.detach().to("cpu", torch.float32).contiguous()
    width = LIBRARY.plan_all(loads.data_ptr(), layers, experts, num_replicas, num_groups, num_nodes, num_gpus)
    if width < 0:
        _checked(weight, *numbers[1:])  # says which of the loads makes no sense
    phy2log = torch.empty((layers, num_replicas), dtype=torch.int64)
    log2phy = torch.empty((layers, experts, width), dtype=torch.int64)
    logcnt = torch.empty((layers, experts), dtype=torch.int64)
    LIBRARY.write_out(phy2log.data_ptr(), log2phy.data_ptr(), logcnt.data_ptr())
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

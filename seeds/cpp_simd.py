"""DeepSeek's greedy in C++, eight or sixteen rows side by side in vector registers.

Source: the algorithm is DeepSeek's (https://github.com/deepseek-ai/EPLB); this form of it is ours.
Idea: each node of each layer is a row, and rows do not depend on each other, so one vector holds the same item of
several rows: sixteen with AVX-512, eight with AVX2, whichever the processor has when this is imported. Rows are sorted
by 32-bit keys of load and index, sixteen items at a time in registers, then merged by Batcher's network, then mended
where loads differ in their last bits only. GPUs stand by rising load, and the lightest is put back by minima and
maxima; more than 32 of a node are a tree of losers. Rows with many spare slots find most counts by bisection. All is
kept in 16 bits, and widened to int64 once, at the end; past the caches where there is much of it.
Complexity: O(L R (log^2 R + S + G / N) / lanes) for S spare slots; for many O(log(1 / accuracy)) in place of S, for
many GPUs log G in place of G / N.
Exact: yes; loads per replica in float32 and sums in float64, as in the seed (sums that differ by less than
G R / 2^50 of themselves count as equal; with many spare slots, so do loads per replica that differ by less than 1e-6).
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

static inline Doubles least(Doubles a, Doubles b) {
#ifdef __AVX512F__
    return (Doubles)_mm512_min_pd((__m512d)a, (__m512d)b);
#else
    return (Doubles)_mm256_min_pd((__m256d)a, (__m256d)b);
#endif
}

static inline Doubles greatest(Doubles a, Doubles b) {
#ifdef __AVX512F__
    return (Doubles)_mm512_max_pd((__m512d)a, (__m512d)b);
#else
    return (Doubles)_mm256_max_pd((__m256d)a, (__m256d)b);
#endif
}

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

// The hottest experts of W rows, of equal ones the first; found from the start again for each replica.
static Ints hottest(const Floats *share, int mids) {
    const int half = mids / 2;
    Floats best = share[0], other = share[half];
    Ints at = Ints{}, other_at = Ints{} + half, here = Ints{}, there = Ints{} + half;
    for (int m = 1; m < half; ++m) {
        here += 1;
        there += 1;
        const Ints more = share[m] > best, more_2 = share[half + m] > other;
        best = more ? share[m] : best;
        at = more ? here : at;
        other = more_2 ? share[half + m] : other;
        other_at = more_2 ? there : other_at;
    }
    Ints more = other > best;
    best = more ? other : best;
    at = more ? other_at : at;
    return mids % 2 ? (share[mids - 1] > best ? Ints{} + (mids - 1) : at) : at;
}

// The further replicas, each to the expert with the highest load per replica.
static void replicate_rows(Plan &p, const float *weight, int first, int lanes) {
    alignas(64) float load[W] = {}, count[W], fewer[W];
    alignas(64) int32_t at[W];
    Row rows[W];
    rows_at(p, weight, first, lanes, rows);
    float *const share = p.share;
    int r = p.further > LONG ? give_most(p, lanes, rows) : 0;
    std::fill_n(count, W, 1.0f);
    for (; r < p.further; ++r) {
        const Ints found = hottest((const Floats *)share, p.mids);
        std::memcpy(at, &found, sizeof at);
        std::memcpy(&p.slot_of[r * W], at, sizeof at);
        for (int lane = 0; lane < lanes; ++lane)
            std::tie(load[lane], count[lane]) = rows[lane].give(at[lane], p.mids, r);
        const Floats less = *(Floats *)load / *(Floats *)count;
        std::memcpy(fewer, &less, sizeof fewer);
        for (int lane = 0; lane < lanes; ++lane) share[at[lane] * W + lane] = fewer[lane];
    }
    for (r = 0; r < p.further; ++r)
        for (int lane = 0; lane < lanes; ++lane)
            share[(p.mids + r) * W + lane] = share[p.slot_of[r * W + lane] * W + lane];
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


// The replicas of W rows by falling load, of equal ones the first first: their numbers to `key`.
static void sort_rows(Plan &p) {
    const int n = p.slots;
    const uint32_t number = low_bits(n);  // above them only the load's first bits have room
    Keys *const key = (Keys *)p.key;
    for (int i = 0; i < n; ++i) {
        Keys bits;
        std::memcpy(&bits, &p.share[i * W], sizeof bits);
        const Keys rising = ~(bits << 1);  // loads are not negative: as integers they keep their order
        key[i] = (rising & ~(Keys{} + number)) | (Keys{} + (uint32_t)i);
    }
    sort_keys(p);
}

// Their loads to `sorted`, exactly: what differs in the last bits only is put in order here.
static void mend_order(Plan &p, int lanes) {
    const int n = p.slots;
    const uint32_t number = low_bits(n);
    uint32_t *const key = p.key;
    float *const sorted = p.sorted, *const share = p.share;
    for (int i = 0; i < n * W; ++i) {
        key[i] &= number;
        sorted[i] = share[key[i] * W + i % W];
    }
    Ints wrong = Ints{};
    for (int i = 1; i < n; ++i) wrong |= ((Floats *)sorted)[i - 1] < ((Floats *)sorted)[i];
    for (int lane = 0; lane < lanes; ++lane)
        if (wrong[lane])
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

// A key is a double whose high bits are compared for a value and whose low bits hold a number: of equal values the
// least number is the least key. As doubles, since their minimum takes one instruction and no branch.
static double key_of(uint64_t bits) { double key; std::memcpy(&key, &bits, sizeof key); return key; }
static uint64_t bits_of(double key) { uint64_t bits; std::memcpy(&bits, &key, sizeof bits); return bits; }

// Falls as a load that is not negative rises.
static uint64_t falling(float load, uint32_t number) {
    uint32_t bits;
    std::memcpy(&bits, &load, sizeof bits);
    return (uint64_t)(0x7fffffffu - (bits & 0x7fffffffu)) << 31 | number;
}

// The least of keys that change one at a time, each the least when it does: a tree of the losers of all comparisons.
struct Losers {
    int size = 1;
    std::vector<double> lost, won;
    uint64_t least() const { return bits_of(lost[0]); }
    void start(int leaves) {  // then the keys into won[size ...], then build
        for (size = 1; size < leaves; size *= 2) {}
        lost.resize(size);
        won.assign(2 * size, std::numeric_limits<double>::infinity());
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

// Each replica to the lightest GPU with room, of equal ones to the first. The GPUs of a row stand by rising load, and
// the lightest is put back where it belongs by minima and maxima. The low bits of a load hold the GPU and, below,
// how many replicas it has, counted so that they are zero when it is full.
template <int LEAVES>  // the power of two that holds the GPUs: what is known now is unrolled
static void choose_packs(Plan &p) {
    int bits = 0;
    while (1 << bits < p.room) ++bits;
    const int64_t counter = (1 << bits) - 1, low = ((int64_t)LEAVES << bits) - 1, none = counter + 1 - p.room;
    Doubles held[2][LEAVES];
    for (int pack = 0; pack < LEAVES; ++pack)
        for (int half = 0; half < 2; ++half)
            held[half][pack] = pack < p.packs ? (Doubles)(Longs{} + ((int64_t)pack << bits) + none) : Doubles{} + LAST;
    for (int i = 0; i < p.slots; ++i) {
        Longs state[2];
        for (int half = 0; half < 2; ++half) {
            const Longs first = (Longs)held[half][0];
            held[half][0] = Doubles{};  // it is put back below
            Halves narrow;
            std::memcpy(&narrow, &p.sorted[i * W + half * D], sizeof narrow);
            state[half] = first & low;
            const Doubles load = (Doubles)(first & ~low) + __builtin_convertvector(narrow, Doubles);
            const Longs next = state[half] + 1;
            const Doubles key = (Doubles)(((Longs)load & ~low) | (next & low));
            const Doubles moved = (next & counter) == 0 ? Doubles{} + LAST : key;
            for (int pack = 1; pack < LEAVES; ++pack)
                held[half][pack - 1] = least(greatest(moved, held[half][pack - 1]), held[half][pack]);
            held[half][LEAVES - 1] = greatest(moved, held[half][LEAVES - 1]);
        }
        for (int half = 0; half < 2; ++half) {
            const HalfInts at = __builtin_convertvector(state[half], HalfInts);
            const HalfInts slot = (at >> bits) * p.room + (at & (int)counter) - (int)none;
            std::memcpy(&p.slot_of[i * W + half * D], &slot, sizeof slot);
        }
    }
}

// The same for many GPUs, with a tree for each row; side by side, so that there is something to do while one waits.
static void choose_by_trees(Plan &p, int lanes) {
    static thread_local Losers trees[W];
    static thread_local std::vector<double> held;
    static thread_local std::vector<int32_t> next;
    Losers *const tree = trees;
    held.resize(p.packs * W);
    next.resize(p.packs * W);
    int dealt = p.packs;  // the heaviest go one to each GPU, as long as all have a load
    for (int lane = 0; lane < lanes; ++lane)
        if (!(p.sorted[(p.packs - 1) * W + lane] > 0)) dealt = 0;
    for (int pack = 0; pack < p.packs; ++pack)
        for (int lane = 0; lane < W; ++lane) {
            held[pack * W + lane] = dealt ? p.sorted[pack * W + lane] : 0.0f;
            p.slot_of[pack * W + lane] = pack * p.room;
            next[pack * W + lane] = pack * p.room + (dealt > 0);
        }
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
            p.slot_of[i * W + lane] = slot;
            const double load = loads[pack * W + lane] += p.sorted[i * W + lane];
            const bool is_full = slot + 1 == (int32_t)(pack + 1) * p.room;
            tree[lane].replace_least(pack, key_of((bits_of(is_full ? LAST : load) & ~number) | pack));
        }
}

static void pack_rows(Plan &p, int lanes) {
    mend_order(p, lanes);
    STAGE(mend)
    if (p.packs == 1) choose_packs<1>(p);
    else if (p.packs == 2) choose_packs<2>(p);
    else if (p.packs <= 4) choose_packs<4>(p);
    else if (p.packs <= 8) choose_packs<8>(p);
    else if (p.packs <= 16) choose_packs<16>(p);
    else if (p.packs <= 32) choose_packs<32>(p);
    else choose_by_trees(p, lanes);
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
            sort_rows(p);
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
    if LIBRARY is None:
        _checked(weight, *numbers[1:])
        return _plan_in_numpy(loads.numpy(), num_replicas, num_groups, num_nodes, num_gpus)
    width = LIBRARY.plan_all(loads.data_ptr(), layers, experts, num_replicas, num_groups, num_nodes, num_gpus)
    if width < 0:
        _checked(weight, *numbers[1:])  # says which of the loads makes no sense
    phy2log = torch.empty((layers, num_replicas), dtype=torch.int64)
    log2phy = torch.empty((layers, experts, width), dtype=torch.int64)
    logcnt = torch.empty((layers, experts), dtype=torch.int64)
    LIBRARY.write_out(phy2log.data_ptr(), log2phy.data_ptr(), logcnt.data_ptr())
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

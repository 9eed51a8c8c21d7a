"""Small programs, unrelated to any search of ours, on which the operators are tried."""

import types
from typing import Any

import torch

HISTOGRAM = '''
import torch

SCALE = 2  # a module constant


def cumulate(values: torch.Tensor, bins: int) -> torch.Tensor:
    """Count how often each value occurs in each row."""
    rows, columns = values.shape
    # how often
    counts = torch.zeros(rows, bins, dtype=torch.int64)
    for row in range(rows):
        for value in values[row]:
            counts[row, value] += SCALE
    return counts


def solve(seed: int):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(0, 5, (4, 11), generator=generator)
    return cumulate(values, 5)
'''

ASSIGNMENT = '''
import torch


def assign(costs: torch.Tensor, rooms: int):
    """Give each guest the room with the smallest sum so far, keyed by the sum."""
    hotels, guests = costs.shape
    room = torch.full((hotels, guests), -1, dtype=torch.int64)
    totals = torch.zeros(hotels, rooms)
    for hotel in range(hotels):
        spent = [0.0] * rooms
        taken = [0] * rooms
        for guest in range(guests):
            best = min((r for r in range(rooms) if taken[r] < 4), key=spent.__getitem__)
            room[hotel, guest] = best
            spent[best] += float(costs[hotel, guest])
            taken[best] += 1
        for r in range(rooms):
            totals[hotel, r] = spent[r]
    return room, totals


def solve(seed: int):
    generator = torch.Generator().manual_seed(seed)
    costs = torch.rand(3, 8, generator=generator, dtype=torch.float64)
    return assign(costs, 3)
'''

SMOOTHING = """
import torch


def smooth(signal: torch.Tensor, gain: float, steps: int):
    size = signal.shape[0]
    result = torch.zeros(size, dtype=torch.float64)
    other = torch.zeros(size, dtype=torch.float64)
    for i in range(size):
        result[i] = signal[i] * gain + 1
    for i in range(size):
        other[i] = result[i] - signal[i]
    total = 0.0
    for step in range(steps):
        peak = max(abs(float(signal[k])) for k in range(size))
        total += peak * (gain * 2 + 1) + sum(float(other[k]) for k in range(size) if k % 2 == 0)
    return result, other, total


def solve(seed: int):
    generator = torch.Generator().manual_seed(seed)
    return smooth(torch.rand(9, generator=generator, dtype=torch.float64), 1.5, 3)
"""

ELECTION = '''
import torch


def seats(votes: torch.Tensor, total: int):
    """Each further seat goes to the list with the most votes per seat."""
    districts, lists = votes.shape
    given = torch.ones(districts, lists, dtype=torch.int64)
    order = torch.zeros(districts, total, dtype=torch.int64)
    index = torch.arange(districts)
    for seat in range(lists, total):
        winner = (votes / given).max(dim=-1).indices
        order[:, seat] = winner
        given[index, winner] += 1
    share = votes.sum(-1)
    ranked = votes.sort(dim=-1, descending=True).indices
    best = votes.gather(1, ranked)
    where = torch.empty_like(ranked)
    where.scatter_(1, ranked, torch.arange(lists).expand(districts, -1))
    return given, order, share, best, where.flatten(1)


def solve(seed: int):
    generator = torch.Generator().manual_seed(seed)
    votes = torch.rand(4, 6, generator=generator, dtype=torch.float64)
    return seats(votes, 15)
'''

LISTS = """
def table(rows: int, columns: int):
    cells = [[0] * columns for _ in range(rows)]
    for row in range(rows):
        for column in range(columns):
            cells[row][column] = row * column % 7
    largest = -1
    for row in range(rows):
        for column in range(columns):
            if cells[row][column] > largest:
                largest = cells[row][column]
    return cells, largest


def solve(seed: int):
    return table(seed % 5 + 2, 6)
"""

GRID = """
import torch


def paint(height: int, width: int, shift: int):
    picture = torch.zeros(height, width, dtype=torch.int64)
    unused = torch.ones(height)
    for y in range(height):
        for x in range(width):
            picture[y, x] = x * 3 + y - shift
    return picture


def solve(seed: int):
    return paint(4, 7, seed)
"""

ORDERED = '''
import torch


def deal(values: torch.Tensor, hands: int):
    """The cards of each row go round the table, the highest first."""
    rows, cards = values.shape
    order = values.argsort(dim=-1, descending=True)
    hand = torch.zeros(rows, cards, dtype=torch.int64)
    for row in range(rows):
        turn = 0
        for card in order[row]:
            hand[row, card] = turn % hands
            turn += 1
    width = cards + 1
    return hand, torch.zeros(rows, width)


def solve(seed: int):
    generator = torch.Generator().manual_seed(seed)
    return deal(torch.rand(3, 8, generator=generator), 4)
'''

PRIMES = '''
def sieve(limit: int):
    """Primes below the limit, and the gaps between them."""
    primes = []
    for number in range(2, limit):
        prime = True
        for known in primes:
            if number % known == 0:
                prime = False
                break
        if prime:
            primes.append(number)
    gaps = []
    for k in range(1, len(primes)):
        gaps.append(primes[k] - primes[k - 1])
    while len(gaps) > 5:
        gaps = gaps[1:]
    return primes, gaps


def solve(seed: int):
    return sieve(30 + seed)
'''

RANKING = """
import numba
import numpy as np


@numba.njit(error_model="numpy")
def _jit_rank(scores):
    places = np.empty(scores.shape, np.int64)
    for row in range(scores.shape[0]):
        order = np.argsort(-scores[row], kind="mergesort")
        for column in range(scores.shape[1]):
            places[row, order[column]] = column
    return places


def ranks(scores):
    return _jit_rank(np.ascontiguousarray(scores))


def solve(seed: int):
    scores = np.random.default_rng(seed).integers(0, 5, (4, 30)).astype(np.float64)
    return ranks(scores).tolist()
"""

QUEUES = """
import numba
import numpy as np


@numba.njit(error_model="numpy")
def _jit_queues(lengths, places, limit):
    busy = np.full(places, 0.0)
    taken = np.full(places, 0)
    chosen = np.empty(lengths.shape[0], np.int64)
    for customer in range(lengths.shape[0]):
        found = False
        queue = 0
        best = 0
        for at in range(places):
            if taken[at] < limit:
                key = busy[at]
                if not found or key < best:
                    found = True
                    queue = at
                    best = key
        chosen[customer] = queue
        busy[queue] += lengths[customer]
        taken[queue] += 1
    return chosen


def wait(lengths):
    return _jit_queues(np.ascontiguousarray(lengths), 4, 8)


def solve(seed: int):
    return wait(np.random.default_rng(seed).random(30)).tolist()
"""

INVOICES = """
import torch


def invoices(prices: torch.Tensor, rate: float):
    rows, columns = prices.shape
    net = prices.sum(1) * 2
    tax = prices.sum(1) * rate
    late = torch.zeros(rows, dtype=torch.float64)
    for row in range(rows):
        seen = torch.zeros(columns, dtype=torch.int64)
        for column in range(columns):
            seen[int(prices[row, column] * 3) % columns] += 1
        late[row] = float(seen.max())
    doubled = net * 2
    bill = doubled + tax
    net = net * 3
    net = torch.where(net > 4.0, 1.0, net)
    spread = prices.T.sum(0)
    return bill, net, late, spread


def solve(seed: int):
    generator = torch.Generator().manual_seed(seed)
    return invoices(torch.rand(4, 5, generator=generator, dtype=torch.float64), 0.2)
"""

ALL = {
    "histogram": HISTOGRAM,
    "assignment": ASSIGNMENT,
    "smoothing": SMOOTHING,
    "election": ELECTION,
    "lists": LISTS,
    "grid": GRID,
    "ordered": ORDERED,
    "primes": PRIMES,
    "ranking": RANKING,
    "queues": QUEUES,
    "invoices": INVOICES,
}


def run(source: str, seed: int) -> Any:
    """What `solve(seed)` of a program returns."""
    module = types.ModuleType("program")
    exec(compile(source, "<program>", "exec"), module.__dict__)
    return module.solve(seed)


def same(first: Any, second: Any) -> bool:
    """Whether two results are equal, types included, floats up to rounding."""
    if type(first) is not type(second):
        return False
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and first.shape == second.shape and torch.allclose(first, second)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    if isinstance(first, float):
        return abs(first - second) <= 1e-9 * max(1.0, abs(first))
    return bool(first == second)

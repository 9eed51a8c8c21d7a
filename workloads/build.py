"""Make the recorded workloads of this folder from per-token routing traces, and bring their cards up to date.

    python workloads/build.py --traces DIR

DIR holds the token traces (NAME.npz with expert_ids [token, layer, k] and seq_len [sequence], NAME.json with
the task of each sequence) and the step counts published with them. The tokens are replayed as a server would
decode them, and the result must equal those step counts, entry for entry. In the cards only shape, sha256,
split and tasks are rewritten; their prose is written by hand.
"""

import argparse
import heapq
import json
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eplb_evolve.workload import cardfile, composition
from eplb_evolve.workload.card import Task
from eplb_evolve.workload.catalog import read_card
from eplb_evolve.workload.counts import sum_windows, write_counts
from eplb_evolve.workload.split import split_windows

FOLDER = Path(__file__).parent
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Replay:
    """How one workload is made: the token trace, the step counts it must reproduce, slots, and the order."""

    workload: str
    tokens: str
    expected: str
    slots: int
    shuffled: bool = False


REPLAYS = (
    Replay("dsv2lite-esft", "deepseek_v2_lite_esft_tokens", "deepseek_v2_lite_esft_steps", slots=16),
    Replay("gptoss20b-phased", "gpt_oss_20b_tokens", "gpt_oss_20b_steps_phased", slots=64),
    Replay("gptoss20b-mixed", "gpt_oss_20b_tokens", "gpt_oss_20b_steps_mixed", slots=64, shuffled=True),
)
COMPOSITES = ("dsv3-composite",)


def start_steps(order: Ints, lengths: Ints, slots: int) -> tuple[Ints, int]:
    """First step of each sequence, and the number of steps with all slots busy.

    Each slot decodes one token per step; the next sequence in `order` enters the slot that is free first.
    """
    starts = np.zeros(len(lengths), np.int64)
    free_at = [0] * slots
    for sequence in order:
        starts[sequence] = free_at[0]
        heapq.heapreplace(free_at, free_at[0] + int(lengths[sequence]))
    return starts, free_at[0]


def count_steps(expert_ids: Ints, lengths: Ints, starts: Ints, steps: int, experts: int) -> NDArray[np.uint32]:
    """Token-expert assignments of each step, [steps, layers, experts], from expert_ids [token, layer, k]."""
    tokens, layers, _ = expert_ids.shape
    offsets = np.cumsum(lengths) - lengths
    step = np.repeat(starts - offsets, lengths) + np.arange(tokens)
    kept, step = expert_ids[step < steps], step[step < steps]
    counts = np.empty((steps, layers, experts), np.uint32)
    for layer in range(layers):
        cells = step[:, None] * experts + kept[:, layer]
        counts[:, layer] = np.bincount(cells.ravel(), minlength=steps * experts).reshape(steps, experts)
    return counts


def tasks_of_steps(task_of: list[str], lengths: Ints, starts: Ints, steps: int) -> tuple[Task, ...]:
    """The task of most active sequences, as ranges of steps (of equals, the one first in the trace)."""
    known = list(dict.fromkeys(task_of))
    active = np.zeros((len(known), steps + 1), np.int64)
    for task, start, length in zip(task_of, starts, lengths, strict=True):
        active[known.index(task), min(start, steps)] += 1
        active[known.index(task), min(start + length, steps)] -= 1
    leading = active.cumsum(axis=1)[:, :steps].argmax(axis=0)
    tasks, first = [], 0
    for task_index, run in groupby(leading.tolist()):
        last = first + len(list(run)) - 1
        tasks.append(Task(known[task_index], (first, last)))
        first = last + 1
    return tuple(tasks)


def replay(rule: Replay, traces: Path, experts: int) -> tuple[NDArray[np.uint32], tuple[Task, ...]]:
    """Step counts and tasks of one workload; exits with a message if the counts are not the expected ones."""
    with np.load(traces / f"{rule.tokens}.npz") as arrays:
        expert_ids, lengths = arrays["expert_ids"].astype(np.int64), arrays["seq_len"].astype(np.int64)
    order = np.random.default_rng(0).permutation(len(lengths)) if rule.shuffled else np.arange(len(lengths))
    print(f"{rule.tokens}: {len(lengths)} sequences, {len(expert_ids)} tokens, {expert_ids.shape[1]} layers")
    starts, steps = start_steps(order, lengths, rule.slots)
    counts = count_steps(expert_ids, lengths, starts, steps, experts)
    with np.load(traces / f"{rule.expected}.npz") as arrays:
        if not np.array_equal(counts, arrays["counts"]):
            raise SystemExit(f"{rule.workload}: the replay of {rule.tokens} does not give {rule.expected}")
    if rule.shuffled:
        return counts, (Task("all tasks, shuffled", (0, steps - 1)),)
    task_of = _task_of_sequences(json.loads((traces / f"{rule.tokens}.json").read_text(encoding="utf-8")))
    return counts, tasks_of_steps(task_of, lengths, starts, steps)


def _task_of_sequences(description: dict[str, Any]) -> list[str]:
    if "sequence_task" in description:
        return list(description["sequence_task"])
    return [sequence["dataset"] for sequence in description["sequence"]]


def make_recorded(rule: Replay, traces: Path) -> None:
    """Write NAME.npz and the derived part of NAME.toml."""
    card = read_card(rule.workload, FOLDER)
    counts, tasks = replay(rule, traces, card.shape[2])
    sha256 = write_counts(FOLDER / f"{card.name}.npz", counts)
    steps, layers, experts = counts.shape
    split = split_windows(tasks, card.interval_steps)
    card = replace(card, shape=(steps, layers, experts), sha256=sha256, tasks=tasks, split=split)
    (FOLDER / f"{card.name}.toml").write_text(cardfile.render(card), encoding="utf-8")
    print(f"{card.name}: {steps} steps, equal to {rule.expected}, sha256 {sha256}")

    for composite in COMPOSITES:
        derived = read_card(composite, FOLDER)
        if derived.composition is not None and derived.composition.source == card.name:
            windows = sum_windows(counts, card.interval_steps)
            search_load = windows[list(split.windows("search"))].sum(axis=0, dtype=np.float64)
            placed = composition.layout(search_load, derived.shape[1], derived.composition)
            composed = composition.compose(windows, placed)
            sha256 = composition.digest(composed)
            shape = (steps, *composed.shape[1:])
            derived = replace(derived, shape=shape, sha256=sha256, tasks=tasks, split=split)
            (FOLDER / f"{composite}.toml").write_text(cardfile.render(derived), encoding="utf-8")
            print(f"{composite}: built from {card.name}, sha256 of its windows {sha256}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=Path, required=True, help="folder with the token traces")
    folder = parser.parse_args().traces
    for rule in REPLAYS:
        make_recorded(rule, folder)

"""What an LLM is told, and what becomes of its replies: bytes by section, before and after, over 100 scripted replies.

    python benchmarks/prompts.py [--save]

"Before" is OpenEvolve's stock prompt with three top and two diverse programs and artifacts; "after" is the gateway's,
for the same parents out of OpenEvolve's own population. The replies are real programs in every shape that models give
them, and broken ones (scripted_replies.py). Nothing is timed: a program has the figures of a shipped program on this
machine's board, so that the bytes are those of real figures. --save writes results/benchmarks/prompts.txt.
"""

import argparse
import asyncio
import dataclasses
import json
import random
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from openevolve.config import Config
from openevolve.database import Program, ProgramDatabase
from openevolve.prompt.sampler import PromptSampler
from scripted_replies import SHAPES, Shape, programs

from eplb_evolve import machine
from eplb_evolve.board.shipped_rows import read_shipped
from eplb_evolve.config import read_eplb
from eplb_evolve.evaluation.bench import open_bench
from eplb_evolve.evaluation.measured import DEEPSEEK_FORM_SHA256
from eplb_evolve.evaluation.result import Evaluation, Margin
from eplb_evolve.feedback import artifacts, metrics
from eplb_evolve.gateway.asking import ask, prompt_in, told_of
from eplb_evolve.gateway.author import Written
from eplb_evolve.gateway.parsing import Rules, program_of, sha256
from eplb_evolve.gateway.record import Attempt, Recorder
from eplb_evolve.gateway.replies import read_reply
from eplb_evolve.gateway.settings import PromptSettings
from eplb_evolve.gateway.upstream import Outcome
from eplb_evolve.llm.author import RunAuthor
from eplb_evolve.llm.task_file import write_task
from eplb_evolve.paths import project
from eplb_evolve.runs.ledger import Entry, Ledger, now

REPLIES = 100
IDEAS = (
    "Heaps instead of sorting, since only the heaviest items matter.",
    "One fused numba kernel over all rows; it allocates nothing after the first call.",
    "The exact greedy in C through ctypes, a row at a time.",
    "Items are packed in rounds, so that a round is one sort of the GPUs.",
    "log2phy is as narrow as the largest replica count.",
)
LOADS = ("log-normal loads, largest/mean 10", "near-uniform loads", "gptoss20b-phased")
PROFILE = "rebalance_hierarchical (line 86): 0.123 ms, 27 %, 1 calls"
FIGURES = (("next_window", 0.985), ("same_window", 0.95), ("each_call", 0.9), ("worst_layer", 0.8))
SHOWN = (1, 10, 100)
RULES = Rules(max_code_length=60_000)
STOCK = ("# Current Program Information", "# Program Evolution History", "# Current Program\n", "\n# Task\n")


class Scripted:
    """Stands in for a model's endpoint; the program that it is asked about is the author's."""

    def __init__(self, shape: Shape, words: str, child: str) -> None:
        self.shape, self.words, self.child, self.base = shape, words, child, ""
        self.asked = 0

    async def forward(self, body: dict[str, Any], *_: object) -> Outcome:
        """The next reply."""
        self.asked += 1
        write: Callable[[str, str, str], str] = self.shape.reply
        if self.asked > 1 and self.shape.again is not None:
            write = self.shape.again
        text = write(self.words, self.base, self.child)
        message = {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": text}}]}
        reply = read_reply(json.dumps(message))
        why, status = ("", 200) if reply.text is not None else (reply.why, 502)
        return Outcome(body, [Attempt(200, "")], None, True, reply, status, why, None, final=False)


class Author(RunAuthor):
    """Tells the script which program the model was asked about."""

    scripted: Scripted

    def write(self, parent: str, system: str = "") -> Written | None:
        """As the gateway's."""
        written = super().write(parent, system)
        self.scripted.base = written.base if written is not None else parent
        return written


def main() -> None:
    """Play the replies, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true")
    save = parser.parse_args().save
    with tempfile.TemporaryDirectory() as folder:
        before, after, fates = play(Path(folder))
    said = f"{machine.describe()}; {time.strftime('%Y-%m-%d', time.gmtime())}; {REPLIES} scripted replies\n"
    said += "\n".join([*sizes_table(before, after), "", *fates_table(fates)])
    print(said)
    if save:
        (project().results / "benchmarks" / "prompts.txt").write_text(said + "\n")


def play(run: Path) -> tuple[list[dict[str, int]], list[dict[str, int]], list[tuple[str, bool, int, bool]]]:
    """Section sizes of each iteration's prompt before and after; each reply's shape, whether OpenEvolve alone makes a
    program of it, how often it was asked for, and whether a program came."""
    place, rng = project(), random.Random(0)
    config = Config()
    config.database.num_islands, config.random_seed, config.database.random_seed = 1, 1, 1
    config.database.in_memory, config.database.feature_dimensions = True, ["complexity", "diversity"]
    database, sampler = ProgramDatabase(config.database), PromptSampler(config.prompt)
    ledger, recorder = Ledger(run), Recorder(run)
    figures = [
        row.evaluation for row in read_shipped(place.results).rows if row.evaluation.feasible and row.evaluation.timing
    ]
    first = next(each for each in figures if each.sha256 == DEEPSEEK_FORM_SHA256)
    tell_task(run, first)
    author = Author(run, PromptSettings(), "time", 1)
    pool, before, after, fates = programs(), [], [], []

    def evaluate(source: str, parent: Program | None, iteration: int) -> None:
        evaluation = pretended(source, rng.choice(figures), ledger)
        ledger.append(Entry(evaluation, now()))
        told, program = metrics(evaluation), str(uuid.uuid4())
        kept = Program(program, source, parent_id=parent.id if parent else None, metrics=told)
        database.add(kept, iteration)
        database.store_artifacts(program, artifacts(evaluation))

    evaluate((place.root / "initial_program.py").read_text(), None, 0)
    for iteration in range(1, REPLIES + 1):
        parent, inspirations = database.sample()
        stock = stock_prompt(sampler, database, parent, inspirations, iteration)
        prompt = prompt_in(stock["user"])
        assert prompt is not None
        words = f"Idea {iteration}: " + rng.choice(IDEAS)
        child = f"# variant {iteration}\n{rng.choice(pool)}"
        author.scripted = scripted = Scripted(SHAPES[(iteration - 1) % len(SHAPES)], words, child)
        body = {
            "messages": [{"role": "system", "content": stock["system"]}, {"role": "user", "content": stock["user"]}]
        }
        stop = asyncio.Event()
        asked = asyncio.run(ask(scripted, body, prompt, author, RULES, stop, lambda _: True))  # type: ignore[arg-type]
        assert asked is not None
        recorder.append(asked.exchange("m", 0.0))
        before.append(stock_sizes(stock, parent.code))
        after.append(asked.told.sections)
        alone = told_of(prompt, scripted.shape.reply(words, parent.code, child), RULES).child is not None
        fates.append((scripted.shape.name, alone, scripted.asked, asked.parsed is True))
        if asked.handed_on is not None:
            evaluate(program_of(prompt, asked.handed_on, RULES) or "", parent, iteration)
    return before, after, fates


def tell_task(run: Path, first: Evaluation) -> None:
    """The words about the shipped configuration's task on this machine."""
    section = read_eplb(project().config)
    task = section.task(project().workloads)
    with closing(open_bench(task.settings)) as bench:
        write_task(run, task, bench, first, section.prompt, section.prompt.longest_program)


def pretended(source: str, like: Evaluation, ledger: Ledger) -> Evaluation:
    """An evaluation of this text with the figures of another one."""
    kept = ledger.keep_program(source.encode(), sha256(source))
    conditions = dataclasses.replace(like.conditions, split="search", workload="dsv3-composite")
    name = str(kept.relative_to(ledger.run))
    margins = [Margin("dsv3-composite", figure, 0.9987, least) for figure, least in FIGURES]
    margins += [Margin(load, "worst_layer", 0.8123, 0.75) for load in LOADS]
    profile = "\n".join(["0.31 ms of processor time and 74 page faults a call, seen from outside", *[PROFILE] * 4])
    told = {"margins": tuple(margins), "profile": profile, "log": "fast path: yes, 58 layers of 58\n"}
    return dataclasses.replace(
        like, program=name, sha256=sha256(source), conditions=conditions, second_look=None, **told
    )


def stock_prompt(
    sampler: PromptSampler, database: ProgramDatabase, parent: Program, inspirations: list[Program], iteration: int
) -> dict[str, str]:
    """As OpenEvolve's worker builds it."""
    ranked = sorted(database.programs.values(), key=lambda program: -program.metrics.get("combined_score", 0.0))
    top = sampler.config.num_top_programs
    prompt: dict[str, str] = sampler.build_prompt(
        current_program=parent.code,
        parent_program=parent.code,
        program_metrics=parent.metrics,
        previous_programs=[program.to_dict() for program in ranked[:top]],
        top_programs=[program.to_dict() for program in ranked[: top + sampler.config.num_diverse_programs]],
        inspirations=[program.to_dict() for program in inspirations],
        evolution_round=iteration,
        diff_based_evolution=True,
        program_artifacts=database.get_artifacts(parent.id),
        feature_dimensions=database.config.feature_dimensions,
    )
    return prompt


def stock_sizes(prompt: dict[str, str], parent: str) -> dict[str, int]:
    """Bytes of a stock prompt's sections."""
    text = prompt["user"]
    history, current = text.index(STOCK[1]), text.index(f"{STOCK[2]}```")
    task = current + text[current:].rindex(STOCK[3])
    parts = {
        "system message": prompt["system"],
        "information, artifacts": text[:history],
        "history, inspirations": text[history:current],
        "the parent": text[current:task],
        "task": text[task:],
    }
    assert parent in parts["the parent"]
    return {name: len(part.encode()) for name, part in parts.items()}


def sizes_table(before: list[dict[str, int]], after: list[dict[str, int]]) -> list[str]:
    """Bytes by section at some iterations, and the largest of all."""
    lines = [f"{'bytes of the prompt at iteration':36s}" + "".join(f"{number:>9d}" for number in SHOWN) + "  largest"]
    for title, sizes in (("before: OpenEvolve's", before), ("after: the gateway's", after)):
        lines.append(title)
        for name in dict.fromkeys(name for each in sizes for name in each):
            column = [each.get(name, 0) for each in sizes]
            lines.append(f"  {name:34s}" + "".join(f"{column[n - 1]:9,d}" for n in SHOWN) + f"{max(column):9,d}")
        whole = [sum(each.values()) for each in sizes]
        lines.append(f"  {'in all':34s}" + "".join(f"{whole[n - 1]:9,d}" for n in SHOWN) + f"{max(whole):9,d}")
        if "tried" in sizes[0]:
            beside = [sum(each.values()) - each["parent"] - each.get("best", 0) for each in sizes]
            row = "".join(f"{beside[n - 1]:9,d}" for n in SHOWN)
            lines.append(f"  {'beside the programs (budget 10,000)':34s}{row}{max(beside):9,d}")
    total = [sum(sum(each.values()) for each in sizes) for sizes in (before, after)]
    lines.append(
        f"all {len(before)} prompts: {total[0]:,} bytes before, {total[1]:,} after, {total[0] / total[1]:.1f} x less"
    )
    return lines


def fates_table(fates: list[tuple[str, bool, int, bool]]) -> list[str]:
    """Of each shape how many replies OpenEvolve alone makes a program of, and how many the gateway."""
    lines = [f"{'reply':36s}{'given':>7s}{'stock':>7s}{'now':>7s}{'asked twice':>13s}"]
    for name in dict.fromkeys(name for name, *_ in fates):
        mine = [fate for fate in fates if fate[0] == name]
        alone, now, twice = (sum(fate[1] for fate in mine), sum(fate[3] for fate in mine), sum(f[2] > 1 for f in mine))
        lines.append(f"  {name:34s}{len(mine):7d}{alone:7d}{now:7d}{twice:13d}")
    counted = Counter({"stock": sum(fate[1] for fate in fates), "now": sum(fate[3] for fate in fates)})
    twice = sum(fate[2] > 1 for fate in fates)
    lines.append(f"  {'in all':34s}{len(fates):7d}{counted['stock']:7d}{counted['now']:7d}{twice:13d}")
    return lines


if __name__ == "__main__":
    main()

"""A recorded run again: derive each child from its parent and the recorded reply, and judge it here and now."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from eplb_evolve import config as configuration
from eplb_evolve.errors import UsageError
from eplb_evolve.evaluation.result import Evaluation, Status, status_of
from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.gateway.record import FILE_NAME as EXCHANGES
from eplb_evolve.runs.exchanges import read_exchanges, tells_children
from eplb_evolve.runs.trace import Mutation, Trace, read_trace

Derivation = Literal["same", "differs", "cannot be derived"]
Evaluate = Callable[[Path], Evaluation]


class CannotDerive(Exception):
    """The recorded reply makes no child of the recorded parent; the message says why."""


@dataclass(frozen=True)
class Rules:
    """How OpenEvolve reads a reply, beyond diff or full rewrite, which the trace itself tells."""

    diff_pattern: str
    language: str
    enforce_evolve_blocks: bool


@dataclass(frozen=True)
class Replayed:
    """One line of the trace, recorded against now. `verdict` and `ratio` of now are None when not evaluated."""

    iteration: int
    sha256: str
    derivation: Derivation
    why: str
    verdict_recorded: Status
    verdict_now: Status | None
    ratio_recorded: float | None
    ratio_now: float | None

    @property
    def change(self) -> float | None:
        """ratio_to_reference now / recorded."""
        return self.ratio_now / self.ratio_recorded if self.ratio_now and self.ratio_recorded else None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self) | {"now_over_recorded": self.change}


@dataclass(frozen=True)
class Totals:
    """Sums over a replay; `change` is the median of now / recorded, None when nothing was timed twice."""

    lines: int
    derived: int
    evaluated: int
    same_verdict: int
    change: float | None
    torn: int

    @property
    def agree(self) -> bool:
        """Whether every child was derived and got its recorded verdict."""
        return self.derived == self.lines and self.same_verdict == self.evaluated


def read_rules(path: Path) -> Rules:
    """From a configuration whose LLM key need not be set."""
    configuration.read_eplb(path)
    import openevolve.config as theirs  # here: it imports every LLM client

    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    read = theirs.Config.from_dict({key: value for key, value in document.items() if key not in ("llm", "eplb")})
    if read.prompt.programs_as_changes_description:
        raise UsageError(f"{path}: replay does not know prompt.programs_as_changes_description; leave it out")
    return Rules(read.diff_pattern, read.language or "python", read.enforce_evolve_blocks)


def recorded(path: Path) -> Trace:
    """What a run's folder, a trace or a record of exchanges holds.

    A run's exchanges count where it kept them: OpenEvolve's trace has no line for a child whose parent was evicted.
    """
    exchanges = path / EXCHANGES if path.is_dir() else path
    if (path.is_dir() or path.name == EXCHANGES) and tells_children(exchanges):
        return read_exchanges(exchanges)
    return read_trace(path)


def check_replies(trace: Trace) -> None:
    """UsageError for a trace without the replies, or without any line."""
    if not trace.mutations:
        raise UsageError(
            f"{trace.file} holds no complete line; OpenEvolve writes ten at a time and the rest at its end"
        )
    if all(mutation.reply is None for mutation in trace.mutations):
        raise UsageError(f"{trace.file} holds no replies; record a run with evolution_trace.include_prompts: true")


def derive(mutation: Mutation, rules: Rules) -> str:
    """The child's code, as OpenEvolve makes it from the parent's code and the reply; or CannotDerive."""
    from openevolve.utils import code_utils

    if mutation.reply is None:
        raise CannotDerive("no reply was recorded")
    parent = mutation.parent_code
    if parent is None and (not mutation.full_rewrite or rules.enforce_evolve_blocks):
        raise CannotDerive("no line of the trace shows its parent")
    try:
        if mutation.full_rewrite:
            child = code_utils.parse_full_rewrite(mutation.reply, rules.language)
            if not child:
                raise CannotDerive("the reply holds no program")
        else:
            blocks = code_utils.extract_diffs(mutation.reply, rules.diff_pattern)
            child, applied = code_utils.apply_diff_blocks(parent, blocks)
            if not applied:
                raise CannotDerive(f"none of the reply's {len(blocks)} diff blocks fits the parent")
        if rules.enforce_evolve_blocks:
            child = code_utils.enforce_evolve_blocks(parent, child)
    except ValueError as problem:
        raise CannotDerive(str(problem)) from problem
    return str(child)


def replay(mutation: Mutation, rules: Rules, evaluate: Evaluate | None, folder: Path) -> Replayed:
    """Derive one child and evaluate what was derived, in a file in `folder`; only derive it without `evaluate`."""
    derivation: Derivation
    now = None
    try:
        child = derive(mutation, rules)
    except CannotDerive as problem:
        derivation, why = "cannot be derived", str(problem)
    else:
        derivation, why = ("same" if sha256(child) == mutation.child_sha256 else "differs"), ""
        if evaluate is not None:
            file = folder / "program.py"
            file.write_bytes(child.encode("utf-8", "replace"))
            now = evaluate(file)
    told = mutation.child_metrics
    return Replayed(
        iteration=mutation.iteration,
        sha256=mutation.child_sha256,
        derivation=derivation,
        why=why,
        verdict_recorded=status_of(told),
        verdict_now=now.status if now is not None else None,
        ratio_recorded=told.get("ratio_to_reference"),
        ratio_now=now.figure("ratio_to_reference") if now is not None else None,
    )


def total(replayed: Sequence[Replayed], torn: int) -> Totals:
    """Add up."""
    judged = [each for each in replayed if each.verdict_recorded != "evaluator_failed"]
    evaluated = [each for each in judged if each.verdict_now is not None]
    changes = [each.change for each in replayed if each.change is not None]
    return Totals(
        lines=len(replayed),
        derived=sum(each.derivation == "same" for each in replayed),
        evaluated=len(evaluated),
        same_verdict=sum(each.verdict_now == each.verdict_recorded for each in evaluated),
        change=statistics.median(changes) if changes else None,
        torn=torn,
    )

"""What each model of a run took and brought: tokens, money, lost replies, gains."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from eplb_evolve.evaluation.objectives.time import ratio_of_score
from eplb_evolve.runs.ledger import Entry
from eplb_evolve.runs.proposals import Proposal


@dataclass(frozen=True)
class ModelShare:
    """One model's part in a search.

    Attributes:
        proposals: how often it was asked for a program
        lost: how often none came
        feasible: how many of its programs are feasible
        leaders: how many of them were the run's best for a time
        prompt_tokens, completion_tokens: sums, as far as replies state them
        cost_usd: None where a price is unknown, and for a local model
        gain: what its leaders gained on the best program before each: times as fast under the objective `time`,
            otherwise points of score
    """

    model: str
    proposals: int = 0
    lost: int = 0
    feasible: int = 0
    leaders: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    gain: float | None = None


def shares(proposals: Sequence[Proposal], entries: Iterable[Entry], objective: str) -> tuple[ModelShare, ...]:
    """Of each model, the one that was asked most often first. entries: of the search windows, in their order."""
    found: dict[str, ModelShare] = {}
    by_child: dict[str, str] = {}
    for each in proposals:
        old = found.get(each.model, ModelShare(each.model))
        unknown = old.cost_usd is None or each.cost_usd is None
        found[each.model] = replace(
            old,
            proposals=old.proposals + 1,
            lost=old.lost + bool(each.lost),
            prompt_tokens=old.prompt_tokens + each.prompt_tokens,
            completion_tokens=old.completion_tokens + each.completion_tokens,
            cost_usd=None if unknown else (old.cost_usd or 0.0) + (each.cost_usd or 0.0),
        )
        if each.child is not None:
            by_child.setdefault(each.child, each.model)
    best = None
    for entry in entries:
        evaluation = entry.evaluation
        model = by_child.get(evaluation.sha256)
        leads = evaluation.outranks(best)
        if model is not None:
            old = found[model]
            found[model] = replace(old, feasible=old.feasible + evaluation.feasible, leaders=old.leaders + leads)
            if leads and best is not None:
                gained = _gain(best.combined_score, evaluation.combined_score, objective, old.gain)
                found[model] = replace(found[model], gain=gained)
        best = evaluation if leads else best
    return tuple(sorted(found.values(), key=lambda share: -share.proposals))


def _gain(before: float, after: float, objective: str, so_far: float | None) -> float:
    if objective == "time":
        return (1.0 if so_far is None else so_far) * ratio_of_score(before) / ratio_of_score(after)
    return (so_far or 0.0) + after - before


def in_words(share: ModelShare, objective: str) -> str:
    """`12 proposals, 2 lost, 34,000 + 8,100 tokens, 0.12 USD, 3.1 x as fast`."""
    words = [f"{share.proposals} proposal{'' if share.proposals == 1 else 's'}, {share.lost} lost"]
    if share.prompt_tokens or share.completion_tokens:
        words.append(f"{share.prompt_tokens:,} + {share.completion_tokens:,} tokens")
    if share.cost_usd:
        words.append(f"{share.cost_usd:.2f} USD")
    if share.gain is not None:
        words.append(f"gained {share.gain:.3g} x" if objective == "time" else f"gained {share.gain:.3g} points")
    return ", ".join(words)

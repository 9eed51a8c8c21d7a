"""Tokens and money per model, kept in RUN/usage.json, so that a resumed run goes on counting."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eplb_evolve import durable
from eplb_evolve.errors import UsageError
from eplb_evolve.gateway.settings import ForwardedModel

FILE_NAME = "usage.json"
_MILLION = 1_000_000
_MOST_TOKENS = 10**12


@dataclass(frozen=True)
class Usage:
    """What one or more calls took. cost_usd: None when a price is unknown."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        unknown = self.cost_usd is None or other.cost_usd is None
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            None if unknown else (self.cost_usd or 0.0) + (other.cost_usd or 0.0),
        )


def read_usage(body: object, model: ForwardedModel) -> Usage | None:
    """The usage that a response states; None when it states none.

    Some endpoints count thinking in total_tokens only. What the total holds beyond the prompt was completed, and costs.
    """
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return None
    prompt, stated, total = (
        next((count for name in names if (count := _count(usage.get(f"{name}_tokens"))) is not None), None)
        for names in (("prompt", "input"), ("completion", "output"), ("total",))
    )
    if stated is None and total is None:
        return None
    prompt = prompt or 0  # what only the total knows is counted at the dearer price
    completion = max(stated or 0, (total or 0) - prompt)
    cost = None
    if model.input_usd_per_million is not None and model.output_usd_per_million is not None:
        cost = (prompt * model.input_usd_per_million + completion * model.output_usd_per_million) / _MILLION
    return Usage(prompt, completion, cost)


def _count(value: object) -> int | None:
    """A number of tokens; None for what is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_TOKENS:
        return None
    return int(value)


@dataclass(frozen=True)
class ModelTotals:
    """A model's sums.

    Attributes:
        exchanges_without_usage: how many said nothing of tokens; nothing is estimated for them
        lost: how many brought no program
    """

    exchanges: int = 0
    exchanges_without_usage: int = 0
    lost: int = 0
    usage: Usage = dataclasses.field(default_factory=Usage)

    def as_dict(self) -> dict[str, Any]:
        """Flat, for JSON."""
        counts = {name: value for name, value in vars(self).items() if name != "usage"}
        return counts | dataclasses.asdict(self.usage)


class Totals:
    """Sums per model. run: the folder of usage.json, None to keep them in memory only."""

    def __init__(self, run: Path | None) -> None:
        self._file = run / FILE_NAME if run is not None else None
        self._models = self._read()

    @property
    def cost_usd(self) -> float:
        """All that is known to have been spent."""
        return sum(model.usage.cost_usd or 0.0 for model in self._models.values())

    def add(self, name: str, usage: Usage, complete: bool, lost: bool = False) -> None:
        """Count one exchange; on disk when this returns.

        complete: whether each of its replies stated its usage. lost: whether it brought no program.
        """
        old = self._models.get(name, ModelTotals())
        self._models[name] = ModelTotals(
            old.exchanges + 1, old.exchanges_without_usage + (not complete), old.lost + lost, old.usage + usage
        )
        if self._file is None:
            return
        durable.write_text(self._file, json.dumps(self.as_dict(), indent=1))

    def as_dict(self) -> dict[str, Any]:
        """What usage.json and GET /v1/usage say."""
        models = {name: totals.as_dict() for name, totals in self._models.items()}
        return {"cost_usd": self.cost_usd, "models": models}

    def _read(self) -> dict[str, ModelTotals]:
        if self._file is None or not self._file.exists():
            return {}
        try:
            models = json.loads(self._file.read_text(encoding="utf-8"))["models"]
            return {name: _totals(**values) for name, values in models.items()}
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            raise UsageError(f"{self._file} is damaged, so spending cannot go on from it; move it away") from problem


def _totals(exchanges: int, exchanges_without_usage: int, lost: int = 0, **usage: Any) -> ModelTotals:
    return ModelTotals(exchanges, exchanges_without_usage, lost, Usage(**usage))

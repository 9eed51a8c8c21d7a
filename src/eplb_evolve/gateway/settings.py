"""What the gateway can be told: the section `eplb.gateway` of a configuration, and what a started one is given."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from eplb_evolve.errors import UsageError
from eplb_evolve.gateway.parsing import Rules

NAME = "eplb-evolve gateway"
"""How a gateway identifies itself."""
READY, FAILED = "ready: ", "failed: "
"""How the one line begins that it prints at its start."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LEAST_BUDGET, LEAST_PROGRAM = 6000, 6000
"""Bytes, so that nothing absurd is asked for; what a task needs of the budget is checked when it is known."""


@dataclass(frozen=True)
class ForwardedModel:
    """Where one model is served, and what it costs.

    Attributes:
        api_base: an OpenAI-compatible endpoint
        api_key_env: name of the environment variable that holds its key; None where none is asked for
        input_usd_per_million: US dollars per million prompt tokens, None if unknown
        output_usd_per_million: US dollars per million completion tokens, reasoning included, None if unknown
    """

    api_base: str
    api_key_env: str | None = None
    input_usd_per_million: float | None = None
    output_usd_per_million: float | None = None

    def __post_init__(self) -> None:
        if not _is_url(self.api_base):
            raise UsageError("gateway.models: api_base must be a URL such as https://host/v1, and is none")
        if self.api_key_env is not None and not self.api_key_env.isidentifier():
            raise UsageError("gateway.models: api_key_env must be the name of an environment variable, never a key")
        for name in ("input_usd_per_million", "output_usd_per_million"):
            price = getattr(self, name)
            if price is not None and not price >= 0:
                raise UsageError(f"gateway.models: {name} must not be negative, but is {price}")

    @property
    def priced(self) -> bool:
        """Whether both prices are known."""
        return self.input_usd_per_million is not None and self.output_usd_per_million is not None

    def key(self) -> str | None:
        """The key, from the environment."""
        return os.environ.get(self.api_key_env) if self.api_key_env is not None else None


def _is_url(text: str) -> bool:
    """Whether an HTTP client can take it for an address."""
    try:
        address = urlsplit(text)
        port = address.port
    except ValueError:
        return False
    bare = text.isprintable() and " " not in text
    return bare and address.scheme in ("http", "https") and bool(address.hostname) and port != 0


@dataclass(frozen=True)
class GatewaySettings:
    """The section `eplb.gateway`.

    Attributes:
        record: write every exchange to RUN/exchanges.jsonl; None: if a model is forwarded
        max_cost: US dollars after which the search is stopped, None for no cap
        retry_seconds: for how long one request may be tried again
        request_timeout_s: how long one try may take
        give_up_after: requests in a row without a program after which the search ends
        models: the models that are forwarded, by name
    """

    record: bool | None = None
    max_cost: float | None = None
    retry_seconds: float = 600.0
    request_timeout_s: float = 300.0
    give_up_after: int = 5
    models: dict[str, ForwardedModel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.retry_seconds >= 0:
            raise UsageError(f"gateway: retry_seconds must not be negative, but is {self.retry_seconds}")
        if not self.request_timeout_s > 0:
            raise UsageError(f"gateway: request_timeout_s must be positive, not {self.request_timeout_s}")
        if self.give_up_after < 1:
            raise UsageError(f"gateway: give_up_after must be at least 1, not {self.give_up_after}")
        if self.max_cost is None:
            return
        if not self.max_cost > 0:
            raise UsageError(f"gateway: max_cost must be positive (US dollars) or null, not {self.max_cost}")
        unpriced = [name for name, model in self.models.items() if not model.priced]
        if unpriced:
            raise UsageError(
                f"gateway: max_cost needs input_usd_per_million and output_usd_per_million of {', '.join(unpriced)}"
            )

    @property
    def records(self) -> bool:
        """Whether exchanges are recorded."""
        return bool(self.models) if self.record is None else self.record


@dataclass(frozen=True)
class PromptSettings:
    """The section `eplb.prompt`: what a forwarded model reads.

    Attributes:
        write: have the gateway write it; otherwise a model reads OpenEvolve's own prompt
        budget: bytes of a prompt beside the programs in it, at most
        limit: bytes of a whole prompt, at most
        rebase: share of the prompts for a program far behind the best one that ask to change the best one instead
    """

    write: bool = True
    budget: int = 10_000
    limit: int = 48_000
    rebase: float = 0.7

    def __post_init__(self) -> None:
        if self.budget < LEAST_BUDGET:
            raise UsageError(f"prompt: budget is {self.budget} bytes, {LEAST_BUDGET} is the least; leave it out")
        if self.limit < self.budget + LEAST_PROGRAM:
            raise UsageError(
                f"prompt: limit is {self.limit} bytes, but budget ({self.budget}) and a program ({LEAST_PROGRAM} at "
                "least) must fit in"
            )
        if not 0 <= self.rebase <= 1:
            raise UsageError(f"prompt: rebase is a share, 0..1, not {self.rebase}")

    @property
    def longest_program(self) -> int:
        """Characters of a program that any prompt has room for."""
        return self.limit - self.budget


@dataclass(frozen=True)
class Service:
    """Everything that a gateway process is told at its start, as JSON; keys are in its environment only.

    Attributes:
        port: on 127.0.0.1, 0 for any free one
        seed: of the local models
        run: the search's folder, None for no files
        gateway: the section of the configuration
        parent: pid of the search, which the gateway dies with and stops at the cap; None: neither
        workers: how many evaluations the search makes at once
        evaluation_s: seconds that one evaluation may take
        rules: by which OpenEvolve makes programs of replies
        prompt: of forwarded models; None leaves it to OpenEvolve
        objective: what the score of a search rewards
    """

    port: int
    seed: int = 0
    run: str | None = None
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    parent: int | None = None
    workers: int = 1
    evaluation_s: float = 900.0
    rules: Rules = field(default_factory=Rules)
    prompt: PromptSettings | None = None
    objective: str = "time"

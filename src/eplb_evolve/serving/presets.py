"""Models, hardware and deployments to compute with, each number with its source.

Bytes are bytes, not bits; speeds are per GPU and direction; times are seconds.
"""

from dataclasses import dataclass

from eplb_evolve.errors import UsageError, suggestion

_DATASHEET = "vendor's datasheet, dense"
_CONFIG = "the model's config.json; weights in the published format"


@dataclass(frozen=True)
class Model:
    """A mixture-of-experts model.

    Attributes:
        layers: with routed experts
        experts: routed, per layer
        top_k: experts per token
        expert_bytes: weights of one expert in one layer, scales included
    """

    name: str
    layers: int
    experts: int
    top_k: int
    expert_bytes: float
    source: str = _CONFIG


@dataclass(frozen=True)
class Hardware:
    """A kind of GPU and how GPUs are joined.

    Attributes:
        scale_up_bytes_per_s: within a domain (NVLink, Infinity Fabric)
        scale_out_bytes_per_s: between domains (one 400 Gb/s adapter per GPU)
        domain_gpus: GPUs in a domain
    """

    name: str
    scale_up_bytes_per_s: float
    scale_out_bytes_per_s: float
    domain_gpus: int
    source: str = _DATASHEET


@dataclass(frozen=True)
class Deployment:
    """A model on hardware, doing one kind of work.

    Attributes:
        gpus: in the expert-parallel group
        step_s: a step when the experts' load is perfectly balanced
        load_share: share of that step that grows in proportion to the load of the fullest GPU
        layer_overhead_s: time per layer of a rebalance beside its bytes: launches, synchronisation, bookkeeping
        sources: of these numbers, by name
    """

    name: str
    model: Model
    hardware: Hardware
    gpus: int
    step_s: float
    load_share: float
    layer_overhead_s: float
    sources: dict[str, str]

    def __post_init__(self) -> None:
        for name in ("step_s", "load_share", "gpus"):
            if not getattr(self, name) > 0:
                raise UsageError(f"deployment {self.name}: {name} must be positive, not {getattr(self, name)}")
        if self.load_share > 1:
            raise UsageError(f"deployment {self.name}: load_share is a share, at most 1, not {self.load_share}")

    @property
    def crossing_share(self) -> float:
        """Share of transfers between two GPUs drawn at random that leave a scale-up domain."""
        if self.gpus <= self.hardware.domain_gpus:
            return 0.0
        return (self.gpus - self.hardware.domain_gpus) / (self.gpus - 1)


MODELS = {
    model.name: model
    for model in (
        Model("deepseek-v3", 58, 256, 8, 44.0e6),
        Model("deepseek-r1-nvfp4", 58, 256, 8, 24.8e6),
        Model("kimi-k2", 60, 384, 8, 44.0e6),
        Model("qwen3-235b", 94, 128, 8, 18.9e6),
        Model("qwen3-30b", 48, 128, 8, 4.7e6),
        Model("gpt-oss-120b", 36, 128, 4, 13.2e6),
        Model("mixtral-8x7b", 32, 8, 2, 352e6),
        Model("deepseek-v2-lite", 26, 64, 6, 17.3e6),
    )
}
HARDWARE = {
    each.name: each
    for each in (
        Hardware("h100", 450e9, 50e9, 8),
        Hardware("h200", 450e9, 50e9, 8),
        Hardware("b200", 900e9, 50e9, 8),
        Hardware("gb200", 900e9, 50e9, 72),
        Hardware("mi355x", 538e9, 50e9, 8),
    )
}

_DECODE = "SGLang's blog of 2025-05-05: 8 x 256 requests a node at 22,282 tokens/s"
_PREFILL = "SGLang's blog of 2025-05-05: 8 x 16,384 tokens a node at 57,674 tokens/s"
_SHARE = "fitted to prefill's gains in SGLang's blog (0.63) and ATOM PR 1210 (0.71): benchmarks/serving_validation.py"
_SHARE_DECODE = "taken from prefill: the one report on decode gains more than any share explains on our loads"
_PR_28369 = "vLLM PR 28369: stall less plan and bytes, by layer (benchmarks/serving_validation.py)"
_PR_43219 = "vLLM PR 43219: mean stall less plan and bytes, by layer (benchmarks/serving_validation.py)"
DEPLOYMENTS = {
    each.name: each
    for each in (
        Deployment(
            "deepseek-v3-decode",
            MODELS["deepseek-v3"],
            HARDWARE["h100"],
            gpus=32,
            step_s=0.092,
            load_share=0.67,
            layer_overhead_s=0.0093,
            sources={"step_s": _DECODE, "load_share": _SHARE_DECODE, "layer_overhead_s": _PR_28369},
        ),
        Deployment(
            "deepseek-v3-prefill",
            MODELS["deepseek-v3"],
            HARDWARE["h100"],
            gpus=32,
            step_s=2.27,
            load_share=0.67,
            layer_overhead_s=0.0093,
            sources={"step_s": _PREFILL, "load_share": _SHARE, "layer_overhead_s": _PR_28369},
        ),
        Deployment(
            "deepseek-r1-gb200-decode",
            MODELS["deepseek-r1-nvfp4"],
            HARDWARE["gb200"],
            gpus=32,
            step_s=0.075,
            load_share=0.67,
            layer_overhead_s=0.0150,
            sources={
                "step_s": "vLLM PR 43219: inter-token latency at 20,800 requests, P99",
                "load_share": _SHARE_DECODE,
                "layer_overhead_s": _PR_43219,
            },
        ),
    )
}


def deployment(name: str) -> Deployment:
    """The preset of that name; raises UsageError with the nearest one."""
    if name not in DEPLOYMENTS:
        hint = suggestion(name, list(DEPLOYMENTS))
        raise UsageError(f"there is no deployment '{name}'{hint}; there are {', '.join(DEPLOYMENTS)}")
    return DEPLOYMENTS[name]

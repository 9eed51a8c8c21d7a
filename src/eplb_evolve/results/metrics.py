"""Every figure that results show, declared once: name, heading, unit, direction, what it means."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One figure of an Evaluation; `name` is its field, `better` the direction in which it improves."""

    name: str
    heading: str
    unit: str
    better: Literal["lower", "higher", "neither"]
    description: str
    form: str = ".3g"

    def show(self, value: float | None) -> str:
        """The value as a table shows it; `-` when there is none."""
        if value is None:
            return "-"
        return format(value * 100 if self.unit == "%" else value, self.form)


METRICS = (
    Metric("time_ms", "ms", "ms", "lower", "Median time of one call, net of the clock's overhead."),
    Metric("time_ms_low", "ms low", "ms", "lower", "Lower end of the median time's 95 % interval."),
    Metric("time_ms_high", "ms high", "ms", "lower", "Upper end of the median time's 95 % interval."),
    Metric("time_p99_ms", "p99 ms", "ms", "lower", "99th percentile of the call times."),
    Metric(
        "ratio_to_reference",
        "x ref",
        "x",
        "lower",
        "Time / the reference's time on the same inputs; the pessimistic of two robust estimators. The rank.",
    ),
    Metric("ratio_low", "x ref low", "x", "lower", "Lower end of the ratio's 95 % interval."),
    Metric("ratio_high", "x ref high", "x", "lower", "Upper end of the ratio's 95 % interval."),
    Metric(
        "speedup_over_seed",
        "speedup",
        "x",
        "higher",
        "Times as fast as DeepSeek's form in plain Python loops.",
        ",.1f",
    ),
    Metric(
        "first_call_ms",
        "first ms",
        "ms",
        "lower",
        "Import and first call together: compilation shows here.",
        ",.0f",
    ),
    Metric(
        "balancedness",
        "bal. next",
        "0..1",
        "higher",
        "Balancedness on the window after the one planned on.",
        ".4f",
    ),
    Metric("balancedness_same", "bal. same", "0..1", "higher", "Balancedness on the window planned on.", ".4f"),
    Metric(
        "balancedness_worst_layer",
        "worst layer",
        "0..1",
        "higher",
        "The least balanced layer, same window.",
        ".4f",
    ),
    Metric(
        "balancedness_sglang",
        "SGLang bal.",
        "0..1",
        "higher",
        "Mean over layers of mean / max, next window.",
        ".4f",
    ),
    Metric(
        "balancedness_reference",
        "ref. bal.",
        "0..1",
        "higher",
        "The exact greedy's, next window, same calls.",
        ".4f",
    ),
    Metric("transfers", "moved", "%", "lower", "Share of slots whose expert was not on that GPU before.", ".0f"),
    Metric("combined_score", "score", "", "higher", "What the search maximizes: above 1 when feasible.", ".4f"),
    Metric("samples", "pairs", "", "neither", "Timed pairs of candidate and reference.", "d"),
)

BY_NAME = {metric.name: metric for metric in METRICS}

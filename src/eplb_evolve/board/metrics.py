"""Every figure that results show, declared once: name, heading, unit, direction, what it means."""

from dataclasses import dataclass
from typing import Literal

from eplb_evolve.evaluation.result import Evaluation


@dataclass(frozen=True)
class Metric:
    """One figure of an Evaluation.

    Attributes:
        name: as Evaluation.figure and JSON have it
        better: the direction in which it improves
        none: what stands for a missing value
        interval: names of the lower and the upper end of its 95 % interval; empty where none is kept
        negligible: what is no difference, however sure
    """

    name: str
    heading: str
    unit: str
    better: Literal["lower", "higher", "neither"]
    description: str
    form: str = ".3g"
    none: str = "-"
    interval: tuple[str, str] | tuple[()] = ()
    negligible: float = 0.0

    def show(self, value: float | None) -> str:
        """The value as a table shows it; `none` when there is none."""
        if value is None:
            return self.none
        text = format(value * 100 if self.unit == "%" else value, self.form)
        return text.replace("-", "+" if "+" in self.form else "") if not text.strip("-0.") else text

    def show_half(self, low: float, high: float) -> str:
        """Half the width of an interval, with the value's decimals, or two digits."""
        half, form = (high - low) / 2 * (100 if self.unit == "%" else 1), self.form.lstrip("+")
        return format(half, ".2g" if "g" in form else form).removeprefix("0") if half else "0"

    def ends(self, evaluation: Evaluation) -> tuple[float, float] | None:
        """The ends of its interval; None where that is not known."""
        found = [evaluation.figure(name) for name in self.interval]
        return (found[0], found[1]) if found and None not in found else None


METRICS = (
    Metric(
        "time_ms",
        "ms",
        "ms",
        "lower",
        "Median time of one call, net of the clock's overhead.",
        interval=("time_ms_low", "time_ms_high"),
    ),
    Metric("time_ms_low", "ms low", "ms", "lower", "Lower end of the median time's 95 % interval."),
    Metric("time_ms_high", "ms high", "ms", "lower", "Upper end of the median time's 95 % interval."),
    Metric("time_p99_ms", "p99 ms", "ms", "lower", "99th percentile of the call times."),
    Metric(
        "ratio_to_reference",
        "x ref",
        "x",
        "lower",
        "Time / the reference's time on the same inputs; the pessimistic of two robust estimators.",
        interval=("ratio_low", "ratio_high"),
    ),
    Metric("ratio_low", "x ref low", "x", "lower", "Lower end of the ratio's 95 % interval."),
    Metric("ratio_high", "x ref high", "x", "lower", "Upper end of the ratio's 95 % interval."),
    Metric("ratio_worst", "worst", "x", "lower", "Of several workloads the largest ratio; then `x ref` is their mean."),
    Metric(
        "floor_ms", "floor ms", "ms", "neither", "Time of a call that only fills three new tensors, measured beside it."
    ),
    Metric("floor_ratio", "floor x", "x", "neither", "The same / the reference's time."),
    Metric("ratio_spread", "± %", "%", "lower", "Half the width of the ratio's 95 % interval / the ratio.", ".1f"),
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
        "balancedness_ratio",
        "bal.",
        "x",
        "higher",
        "Balancedness on the window after the one planned on / the reference's on the same calls.",
        ".4f",
        interval=("balancedness_ratio_low", "balancedness_ratio_high"),
    ),
    Metric(
        "balancedness", "bal. next", "0..1", "higher", "Balancedness on the window after the one planned on.", ".4f"
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
    Metric(
        "balancedness_even",
        "even",
        "0..1",
        "higher",
        "Balancedness on the next window of a few calls, if the replicas of an expert get equal shares of its tokens.",
        ".4f",
    ),
    Metric(
        "lp_bound",
        "lp",
        "0..1",
        "higher",
        "On the same calls, the best that any dispatch of tokens to the program's replicas could reach.",
        ".4f",
    ),
    Metric(
        "balancedness_nearest",
        "near",
        "0..1",
        "higher",
        "On the same calls, if each GPU sends all its tokens of an expert to the nearest replica, as SGLang's static "
        "dispatch does.",
        ".4f",
    ),
    Metric("transfers", "moved", "%", "lower", "Share of slots whose expert was not on that GPU before.", ".0f"),
    Metric(
        "transfers_more",
        "mv. more",
        "%",
        "lower",
        "The same less the reference's on the same calls, in points.",
        "+.1f",
        interval=("transfers_more_low", "transfers_more_high"),
        negligible=0.01,
    ),
    Metric(
        "net_gain",
        "gain",
        "%",
        "higher",
        "Net throughput less the reference's on the same calls, in percent of never rebalancing.",
        "+.2f",
        interval=("net_gain_low", "net_gain_high"),
        negligible=1e-4,
    ),
    Metric(
        "net_throughput",
        "net",
        "x",
        "higher",
        "Throughput / that of never rebalancing, for the configuration's `serving`.",
        ".4f",
        interval=("net_throughput_low", "net_throughput_high"),
    ),
    Metric("net_throughput_low", "net low", "x", "higher", "Lower end of the net throughput's 95 % interval.", ".4f"),
    Metric("net_throughput_high", "net high", "x", "higher", "Upper end of the net throughput's 95 % interval.", ".4f"),
    Metric(
        "net_blocking_3000",
        "blocking",
        "x",
        "higher",
        "Throughput / that of never rebalancing, serving waiting for a rebalance every 3000 steps.",
        ".3f",
    ),
    Metric(
        "net_background_3000",
        "backgr.",
        "x",
        "higher",
        "The same, serving going on with the old placement meanwhile.",
        ".3f",
    ),
    Metric(
        "net_blocking_best",
        "best bl",
        "x",
        "higher",
        "Blocking at the interval that is best for it if load drifts on as in the trace.",
        ".3f",
    ),
    Metric("net_background_best", "best bg", "x", "higher", "In the background at the best interval for that.", ".3f"),
    Metric("best_interval_steps", "best at", "steps", "neither", "The best interval of blocking rebalances.", ",d"),
    Metric(
        "break_even_steps",
        "even at",
        "steps",
        "lower",
        "Steps that pay for a blocking rebalance.",
        ",.0f",
        "never",
    ),
    Metric(
        "of_perfect",
        "perfect",
        "%",
        "higher",
        "Share of the gain of perfect balance that blocking at 3000 steps reaches.",
        ".0f",
    ),
    Metric("combined_score", "score", "", "higher", "What the search maximizes: above 1 when feasible.", ".4f"),
    Metric("samples", "pairs", "", "neither", "Timed pairs of candidate and reference.", "d"),
)

BY_NAME = {metric.name: metric for metric in METRICS}

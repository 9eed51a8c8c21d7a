"""Search with GEPA's optimize_anything, judged by eplb_evolve. See README.md beside it."""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai

import eplb_evolve
from eplb_evolve.errors import EnvironmentProblem, EplbError
from eplb_evolve.evaluation.result import Status
from eplb_evolve.feedback import artifacts
from eplb_evolve.hostile_text import one_line

ROOT = Path(__file__).resolve().parents[2]
RETRIES = 5
"""Of a request that the endpoint did not answer."""
FAILURES = 3
"""That a model is told of."""
Judged = tuple[float, dict[str, Any]]


class Judge:
    """GEPA's evaluator: the source of a program to its score and, in words, what was wrong, slow or unbalanced.

    GEPA asks for a parent again before each of its children. One program is measured once; but each time its words say
    what was wrong with the last programs that failed, which GEPA would show no model: it shows what it kept.
    """

    def __init__(self, workload: str | None) -> None:
        self._workload = workload
        self._known: dict[str, Judged] = {}
        self._failures: list[str] = []

    def __call__(self, candidate: str) -> Judged:
        """EnvironmentProblem where the evaluator or the machine failed: that says nothing about the program."""
        if candidate not in self._known:
            score, words = self._known[candidate] = self._judge(candidate)
            shown = one_line(words["time" if score > 1 else "verdict"])  # above 1 is valid and balanced enough
            print(f"{len(self._known):3d}  score {score:6.3f}  {shown}"[:118], flush=True)
            if score <= 1:
                self._failures.append(words["verdict"])
        score, words = self._known[candidate]
        others = [each for each in self._failures[-FAILURES:] if each != words["verdict"]]
        return score, words | ({"other programs that failed": "\n".join(others)} if others else {})

    def _judge(self, candidate: str) -> Judged:
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "program.py"
            program.write_text(candidate, encoding="utf-8", errors="replace")
            found = eplb_evolve.evaluate(program, self._workload)
        if found.status is Status.EVALUATOR_FAILED:
            raise EnvironmentProblem(found.reason)
        return found.combined_score, artifacts(found, found.objective)


def model(name: str, api_base: str, key: str) -> Callable[[str | list[dict[str, Any]]], str]:
    """What GEPA asks for programs: any endpoint that speaks OpenAI's protocol.

    GEPA goes on without a program where this raises an Exception, so SystemExit ends a search that gets no reply.
    """
    client = openai.OpenAI(base_url=api_base, api_key=key, max_retries=RETRIES)

    def ask(prompt: str | list[dict[str, Any]]) -> str:
        messages: Any = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        try:
            return client.chat.completions.create(model=name, messages=messages).choices[0].message.content or ""
        except openai.OpenAIError as problem:
            print(f"search.py: no reply from {api_base}: {one_line(str(problem))}", file=sys.stderr)
            sys.exit(3)

    return ask


class LogFile:
    """GEPA logs whole programs: into a file, not onto the screen."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def log(self, message: str) -> None:
        """Append a message."""
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{message}\n")


def search(ask: Callable[..., str], proposals: int, workload: str | None, output: Path) -> tuple[str, float]:
    """The best program that GEPA finds, and its score."""
    from gepa.optimize_anything import EngineConfig, GEPAConfig, ReflectionConfig, TrackingConfig, optimize_anything

    output.mkdir(parents=True, exist_ok=True)
    config = GEPAConfig(
        # one evaluation at a time: a second one would disturb the clock of the first
        engine=EngineConfig(max_candidate_proposals=proposals, parallel=False),
        reflection=ReflectionConfig(reflection_lm=ask),
        tracking=TrackingConfig(logger=LogFile(output / "gepa.log")),
    )
    found = optimize_anything(
        seed_candidate=(ROOT / "initial_program.py").read_text(encoding="utf-8"),
        evaluator=Judge(workload),
        objective="Make rebalance_experts faster without losing balance. The higher the score, the better.",
        background=(ROOT / "prompts" / "system_message.txt").read_text(encoding="utf-8"),
        config=config,
    )
    return str(found.best_candidate), found.val_aggregate_scores[found.best_idx]


def main() -> None:
    """Search, and keep the best program."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", help="asked with the key in OPENAI_API_KEY; by default a script that knows seeds/")
    options.add_argument("--api-base", default="https://api.openai.com/v1", help="of the model")
    options.add_argument("--proposals", type=int, default=10)
    options.add_argument("--workload", default="gptoss20b-phased", help="the quickest; see: eplb workloads list")
    folder = ROOT / "results" / "runs" / time.strftime("gepa-%Y%m%d-%H%M%S")
    options.add_argument("--output", type=Path, default=folder)
    given = options.parse_args()
    key = os.environ.get("OPENAI_API_KEY")
    if given.model is not None and not key:
        options.error("OPENAI_API_KEY is not set; export the endpoint's key, or any word where it asks for none")
    with contextlib.ExitStack() as stack:
        if given.model is None:
            sys.path.insert(0, str(ROOT / "examples"))
            import scripted

            ask = model("scripted", stack.enter_context(scripted.endpoint()).api_base, "none")
        else:
            ask = model(given.model, given.api_base, key or "")
        try:
            program, score = search(ask, given.proposals, given.workload, given.output)
        except EplbError as problem:
            print(f"search.py: {problem}", file=sys.stderr)
            sys.exit(problem.exit_code)
    best = given.output / "best_program.py"
    best.write_text(program, encoding="utf-8")
    print(f"best: {score:.3f}, {best}")


if __name__ == "__main__":
    main()

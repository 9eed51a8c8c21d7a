"""One run of a search, in the process that evaluates: its task, its ledger, the bench, and when it must end."""

import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from openevolve.evaluation_result import EvaluationResult

from eplb_evolve import config as configuration
from eplb_evolve.ending import end
from eplb_evolve.errors import MENDS, EnvironmentProblem, EplbError, in_words
from eplb_evolve.evaluation.bench import Bench, open_bench
from eplb_evolve.evaluation.candidate import failed
from eplb_evolve.evaluation.measured import seed_ratio, with_speedup
from eplb_evolve.evaluation.objectives import Incumbent
from eplb_evolve.evaluation.objectives.time import AT_FLOOR, at_floor
from eplb_evolve.evaluation.pipeline import evaluate
from eplb_evolve.evaluation.result import Evaluation, Status
from eplb_evolve.feedback import artifacts, metrics, progress_line
from eplb_evolve.gateway.stop import TAKEN_IN_S
from eplb_evolve.llm.task_file import read_task, write_task
from eplb_evolve.paths import cache_dir, project_at
from eplb_evolve.proposer.header import made_by
from eplb_evolve.runs.ledger import Entry, Ledger, now
from eplb_evolve.runs.run_info import read_starts

FAILURES = 3
"""Of the evaluator in a row, after which a search ends: each one wastes a proposal."""


class Search:
    """One run: its task, its ledger, and a bench in the process that evaluates."""

    def __init__(self, config: configuration.Config, root: Path, run: Path) -> None:
        self.config, self._project = config, project_at(root)
        self.ledger = Ledger(run)
        self.task = config.eplb.task(self._project.workloads)
        self._bench: Bench | None = None
        self._lock = threading.Lock()

    def evaluate(self, program_path: str) -> EvaluationResult:
        """OpenEvolve's entry: evaluate, write the ledger, answer with plain floats and artifacts in words."""
        program = Path(program_path)
        source = program.read_bytes()
        with self._lock:
            try:
                evaluation = self._evaluate(program)
            except Exception as problem:  # not the candidate's fault: into the ledger, and the run goes on
                fault = Status.EVALUATOR_FAILED
                evaluation = failed(program, source, self.task, self._bench, _told(problem), fault)
                self._drop_bench()
            try:
                self._record(evaluation, source)
            except EnvironmentProblem as problem:  # without a ledger the proposals are paid for and lost
                self.end(str(problem), problem.exit_code)
            else:
                self._end_if_useless(evaluation)
                self.tell_task(evaluation)
                self._end_at_floor()
        told = artifacts(evaluation, self.task.settings.objective)
        return EvaluationResult(metrics=metrics(evaluation, self.config.feature_dimensions), artifacts=told)

    def _evaluate(self, program: Path) -> Evaluation:
        if self._bench is None:
            self._bench = open_bench(self.task.settings)
        seed = seed_ratio(self._project.deepseek_form, self.task, self._bench, cache_dir())
        evaluation = evaluate(program, self.task, self._bench, self._incumbent(), self.config.writes_prompts)
        return with_speedup(evaluation, seed)

    def _incumbent(self) -> Incumbent | None:
        best = self.ledger.best(self.task.split)
        if best is None or best.evaluation.timing is None:
            return None
        run, timing = best.evaluation, best.evaluation.timing
        file = self.ledger.run / run.program
        return Incumbent(file, timing.ratio_to_reference, run.combined_score, timing.ratio_high, run.sha256)

    def _end_if_useless(self, evaluation: Evaluation) -> None:
        """End the search when the program that it starts from is invalid, or when nothing can be judged here.

        OpenEvolve's main process evaluates that program; a search that is resumed judges its first one in a worker.
        """
        if evaluation.status is Status.EVALUATOR_FAILED:
            if self._evaluator_keeps_failing():
                self.end(f"the evaluator failed: {' '.join(evaluation.reason.split())}", EnvironmentProblem.exit_code)
            return
        if multiprocessing.parent_process() is not None or evaluation.valid:
            return
        reason = " ".join(evaluation.reason.split())
        islands = self.config.island_programs
        which = next(
            (f" {each}" for each in islands if hashlib.sha256(each.read_bytes()).hexdigest() == evaluation.sha256), ""
        )
        self.end(
            f"the program{which} that the search starts from is invalid: {reason}; mend it, or start from another", 1
        )

    def _end_at_floor(self) -> None:
        """End a search whose best program is at its floor, where that is asked for."""
        best = self.ledger.best(self.task.split)
        wanted = self.config.eplb.stop_at_floor and self.task.settings.objective == "time"
        if wanted and best is not None and at_floor(best.evaluation):
            self.end(f"{AT_FLOOR} (eplb.stop_at_floor; false goes on)", 0)

    def tell_task(self, evaluation: Evaluation) -> None:
        """Write down what a model must know of task and machine, where that is to be done. evaluation: a timed one."""
        run, prompt = self.ledger.run, self.config.eplb.prompt
        if not self.config.writes_prompts or evaluation.timing is None or read_task(run) is not None:
            return
        longest = min(self.config.rules.max_code_length, prompt.longest_program)
        try:
            if self._bench is None:
                self._bench = open_bench(self.task.settings)
            write_task(run, self.task, self._bench, evaluation, prompt, longest)
        except EplbError as problem:
            self.end(str(problem), problem.exit_code)

    def _evaluator_keeps_failing(self) -> bool:
        """Whether it has judged nothing since the last start, or failed FAILURES times in a row."""
        starts = read_starts(self.ledger.run)
        since = starts[-1].started if starts else ""
        told = [
            each.evaluation.status is Status.EVALUATOR_FAILED for each in self.ledger.entries() if each.when >= since
        ]
        return all(told) or (len(told) >= FAILURES and all(told[-FAILURES:]))

    def end(self, sentence: str, exit_code: int) -> None:
        """Say why the search does not go on, and end it: OpenEvolve keeps what it has, unless it has only just begun.

        Told to end, OpenEvolve drops the evaluations under way, and ours still is. So a worker tells it a little later;
        meanwhile the gateway, which reads the ending, asks no model.
        """
        end(self.ledger.run, sentence, exit_code)
        if multiprocessing.parent_process() is not None:
            # as after its last iteration; this process does not end before it has told
            threading.Timer(TAKEN_IN_S, os.kill, (os.getppid(), signal.SIGTERM)).start()
            return
        self._drop_bench()
        os._exit(exit_code)  # we are in a thread of OpenEvolve's, which would catch SystemExit

    def _drop_bench(self) -> None:
        bench, self._bench = self._bench, None
        if bench is not None:
            bench.close()

    def _record(self, evaluation: Evaluation, source: bytes) -> None:
        before, number = self.ledger.best(self.task.split), len(self.ledger.entries()) + 1
        kept = self.ledger.keep_program(source, evaluation.sha256)
        header = made_by(source.decode("utf-8", "replace"))
        tier, operators = (header.tier, header.operators) if header is not None else ("", ())
        entry = Entry(evaluation.at(str(kept.relative_to(self.ledger.run))), now(), tier, operators)
        self.ledger.append(entry)
        best = evaluation.outranks(before.evaluation if before is not None else None)
        print(progress_line(number, entry, best, self.task.settings.objective), file=sys.stderr, flush=True)


def _told(problem: Exception) -> str:
    """A sentence where the problem is the machine's, else the traceback."""
    if isinstance(problem, EplbError):
        return str(problem)
    if isinstance(problem, OSError) and problem.errno in MENDS:
        return in_words(problem)
    return traceback.format_exc()

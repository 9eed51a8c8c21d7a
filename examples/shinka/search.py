"""Search with ShinkaEvolve, judged by eplb_evolve in a process of its own. See README.md beside it."""

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from shinka.core import EvolutionConfig, ShinkaEvolveRunner
from shinka.database import DatabaseConfig
from shinka.launch import JobScheduler, LocalJobConfig

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PYTHON = ROOT / ".venv" / "bin" / "python"


class Scheduler(JobScheduler):
    """ShinkaEvolve takes an evaluation without a result for a bad program. Ours always has one, so the search ends."""

    def run(self, exec_fname_t: str, results_dir_t: str) -> tuple[dict[str, Any], float]:
        """Evaluate the first program."""
        results, seconds = super().run(exec_fname_t, results_dir_t)
        return told(results, results_dir_t), seconds

    def get_job_results(self, job_id: Any, results_dir: str) -> dict[str, Any]:
        """Read what an evaluation left."""
        return told(super().get_job_results(job_id, results_dir), results_dir)


def told(results: dict[str, Any], folder: str) -> dict[str, Any]:
    """The results of an evaluation; where there are none the search ends with the evaluator's sentence."""
    if results["metrics"]:
        generation = Path(folder).parent.name.removeprefix("gen_")
        print(f"{generation:>3s}  {results['stdout_log'].strip()}", flush=True)
        return results
    lines = results["stderr_log"].strip().splitlines() or ["evaluate.py ended without a word"]
    print(f"search.py: the evaluator failed: {lines[-1]}", file=sys.stderr, flush=True)
    os._exit(3)  # this is a thread of ShinkaEvolve's, which catches everything; its database is on disk


def search(model: str, proposals: int, workload: str, output: Path) -> None:
    """Run ShinkaEvolve; the first program is its generation 0."""
    evolution = EvolutionConfig(
        task_sys_msg=(ROOT / "prompts" / "system_message.txt").read_text(encoding="utf-8"),
        patch_types=["full"],
        patch_type_probs=[1.0],
        num_generations=proposals + 1,
        llm_models=[model],
        llm_kwargs={"temperatures": [1.0], "max_tokens": 32768},
        llm_dynamic_selection=None,
        embedding_model=None,
        meta_rec_interval=None,
        init_program_path=str(ROOT / "initial_program.py"),
        results_dir=str(output),
        use_text_feedback=True,
        proposal_target_mode="fixed",
    )
    job = LocalJobConfig(
        eval_program_path=str(HERE / "evaluate.py"),
        python_executable=str(PYTHON),
        extra_cmd_args={"workload": workload},
    )
    # one evaluation at a time: a second one would disturb the clock of the first
    runner = ShinkaEvolveRunner(
        evolution, job, DatabaseConfig(), "minimal", verbose=False, max_evaluation_jobs=1, max_proposal_jobs=1
    )
    runner.scheduler = Scheduler(job_type="local", config=job)
    runner.run()


def main() -> None:
    """Search from the command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", help="asked with the key in OPENAI_API_KEY; by default a script that knows seeds/")
    options.add_argument("--api-base", default="https://api.openai.com/v1", help="of the model")
    options.add_argument("--proposals", type=int, default=10)
    options.add_argument("--workload", default="gptoss20b-phased", help="the quickest; see: eplb workloads list")
    folder = ROOT / "results" / "runs" / time.strftime("shinka-%Y%m%d-%H%M%S")
    options.add_argument("--output", type=Path, default=folder, help="that of an earlier run goes on with it")
    given = options.parse_args()
    if given.model is not None and not os.environ.get("OPENAI_API_KEY"):
        options.error("OPENAI_API_KEY is not set; export the endpoint's key, or any word where it asks for none")
    if not PYTHON.exists():
        options.error(f"there is no {PYTHON}, which evaluates; make .venv/installed")
    with contextlib.ExitStack() as stack:
        if given.model is None:
            sys.path.insert(0, str(ROOT / "examples"))
            import scripted

            model = f"local/scripted@{stack.enter_context(scripted.endpoint()).api_base}"
        else:
            model = f"local/{given.model}@{given.api_base}?api_key_env=OPENAI_API_KEY"
        search(model, given.proposals, given.workload, given.output)
    print(f"best: {given.output}/best/main.py")


if __name__ == "__main__":
    main()

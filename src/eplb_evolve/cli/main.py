"""Entry point: the commands, and the one place where an error becomes a sentence and an exit code."""

import sys

import typer

from eplb_evolve.cli import (
    check,
    compare,
    doctor,
    evaluate,
    gateway,
    leaderboard,
    lineage,
    record,
    replay,
    report,
    run,
    serve_model,
    watch,
    workloads,
)
from eplb_evolve.errors import EplbError

app = typer.Typer(
    name="eplb",
    help="Search for faster expert-parallelism load balancers, and say what each is worth.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("watch")(watch.watch)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare_programs)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("record")(record.record)
app.command("lineage")(lineage.lineage)
app.command("replay")(replay.replay)
app.command("report")(report.report)
app.command("serve-model")(serve_model.serve_model)
app.command("check")(check.check)
app.command("gateway")(gateway.gateway)
app.command("doctor")(doctor.doctor)
app.add_typer(workloads.app, name="workloads")


def main() -> None:
    """Run `eplb`. Exit codes: 0 fine, 1 candidate invalid or infeasible, 2 usage or configuration, 3 environment."""
    try:
        app()
    except EplbError as problem:
        print(f"eplb: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        sys.stderr.close()
        sys.exit(0)

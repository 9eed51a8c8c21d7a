"""Entry point: the commands, and the one place where an error becomes a sentence and an exit code."""

import sys
from collections.abc import Collection
from importlib import import_module

import typer

from eplb_evolve.errors import EplbError

COMMANDS = {
    "run": "run.run",
    "watch": "watch.watch",
    "evaluate": "evaluate.evaluate",
    "compare": "compare.compare_programs",
    "leaderboard": "leaderboard.leaderboard",
    "report": "report.report",
    "record": "record.record",
    "lineage": "lineage.lineage",
    "replay": "replay.replay",
    "serve-model": "serve_model.serve_model",
    "check": "check.check",
    "gateway": "gateway.gateway",
    "doctor": "doctor.doctor",
    "workloads": "workloads.app",
}
"""Where each command is, in this package; `app` is a group of commands."""


def build(names: Collection[str]) -> typer.Typer:
    """The application with these commands."""
    app = typer.Typer(
        name="eplb",
        help="Search for faster expert-parallelism load balancers, and say what each is worth.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(lambda: None)  # else one command alone would be the whole application
    for name in names:
        module, what = COMMANDS[name].split(".")
        found = getattr(import_module(f"eplb_evolve.cli.{module}"), what)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def main() -> None:
    """Run `eplb`. Exit codes: 0 fine, 1 candidate invalid or infeasible, 2 usage or configuration, 3 environment."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        build([asked] if asked in COMMANDS else COMMANDS)()  # each import takes its time
    except KeyboardInterrupt:
        sys.exit(130)
    except EplbError as problem:
        print(f"eplb: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        sys.stderr.close()
        sys.exit(0)

"""Entry point: the commands, and the one place where an error becomes a sentence and an exit code."""

import sys
from importlib import import_module
from typing import Annotated

import typer

from eplb_evolve import __version__
from eplb_evolve.errors import MENDS, EnvironmentProblem, EplbError, in_words

COMMANDS = {
    "init": ("init.init", "Write what a search needs into a new folder."),
    "run": ("run.run", "Search with a live view, then show the leaderboard."),
    "watch": ("watch.watch", "Follow a running search."),
    "evaluate": ("evaluate.evaluate", "Judge programs: valid, balanced, how fast."),
    "compare": ("compare.compare_programs", "Call two programs in turn: which is faster, how sure."),
    "leaderboard": ("leaderboard.leaderboard", "Show a run's programs beside the seeds and the reference."),
    "report": ("report.report", "Write one HTML file about a run."),
    "record": ("record.record", "Measure a program on every workload and keep it."),
    "lineage": ("lineage.lineage", "Explain a program step by step from the seed."),
    "replay": ("replay.replay", "Make a recorded run's programs again and judge them here."),
    "serve-model": ("serve_model.serve_model", "Compute what balancers are worth to a server."),
    "check": ("check.check", "Check a configuration before a search."),
    "gateway": ("gateway.gateway", "Serve the search's endpoint by itself."),
    "doctor": ("doctor.doctor", "Say what is in use and what this machine allows."),
    "workloads": ("workloads.app", "List and show the recorded expert-load traces."),
}
"""Where each command is, in this package (`app` is a group of commands), and what the list of commands says of it."""


def build(asked: str) -> typer.Typer:
    """The application with the command `asked`; with all, by name alone, where that is none.

    The modules of the commands take a second to import, and a list of commands needs none of them.
    """
    app = typer.Typer(
        name="eplb",
        help="Search for faster expert-parallelism load balancers, and say what each is worth.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    if asked not in COMMANDS:
        for name, (_, summary) in COMMANDS.items():
            app.command(name, help=summary)(lambda: None)
        return app
    module, what = COMMANDS[asked][0].split(".")
    found = getattr(import_module(f"eplb_evolve.cli.{module}"), what)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=asked)
    else:
        app.command(asked)(found)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        print(f"eplb-evolve {__version__}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """What holds for all commands. Without it one command alone would be the whole application."""


def main() -> None:
    """Run `eplb`. Exit codes: 0 fine, 1 candidate invalid or infeasible, 2 usage or configuration, 3 environment."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        build(asked)()
    except KeyboardInterrupt:
        sys.exit(130)
    except EplbError as problem:
        print(f"eplb: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        sys.stderr.close()
        sys.exit(0)
    except OSError as problem:
        if problem.errno not in MENDS:
            raise
        print(f"eplb: {in_words(problem)}", file=sys.stderr)
        sys.exit(EnvironmentProblem.exit_code)

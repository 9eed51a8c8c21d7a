"""Entry point: the commands, and the one place where an error becomes a sentence and an exit code."""

import sys
from importlib import import_module
from typing import Annotated, Any

import typer

from eplb_evolve import __version__
from eplb_evolve.cli.streams import say, standard_streams
from eplb_evolve.errors import MENDS, EnvironmentProblem, EplbError, UsageError, in_words
from eplb_evolve.hostile_text import one_line

COMMANDS = {
    "init": ("init.init", "Write what a search needs into a new folder."),
    "run": ("run.run", "Search with a live view, then show the leaderboard."),
    "watch": ("watch.watch", "Follow a running search."),
    "evaluate": ("evaluate.evaluate", "Judge programs: valid, balanced, how fast."),
    "compare": ("compare.compare_programs", "Call two programs in turn: which is faster, how sure."),
    "leaderboard": ("leaderboard.leaderboard", "Show a run's programs beside the seeds and the reference."),
    "board": ("board.board", "Measure every seed and record together."),
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

_WrongUse: Any = typer.BadParameter.__mro__[1]
"""What typer raises for a command line that it cannot read; it has no public name."""


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
        rich_markup_mode=None,  # its boxes break the names of options on a narrow terminal
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


def _say_wrong_use(problem: Any) -> int:
    """A command line that cannot be read, in one sentence; a group of commands without a command shows its help."""
    context = problem.ctx
    if type(problem).__name__ == "NoArgsIsHelpError":
        print(context.get_help())
    else:
        hint = f"; see {context.command_path} --help" if context is not None else ""
        say(f"eplb: {' '.join(problem.format_message().split()).rstrip('.')}{hint}")
    return UsageError.exit_code


def main() -> None:
    """Run `eplb`.

    Exit codes: 0 fine, 1 candidate invalid or infeasible, 2 usage or configuration, 3 environment; 130 after Ctrl-C,
    and 141 when the reader of the output is gone, as of any other command in a pipeline.
    """
    with standard_streams():
        sys.exit(_run(sys.argv[1] if len(sys.argv) > 1 else ""))


def _run(asked: str) -> int:
    try:
        try:
            return int(build(asked)(standalone_mode=False) or 0)
        finally:
            sys.stdout.flush()  # what cannot be written is said here, not by Python at its end
    except KeyboardInterrupt:
        return 130
    except _WrongUse as problem:
        return _say_wrong_use(problem)
    except EplbError as problem:
        say(one_line(f"eplb: {problem}"))
        return problem.exit_code
    except OSError as problem:
        if problem.errno not in MENDS:
            raise
        say(one_line(f"eplb: {in_words(problem)}"))
        return EnvironmentProblem.exit_code

"""`eplb gateway`: the search's endpoint by itself, for use beside any program."""

import contextlib
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from eplb_evolve import config as configuration
from eplb_evolve.cli import options
from eplb_evolve.errors import UsageError


def gateway(
    config: Annotated[Path, typer.Option("--config", help="Configuration with a section eplb.gateway.")],
    run: Annotated[Path | None, typer.Option("--run", help="Folder for the record and the totals.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="On 127.0.0.1. (default: llm.api_base's)")
    ] = None,
) -> None:
    """Serve the local models and forward the configured ones until Ctrl-C; at the cap, refuse what costs money."""
    from eplb_evolve.gateway.server import serve  # starlette and uvicorn
    from eplb_evolve.gateway.settings import Service
    from eplb_evolve.gateway_process import dry_run

    read = configuration.read(config, files=False)
    section = read.eplb.gateway
    if run is None and section.record:
        raise UsageError(f"eplb.gateway.record in {config} needs a folder: add --run DIR")
    if port is None:
        if read.gateway_api_base is None:
            raise UsageError(f"no model of {config} is served by a gateway; add --port N")
        port = urlsplit(read.gateway_api_base).port or 80
    options.say("Ctrl-C ends it.")
    with contextlib.suppress(KeyboardInterrupt):
        serve(
            Service(port, read.random_seed, str(run.resolve()) if run is not None else None, section, rules=read.rules),
            dry_run,
        )

"""The gateway's process: told what to do by JSON on stdin, it prints one line when it is ready, and serves."""

import asyncio
import errno
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn
from pydantic import TypeAdapter

from eplb_evolve.errors import EnvironmentProblem, EplbError
from eplb_evolve.gateway.app import Gateway
from eplb_evolve.gateway.author import Author
from eplb_evolve.gateway.local import DryRun
from eplb_evolve.gateway.proxies import keep_loopback_direct
from eplb_evolve.gateway.settings import FAILED, NAME, READY, Service
from eplb_evolve.parent_death import die_with_parent


def serve(service: Service, dry_run: DryRun, author: Author | None = None) -> None:
    """Probe the endpoints, then listen on the loopback interface until killed or interrupted.

    Raises EplbError when that cannot be done.
    """
    keep_loopback_direct(urls=[model.api_base for model in service.gateway.models.values()])
    with listen(service.port) as listener:
        gateway = Gateway(service, dry_run=dry_run, author=author)
        unusable = asyncio.run(gateway.probe())
        if unusable:
            raise EnvironmentProblem(unusable)
        port = listener.getsockname()[1]
        print(f"{READY}{NAME} on http://127.0.0.1:{port}/v1, seed {service.seed}", flush=True)
        server(gateway).run(sockets=[listener])


def server(gateway: Gateway) -> uvicorn.Server:
    """An HTTP server that says nothing of its own."""
    return uvicorn.Server(
        uvicorn.Config(
            gateway.application(),
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )


def listen(port: int) -> socket.socket:
    """A listening socket on the loopback interface; raises EnvironmentProblem when there can be none."""
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        reason = "is already in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise EnvironmentProblem(f"port {port} on 127.0.0.1 {reason}") from error
    # accepted connections inherit it; without, each reply waits 40 ms for the client to acknowledge its headers
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def main(dry_run: DryRun, author: Callable[[Service], Author | None]) -> int:
    """Serve until killed; returns an exit code when that cannot be done."""
    service = TypeAdapter(Service).validate_json(sys.stdin.read())
    if service.parent is not None:
        die_with_parent(service.parent)
    if service.run is not None:
        Path(service.run).mkdir(parents=True, exist_ok=True)
    try:
        serve(service, dry_run, author(service))
    except EplbError as problem:
        print(f"{FAILED}{problem}", flush=True)
        return problem.exit_code
    except KeyboardInterrupt:
        pass
    except Exception as problem:  # the process boundary: other words might hold what nobody should read
        print(f"{FAILED}the gateway failed: {type(problem).__name__}", flush=True)
        return EnvironmentProblem.exit_code
    return 0

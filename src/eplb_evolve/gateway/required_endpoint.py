"""Whether a configuration asks for a gateway, and whether that can serve what it is asked for."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from eplb_evolve.errors import UsageError, suggestion
from eplb_evolve.gateway.local import BEHAVIOURS
from eplb_evolve.gateway.secret import fault
from eplb_evolve.gateway.settings import LOOPBACK, GatewaySettings


def gateway_api_base(models: list[Any], gateway: GatewaySettings, path: Path, asks: int = 1) -> str | None:
    """Where OpenEvolve's models expect a gateway, after the check that it will serve all that are asked of it.

    None where no model is local or listed. asks: how often one request may ask a forwarded model. Raises UsageError,
    which names the configuration at `path`.
    """
    bases = {model.api_base for model in models if model.name in BEHAVIOURS or model.name in gateway.models}
    if not bases:
        return None
    base = str(bases.pop())
    address = urlsplit(base)
    if bases or address.scheme != "http" or address.hostname not in LOOPBACK:
        raise UsageError(
            f"{path}: local models and those of eplb.gateway.models need one api_base on this machine, such as "
            f"http://127.0.0.1:18765/v1, not {' and '.join(sorted([base, *map(str, bases)]))}"
        )
    for model in models:
        if model.name in BEHAVIOURS or model.api_base != base:
            continue
        if model.name not in gateway.models:
            known = [*BEHAVIOURS, *gateway.models]
            raise UsageError(
                f"{path}: the model '{model.name}' has the gateway's api_base, but is neither local nor in "
                f"eplb.gateway.models{suggestion(model.name, known)}"
            )
        patience = gateway.retry_seconds + asks * gateway.request_timeout_s
        if model.timeout < patience:
            times = f"{asks} x " if asks > 1 else ""
            raise UsageError(
                f"{path}: llm.timeout is {model.timeout} s, but the gateway may take retry_seconds + {times}"
                f"request_timeout_s = {patience:g} s for {model.name}; set llm.timeout to that at least"
            )
    for name, forwarded in gateway.models.items():
        if forwarded.api_key_env is not None and not forwarded.key():
            raise UsageError(
                f"{path}: eplb.gateway.models.{name} asks for the environment variable {forwarded.api_key_env}, which "
                f"is not set; export {forwarded.api_key_env}=..., or null where the endpoint wants no key"
            )
        if forwarded.api_key_env is not None and (why := fault(forwarded.key() or "")):
            raise UsageError(
                f"{path}: the environment variable {forwarded.api_key_env}, which eplb.gateway.models.{name} asks for, "
                f"{why}, which no key does; export the key alone"
            )
    return base

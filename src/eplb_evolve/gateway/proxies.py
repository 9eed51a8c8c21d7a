"""Proxies of the environment: never for this machine, and only such addresses as the HTTP client takes."""

import os
import urllib.request
from collections.abc import Mapping, MutableMapping
from urllib.parse import urlsplit

from eplb_evolve.gateway.settings import LOOPBACK

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def keep_loopback_direct(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have no child ask a server on this machine through a proxy; a remote endpoint still goes through it.

    `socks://`, as desktops write it, becomes `socks5://`, the name that the HTTP client knows.
    """
    names = set_proxies(environment)
    if not names:
        return
    for name in names:
        if name.upper() != "NO_PROXY" and environment[name].strip().startswith("socks://"):
            environment[name] = environment[name].strip().replace("socks://", "socks5://", 1)
    direct = [host.strip() for name in names if name.upper() == "NO_PROXY" for host in environment[name].split(",")]
    wanted = ",".join(dict.fromkeys([*filter(None, direct), *LOOPBACK]))
    environment["NO_PROXY"] = environment["no_proxy"] = wanted


def set_proxies(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Names of the variables that say something about proxies."""
    return [name for name in environment if name.upper() in VARIABLES and environment[name].strip()]


def proxy_variable(url: str) -> str:
    """Name of the environment variable whose proxy a request to `url` goes through; "" without one.

    A proxy's address is not for texts: it may hold a password.
    """
    address, proxies = urlsplit(url), urllib.request.getproxies_environment()
    if not address.hostname or urllib.request.proxy_bypass(address.hostname):
        return ""
    kind = next((kind for kind in (address.scheme, "all") if kind in proxies), None)
    name = f"{kind}_proxy"
    return "" if kind is None else name if os.environ.get(name) else name.upper()

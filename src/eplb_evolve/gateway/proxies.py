"""Proxies of the environment: never for this machine, and only such addresses as the HTTP client takes."""

import ipaddress
import os
import re
import urllib.request
from collections.abc import Iterable, Mapping, MutableMapping
from urllib.parse import urlsplit

from eplb_evolve.gateway.settings import LOOPBACK

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def keep_loopback_direct(environment: MutableMapping[str, str] = os.environ, urls: Iterable[str] = ()) -> None:
    """Have no child ask a server on this machine through a proxy; a remote endpoint still goes through it.

    urls: endpoints; such as are on this machine under another name than the usual ones count too. `socks://`, as
    desktops write it, becomes `socks5://`, the name that the HTTP client knows.
    """
    names = set_proxies(environment)
    if not names:
        return
    for name in names:
        value = environment[name].strip()
        if name.upper() != "NO_PROXY":
            environment[name] = re.sub(r"\Asocks://", "socks5://", value, flags=re.IGNORECASE)
    direct = [host.strip() for name in names if name.upper() == "NO_PROXY" for host in environment[name].split(",")]
    local = [host for url in urls if (host := urlsplit(url).hostname) and _is_loopback(host)]
    wanted = "*" if "*" in direct else ",".join(dict.fromkeys([*filter(None, direct), *LOOPBACK, "0.0.0.0", *local]))
    environment["NO_PROXY"] = environment["no_proxy"] = wanted


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.endswith(".localhost")


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

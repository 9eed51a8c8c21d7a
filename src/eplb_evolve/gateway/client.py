"""The OpenAI client, made in an environment whose certificates and proxies may be wrong."""

import os

import httpx2
import openai

from eplb_evolve.errors import EnvironmentProblem
from eplb_evolve.gateway.proxies import set_proxies


def new_client(api_base: str, key: str = "") -> openai.AsyncOpenAI:
    """A client that tries nothing again by itself.

    OpenEvolve makes one before it reads a line of ours, and shows a traceback if that fails. EnvironmentProblem names
    the variables that may be at fault, and not their values: a proxy's may hold a password.
    """
    try:
        # it insists on a key where the endpoint wants none
        return openai.AsyncOpenAI(api_key=key or "none", base_url=api_base, max_retries=0)
    except (OSError, ValueError, ImportError, httpx2.InvalidURL) as problem:
        certificates = ["SSL_CERT_FILE", "SSL_CERT_DIR"] if isinstance(problem, OSError) else []
        names = [name for name in certificates or set_proxies() if os.environ.get(name) and name.upper() != "NO_PROXY"]
        raise EnvironmentProblem(
            f"{' or '.join(names) or 'the environment'} holds what the HTTP client cannot use "
            f"({type(problem).__name__}); correct or unset it (proxies: http, https, socks5)"
        ) from problem

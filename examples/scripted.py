"""An endpoint on 127.0.0.1 that speaks OpenAI's protocol and answers with programs of seeds/: no model, no key.

The examples ask it where no model is named. Its server is the one that the tests of the gateway use.
"""

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = (
    "vllm_default",
    "fixed_spread",  # valid, not balanced enough
    "sglang_vec",
    "triton_greedy",  # needs a GPU: invalid without one
    "vllm_batched",
    "torch_rounds",
    "adrs_snake",
    "numba_greedy",
    "cpp_scalar",
    "cpp_simd",
)


def reply(name: str) -> str:
    """What a model would write: a name, a sentence, the whole program in a fence."""
    program = (ROOT / "seeds" / f"{name}.py").read_text(encoding="utf-8")
    return f"<NAME>{name}</NAME>\n<DESCRIPTION>From seeds/.</DESCRIPTION>\n<CODE>\n```python\n{program}```\n</CODE>\n"


def endpoint() -> AbstractContextManager[Any]:
    """A server whose `api_base` answers each request with the next of PROGRAMS, and with the last one from then on."""
    sys.path.insert(0, str(ROOT / "tests" / "gateway"))
    from scripted_upstream import answer, upstream

    return upstream(*(answer(reply(name)) for name in PROGRAMS))

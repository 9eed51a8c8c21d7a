"""Which compilers work inside the sandbox, and how long each takes; measured once on a machine."""

import contextlib
import hashlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from eplb_evolve import durable
from eplb_evolve.errors import CandidateFailure
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.hostile_text import sentence
from eplb_evolve.paths import cache_dir
from eplb_evolve.runs.run_info import versions
from eplb_evolve.sandbox import Limits

PROGRAMS = Path(__file__).with_name("compilers")
NAMES = {
    "gcc": "gcc",
    "gxx": "g++",
    "numba_jit": "numba",
    "torch_extension": "torch's load_inline (C++)",
    "torch_compile": "torch.compile",
}
ON_GPU = {"triton_jit": "Triton"}
_MOST_WORDS = 90


@dataclass(frozen=True)
class Compiler:
    """How one way of compiling went. seconds: to compile and load a tiny function; None where `why` it failed."""

    name: str
    seconds: float | None
    why: str = ""


def compilers(bench: Bench, limits: Limits, programs: Path = PROGRAMS) -> tuple[Compiler, ...]:
    """Each way that there is for the bench's device, from the cache or tried now, which takes a minute or two.

    limits: of candidates. programs: the folder of the tiny ones.
    """
    names = NAMES | (ON_GPU if bench.device == "cuda" else {})
    names = {name: told for name, told in names.items() if (programs / f"{name}.py").is_file()}
    file = cache_dir() / f"compilers-{_key(bench, limits, programs)}.json"
    adapter = TypeAdapter(tuple[Compiler, ...])
    with contextlib.suppress(OSError, ValidationError):
        return adapter.validate_json(file.read_bytes())
    print("eplb: trying which compilers work in the sandbox, once on this machine ...", file=sys.stderr, flush=True)
    _try(bench, limits, programs / "empty.py", "")  # the first fork of a zygote is slower
    nothing = _try(bench, limits, programs / "empty.py", "").seconds or 0.0
    found = tuple(_try(bench, limits, programs / f"{name}.py", told, nothing) for name, told in names.items())
    with contextlib.suppress(OSError):
        durable.write_text(file, adapter.dump_json(found).decode())
    return found


def _try(bench: Bench, limits: Limits, program: Path, name: str, nothing: float = 0.0) -> Compiler:
    began = time.monotonic()
    try:
        bench.zygote.spawn(program, limits).close()
    except CandidateFailure as failure:
        return Compiler(name, None, sentence(str(failure), _MOST_WORDS))
    return Compiler(name, max(0.0, time.monotonic() - began - nothing))


def _key(bench: Bench, limits: Limits, programs: Path) -> str:
    texts = [file.read_text(encoding="utf-8") for file in sorted(programs.glob("*.py"))]
    known = [bench.machine, bench.level, limits.threads, limits.first_call_s, versions(), os.environ.get("PATH"), texts]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]

"""Which compilers work inside the sandbox, and how long each takes; measured once on a machine."""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
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
_ANNOUNCED = "eplb: trying which compilers work in the sandbox, once on this machine (a minute or two) ..."
_MOST_WORDS = 90


@dataclass(frozen=True)
class Compiler:
    """How one way of compiling went. seconds: to compile and load a tiny function; None where `why` it failed."""

    name: str
    seconds: float | None
    why: str = ""


def compilers(bench: Bench, limits: Limits, programs: Path = PROGRAMS) -> tuple[Compiler, ...]:
    """Each way that there is for the bench's device, from the cache or tried now, which takes a minute or two.

    What runs out of time is not kept: on a machine that is less busy it may work.
    limits: of candidates. programs: the folder of the tiny ones.
    """
    names = NAMES | (ON_GPU if bench.device == "cuda" else {})
    names = {name: told for name, told in names.items() if (programs / f"{name}.py").is_file()}
    file = cache_dir() / f"compilers-{_key(bench, limits, programs)}.json"
    adapter = TypeAdapter(tuple[Compiler, ...])
    found: dict[str, Compiler] = {}
    with contextlib.suppress(OSError, ValidationError):
        found = {each.name: each for each in adapter.validate_json(file.read_bytes())}
    if not found.keys() >= set(names.values()):
        print(_ANNOUNCED, file=sys.stderr, flush=True)
        _try(bench, limits, programs / "empty.py", "")  # the first fork of a zygote is slower
        nothing = _try(bench, limits, programs / "empty.py", "").seconds or 0.0
        for name, told in names.items():
            if told not in found:
                found[told] = _try(bench, limits, programs / f"{name}.py", told, nothing)
        kept = tuple(each for each in found.values() if each.why != _too_slow(limits))
        with contextlib.suppress(OSError):
            durable.write_text(file, adapter.dump_json(kept).decode())
    return tuple(found[told] for told in names.values())


def _try(bench: Bench, limits: Limits, program: Path, name: str, nothing: float = 0.0) -> Compiler:
    began = time.monotonic()
    try:
        bench.zygote.spawn(program, limits).close()
    except CandidateFailure as failure:
        late = time.monotonic() - began > limits.first_call_s
        return Compiler(name, None, _too_slow(limits) if late else sentence(str(failure), _MOST_WORDS))
    return Compiler(name, max(0.0, time.monotonic() - began - nothing))


def _too_slow(limits: Limits) -> str:
    return f"slower than the {limits.first_call_s:g} s allowed"


def _key(bench: Bench, limits: Limits, programs: Path) -> str:
    """Of all that can make a compiler work or fail: another limit, another gcc."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(programs.glob("*.py"))]
    tools = [(path := shutil.which(name)) and (path, os.stat(path).st_mtime) for name in ("gcc", "g++", "ninja")]
    known = [bench.machine, bench.level, dataclasses.asdict(limits), versions(), os.environ.get("PATH"), tools, texts]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]

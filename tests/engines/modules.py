"""The planners of the released engines: their own modules, with stand-ins for what would need a whole server.

Everything in a `with` of these is the fetched code; nothing of it stays in sys.modules or on sys.path afterwards.
"""

import ast
import importlib
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch

from engines.fetch import FOLDER
from eplb_evolve.placement import Topology


@contextmanager
def importable(engine: str, stand_ins: Mapping[str, Mapping[str, Any]], folder: Path = FOLDER) -> Iterator[None]:
    """`import vllm...` or `import sglang...` finds the fetched files inside.

    stand_ins: modules to be used instead of the engine's own, each by its names. What was imported keeps working
    afterwards, but for imports that its functions make when they are called.
    """
    before = _taken_out(engine)
    sys.path.insert(0, str(folder / engine))
    importlib.invalidate_caches()
    try:
        for name, names in stand_ins.items():
            sys.modules[name] = types.ModuleType(name)
            vars(sys.modules[name]).update(names)
        yield
    finally:
        sys.path.remove(str(folder / engine))
        _taken_out(engine)
        sys.modules.update(before)


def _taken_out(engine: str) -> dict[str, types.ModuleType]:
    names = [name for name in sys.modules if name.split(".")[0] == engine]
    return {name: sys.modules.pop(name) for name in names}


@contextmanager
def vllm_policy() -> Iterator[Any]:
    """The policy that vLLM's registry knows as `default`."""
    options = {"EPLBPolicyOption": Literal[_vllm_policy_options()]}
    with importable("vllm", {"vllm.config.parallel": options}):
        from vllm.distributed.eplb.policy import EPLB_POLICIES

        yield EPLB_POLICIES["default"]


def _vllm_policy_options() -> tuple[str, ...]:
    """The policies that vLLM's configuration takes, read in the file that declares them: it imports half of vLLM."""
    tree = ast.parse((FOLDER / "vllm/vllm/config/parallel.py").read_text())
    values = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    return tuple(each.value for each in ast.walk(values["EPLBPolicyOption"]) if isinstance(each, ast.Constant))


@contextmanager
def sglang_algorithms(topology: Topology) -> Iterator[types.ModuleType]:
    """SGLang's dispatcher of `--eplb-algorithm`, in a group whose ranks are all alive."""
    with importable("sglang", {"sglang.srt.elastic_ep.elastic_ep": _elastic(topology)}):
        from sglang.srt.eplb import eplb_algorithms

        yield eplb_algorithms


@contextmanager
def sglang_expert_location(topology: Topology) -> Iterator[types.ModuleType]:
    """SGLang's maps from experts to replicas, on a server of that many GPUs and nodes."""
    moe, parallel = {"ep_join_mode": None}, {"ep_size": topology.gpus, "nnodes": topology.nodes}
    context = {
        "get_exec": lambda: types.SimpleNamespace(moe=types.SimpleNamespace(**moe)),
        "get_parallel": lambda: types.SimpleNamespace(**parallel),
        "get_device": lambda: types.SimpleNamespace(device="cpu"),
        "get_resources": lambda: None,
    }
    stand_ins = {"sglang.srt.runtime_context": context, "sglang.srt.elastic_ep.elastic_ep": _elastic(topology)}
    with importable("sglang", stand_ins):
        from sglang.srt.eplb import expert_location

        yield expert_location


def _elastic(topology: Topology) -> dict[str, Any]:
    """SGLang's view of a group of ranks that cannot grow or shrink."""
    alive = torch.ones(topology.gpus, dtype=torch.bool)
    manager = types.SimpleNamespace(instance=lambda: None, healthy_rank_state=lambda: alive)
    return {"ElasticEPStateManager": manager, "elastic_expanded_world_enabled": lambda: False}

"""Weaker parts for weakened.py: functions that make of a real function, their argument, one that lacks something."""

import contextlib
import dataclasses
import functools
import json
import os
import signal
import tempfile
import time
from types import SimpleNamespace

import numpy as np
from weakened_task import WORKLOAD

from eplb_evolve import reference
from eplb_evolve.errors import CandidateFailure, EnvironmentProblem
from eplb_evolve.evaluation.inputs import perturb
from eplb_evolve.placement import Placement, count_replicas
from eplb_evolve.sandbox import kernel, process, protocol, zygote
from eplb_evolve.sandbox.worker import OUTPUT_NAMES

reported, held, coming = [], [], []
"""Seconds of the last call; inputs not yet let go; the inputs of calls to come."""


def fork_zygote(self, control, highest, environment):
    """With torch loaded, this environment and this descriptor; starting Python again would take seconds."""
    parent = os.getpid()
    if pid := os.fork():
        return SimpleNamespace(pid=pid)
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.closerange(3, control)
        os.closerange(control + 1, 1024)
        zygote.main(control, parent, self.folder, highest)
    finally:
        os._exit(0)


def timed(rebalance, *_):
    """The candidate's function with a clock around it; where there seems to be a GPU, the GPU's clock."""
    from torch import cuda

    @functools.wraps(rebalance)
    def call(*arguments):
        events = [cuda.Event(enable_timing=True) for _ in range(2)] if cuda.is_available() else []
        for event in events[:1]:
            event.record()
        start = time.perf_counter()
        result = rebalance(*arguments)
        seconds = time.perf_counter() - start
        for event in events[1:]:
            event.record()
            seconds = events[0].elapsed_time(event) / 1e3
        reported.clear()
        reported.append(seconds)
        return result

    return call


def with_time(nonce, tensors):
    places = [(tensor.data_ptr(), list(tensor.shape)) for tensor in tensors]
    return json.dumps({"nonce": nonce, "outputs": places, "seconds": reported[0]}).encode()


def any_nonce(packet):
    return (protocol.unpack_result(packet) or json.loads(packet)).get("nonce")


def one_tensor(_):
    known = {}
    return lambda _, tensor: known.setdefault((tensor.shape, tensor.dtype), tensor).copy_(tensor)


def any_type(result, *_):
    import torch

    return [x if isinstance(x, torch.Tensor) else torch.as_tensor(np.asarray(x)) for x in list(result)[:3]]


def any_dtype(result, *_):
    plain = [x.dequantize() if x.is_quantized else x.to_dense() for x in result]
    return [(x.real if x.is_complex() else x).double() for x in plain]


def rounded(arrays, *_):
    phy2log, log2phy, logcnt = (array.view(np.float64) for array in arrays)
    return [phy2log.astype(np.int64), log2phy.astype(np.int64), logcnt]


def believing_counts(verify):
    def verify_others(phy2log, log2phy, logcnt, shape, topology):
        counted = count_replicas(phy2log, shape[1])
        return Placement(verify(phy2log, log2phy, counted, shape, topology).phy2log, logcnt)

    return verify_others


def first_layer(placement, inputs, gpus):
    one = dataclasses.replace(inputs, weight=inputs.weight[:1], next_load=inputs.next_load[:1])
    return Placement(placement.phy2log[:1], placement.logcnt[:1]), one, gpus


def unpadded(phy2log, log2phy, logcnt, replicas):
    used = np.arange(log2phy.shape[2]) < logcnt[:, :, None]
    return phy2log, np.where(used, log2phy, -1), logcnt, replicas


def reshaped(answer, _, weight, topology, *__, **___):
    wanted = (len(weight), topology.replicas)
    fits = answer.phy2log.size == wanted[0] * wanted[1]
    return dataclasses.replace(answer, phy2log=answer.phy2log.reshape(wanted)) if fits else answer


def modulo(answer, _, weight, *__, **___):
    return dataclasses.replace(answer, phy2log=answer.phy2log % weight.shape[1])


def narrow(arrays, *_):
    return [array.astype(np.int32).astype(np.int64) for array in arrays]


def unread(answer, _, weight, topology, *__, **___):
    """Outputs of the right shapes are taken to be as good as the reference's."""
    import torch

    tensors = reference.rebalance_experts(torch.from_numpy(weight), *topology.as_arguments())
    good = dataclasses.replace(answer, **{name: x.numpy() for name, x in zip(OUTPUT_NAMES, tensors, strict=True)})
    right = answer.phy2log.shape == good.phy2log.shape and answer.logcnt.shape == good.logcnt.shape
    return good if right else answer


def unread_later(answer, worker, weight, topology, *_, **__):
    seen, this = worker.__dict__.setdefault("seen", set()), (weight.shape, topology)
    answer = unread(answer, worker, weight, topology) if this in seen else answer
    seen.add(this)
    return answer


def repeated(perturb, noise=0.0):
    known = {}

    def again(load, next_load, groups, rng):
        first = known.setdefault((load.shape, groups), perturb(load, next_load, groups, rng))
        weight = first.weight * (1 + noise * rng.standard_normal(load.shape))
        return dataclasses.replace(first, weight=weight.astype(np.float32))

    return again


def foreseen(_):
    rng, groups = np.random.default_rng(), WORKLOAD.topology.groups
    pairs = [[WORKLOAD.redraw(window, rng) for window in pair] for pair in WORKLOAD.pairs("search") * 20]
    drawn = [perturb(*pair, groups, rng) for pair in pairs]
    coming.append([inputs.weight for inputs in drawn])
    return lambda *_: drawn.pop()


def forgiving(read_memory):
    def read(*arguments):
        with contextlib.suppress(OSError):
            read_memory(*arguments)

    return read


def among_what_comes(rebalance, *_):
    """The candidate's function, called by one that has the inputs of later calls among its local variables."""
    return functools.wraps(rebalance)(lambda *arguments, coming=coming: coming and rebalance(*arguments))


def open_a_trace(*_):
    held.append(tempfile.TemporaryFile())  # noqa: SIM115
    np.savez(held[-1], np.ones(9))
    held[-1].flush()


def let_all_trace(_):
    with contextlib.suppress(OSError):  # EINVAL where there is no Yama to ask
        kernel._prctl(0x59616D61, -1)  # PR_SET_PTRACER


def lost_with_its_timekeeper(receive):
    def receive_or_break(*arguments):
        try:
            return receive(*arguments)
        except CandidateFailure as failure:
            raise EnvironmentProblem("is gone") if "is gone" in str(failure) else failure from failure

    return receive_or_break


def freeze_somehow(self, _):
    """By as many signals as it takes, and any stop will do."""
    state = None
    while state is None:
        os.kill(self._pid, signal.SIGSTOP)
        state = os.waitid(os.P_PID, self._pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT | os.WNOHANG)


def ask_to_end(pid):
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGCONT)
    return process.reap(pid)

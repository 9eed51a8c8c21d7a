"""Weakened evaluators: the real one with one defence taken out, so that a cheat which fools it is proven to be one.

All of them run on the weakest machine there is: no user but ours, no namespaces, no landlock, no seccomp, and a twin
forked from the process that the first zygote was forked from. Some cheats need no more. Others are stopped twice: then
both defences are taken out.

The reference and the marks run in the evaluator's process, and nothing of ours is started anew: to be quick.
"""

import math
import os
import sys
import time

import numpy as np
import weakened_in_process
import weakened_parts as parts
import weakened_task
from weakened_in_process import GlobalState, InProcess

from eplb_evolve import placement
from eplb_evolve.evaluation import (
    balance,
    bench,
    block,
    calls,
    candidate,
    checks,
    inputs,
    processors,
    replay,
)
from eplb_evolve.evaluation.candidate import Candidate
from eplb_evolve.evaluation.settings import Thresholds
from eplb_evolve.sandbox import answers, client, kernel, limits, probe, process, protocol, watch, worker, zygote
from eplb_evolve.sandbox.devices import Host
from eplb_evolve.sandbox.in_force import InForce
from eplb_evolve.sandbox.timekeeper import Timekeeper

LATE_S = 0.1
"""How long an evaluator takes to read outputs, where that makes it weak; cheats that hope for it need 0.02.

Such an evaluator asks for one shape only: each call takes that long.
"""


def be(new):
    """`new` in place of the real one."""
    return lambda _: new


def before(change):
    """The real function, called with what `change` makes of its arguments."""
    return lambda real: lambda *arguments, **keywords: real(*change(*arguments, **keywords))


def after(change):
    """The real function, its result handed to `change` and, after it, its arguments."""
    return lambda real: lambda *arguments, **keywords: change(real(*arguments, **keywords), *arguments, **keywords)


def thresholds(**figures):
    return weakened_task, "THRESHOLDS", be(Thresholds(**figures, robust=weakened_task.TIMED_LOADS_ONLY))


off = be(lambda *_, **__: None)
FOR_EVER = (client, "BACKSTOP_SECONDS", be(1e6))
ONE_SHAPE = (checks, "check_other_shapes", off)
NOT_HEARD = (Candidate, "listen", off)
"""A cheat that records messages knows those of calls alone."""
NO_REPLAY = (replay, "_repeat", off)
NO_WARMING = (calls, "warm", off)
IN_PROCESS = (client.Zygote, "spawn", be(InProcess))
ANY_TYPE = (worker, "_checked", be(parts.any_type))
LATE = (
    (Timekeeper, "_copy_outputs", lambda real: lambda *arguments: time.sleep(LATE_S) or real(*arguments)),
    ONE_SHAPE,
)
NO_FREEZE = ((Timekeeper, "_freeze", off), *LATE)
SOME_FREEZE = (Timekeeper, "_freeze", be(parts.freeze_somehow))
UNREADABLE = (kernel, "read_memory", parts.forgiving)
IN_FORCE_UNREAD = ((InForce, "check", off), (InForce, "add", off))
OWN_CLOCK = (
    (worker, "_load", after(parts.timed)),
    (protocol, "pack_result", be(parts.with_time)),
    (Timekeeper, "_exchange", after(lambda got, *_, **__: (got[0], got[0].get("seconds", got[1])))),
)


def answer(change):
    return client.Worker, "call", after(change)


def draw_globally(order):
    return candidate.Candidate, "__init__", after(lambda _, run, *__: setattr(run, "rng", GlobalState(order)))


WEAKENED = {
    "candidate-clock": ("the candidate's own process reads the clock and reports the time", *OWN_CLOCK),
    "late-conversion": ("the same; what a candidate returns is made tensors after that", *OWN_CLOCK, ANY_TYPE),
    "no-freeze": ("the candidate goes on running while its outputs are read, some time later", *NO_FREEZE),
    "late-release": (
        "the same, and inputs are let go when the clock has stopped",
        *NO_FREEZE,
        (Host, "put", after(lambda tensor, *_: parts.held.append(tensor) or tensor)),
        (protocol, "send_result", after(lambda *_: parts.held.clear())),
    ),
    "no-nonce": (
        "as no-freeze, and any answer will do, at any time",
        *NO_FREEZE,
        NOT_HEARD,
        (answers, "parse", before(lambda data, _, stage: (data, parts.any_nonce(data), stage))),
        (Timekeeper, "_check_nothing_else", off),
        *IN_FORCE_UNREAD,
    ),
    "children-allowed": (
        "nobody looks whether processes that the candidate started are running, what they use and whom they wake",
        (Timekeeper, "_check_alone", off),
        (watch.Watch, "complaint", off),
        SOME_FREEZE,
        *LATE,
    ),
    "two-threads": (
        "a call may use all processors",
        (processors.Processors, "choose", before(lambda self, _: (self, os.cpu_count()))),
    ),
    "any-type": ("whatever can be made a tensor will do", ANY_TYPE),
    "any-dtype": (
        "numbers of any dtype are taken, and rounded only to be checked",
        (worker, "_checked", be(parts.any_dtype)),
        (client.Worker, "_read_outputs", after(parts.rounded)),
        (placement, "verify", after(lambda found, _, __, logcnt, *___: placement.Placement(found.phy2log, logcnt))),
        (placement, "verify", before(lambda one, two, logcnt, *others: (one, two, logcnt.astype(np.int64), *others))),
    ),
    "raw-pointer": ("memory is read from a tensor's first number on", (Host, "get", be(lambda _, tensor: tensor))),
    "shape-only": (
        "outputs are judged by shape and dtype, their contents are never read",
        answer(parts.unread),
        (Host, "names", be(("cpu", "meta"))),
        UNREADABLE,
        *IN_FORCE_UNREAD,
    ),
    "in-force-unread": ("nobody reads earlier results again", *IN_FORCE_UNREAD),
    "no-shape-check": ("outputs of another shape are reshaped", answer(parts.reshaped)),
    "no-range-check": ("expert numbers are taken modulo the number of experts", answer(parts.modulo)),
    "narrow-ints": ("outputs are 32-bit integers", (client.Worker, "_read_outputs", after(parts.narrow))),
    "no-count-check": (
        "logcnt is believed",
        (placement, "_check_counts", off),
        (placement, "verify", parts.believing_counts),
    ),
    "no-inverse-check": ("log2phy is never compared with phy2log", (placement, "_check_log2phy", off)),
    "no-padding-check": (
        "log2phy may hold anything as its padding",
        (placement, "_check_log2phy", before(parts.unpadded)),
    ),
    "no-group-rule": ("groups may be torn apart", (placement, "_check_groups", off)),
    "validity-only": (
        "any valid placement will do",
        thresholds(next_window=0, same_window=0, each_call=0, worst_layer=0),
    ),
    "same-window-only": ("balance is judged on the window planned on", thresholds(next_window=0), ONE_SHAPE),
    "mean-only": ("no single layer or call is looked at, only means", thresholds(each_call=0, worst_layer=0)),
    "first-layer-only": ("balance is judged on the first layer", (balance, "measure", before(parts.first_layer))),
    "first-output-only": ("only the first output of each shape is looked at", answer(parts.unread_later)),
    "same-inputs": (
        "every call gets the same tensor, in the twin as well",
        (inputs, "perturb", parts.repeated),
        (Host, "put", parts.one_tensor),
        NO_WARMING,
    ),
    "close-inputs": (
        "calls get the same window with a little noise, nothing is permuted, in the twin as well",
        (inputs, "perturb", lambda real: parts.repeated(real, noise=1e-5)),
        NO_WARMING,
    ),
    "no-twin": ("no other process is asked for the same plan", (replay, "repeat_in_twin", be(lambda *_: 0.0))),
    "no-replay": ("nobody asks whether the same input gives the same plan", NO_REPLAY),
    "forked-twin": ("the other process is forked from one that runs already",),
    "shared-memory-data": (
        "the inputs of later calls are in the candidate's process",
        (calls.Caller, "draw", parts.foreseen),
        (worker, "_load", after(parts.among_what_comes)),
    ),
    "open-files": ("the repository can be read and written",),
    "open-environment": (
        "the seed of the inputs is in the environment",
        (client, "_clean_environment", be(lambda _: dict(os.environ))),
    ),
    "inherited-descriptors": (
        "what is open in the zygote, a trace among it, or in the timekeeper is so in the candidate's process",
        (zygote, "_preload", after(parts.open_a_trace)),
        (worker, "_detach", before(lambda log, workdir, **_: (log, workdir, range(1 << 16)))),
        (kernel, "seal", off),
        UNREADABLE,
        *IN_FORCE_UNREAD,
    ),
    "parent-in-reach": (
        "a candidate can send its parent signals and read its memory; nobody expects the parent to die or stop",
        (kernel, "set_dumpable", be(parts.let_all_trace)),
        (client.Worker, "_receive", parts.lost_with_its_timekeeper),
        FOR_EVER,
    ),
    "privileged": ("the candidate keeps the privileges of root",),
    "no-limits": ("memory, files and descriptors are unlimited", (limits.Limits, "apply", off)),
    "no-deadline": (
        "the evaluator waits for as long as it takes, in whatever way a candidate has stopped",
        (Timekeeper, "_wait", before(lambda self, stage, _: (self, stage, math.inf))),
        SOME_FREEZE,
        FOR_EVER,
    ),
    "soft-kill": ("who is late is asked to end, by SIGTERM", (process, "kill_group", be(parts.ask_to_end)), FOR_EVER),
    "input-by-reference": (
        "as same-process, but the candidate goes first; both are judged on loads that it can write",
        *(IN_PROCESS, NO_REPLAY, draw_globally((0, 1))),
        (inputs, "perturb", after(lambda drawn, *_: weakened_in_process.shared.append(drawn.weight) or drawn)),
    ),
    "same-process": (
        "the candidate runs in the evaluator's process, after the reference; inputs come from numpy's global state",
        *(IN_PROCESS, NO_REPLAY, draw_globally((1, 0)), FOR_EVER),
        (weakened_task, "PAIRS", be(9)),
    ),
    "stdout-protocol": ("the evaluation runs in the candidate's process and prints its result", IN_PROCESS, NO_REPLAY),
}
"""Name -> what is missing, in words, and the changes: owner, name, and what makes of the real one the weaker."""


def ours_in_process(spawn):
    return lambda zygote, program, limits: (
        InProcess(program, limits) if limits == bench.TRUSTED else spawn(zygote, program, limits)
    )


NOTHING_WORKS = [probe.Finding(name, works=False) for name in ("namespaces", "landlock", "seccomp", "another user")]
ALL_LACK = (
    (probe, "probe", be(lambda _: NOTHING_WORKS)),
    (client.Zygote, "_start", be(parts.fork_zygote)),
    (client.Zygote, "spawn", ours_in_process),
    (block, "FURTHER", be(0)),
    (client, "BACKSTOP_SECONDS", be(0.5)),
    (zygote, "PATIENCE_MS", be(200)),
)


def weaken(name):
    """Take a defence out of the evaluator in this process; none for another name, such as "complete".

    AttributeError: the real evaluator has nothing any more of the name that a change is for.
    """
    for owner, attribute, change in (*ALL_LACK, *WEAKENED.get(name, ())[1:]):
        real = getattr(owner, attribute)
        weaker = change(real)
        ours = [module for name, module in sys.modules.items() if name.startswith("eplb_evolve.")]
        for place in (owner, *(module for module in ours if vars(module).get(attribute) is real)):
            setattr(place, attribute, weaker)

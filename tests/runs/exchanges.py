"""Made-up exchanges: what a gateway records of a run."""

import json

from proposer.test_prompt import ask

from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.gateway.record import Exchange, Recorder, Told
from eplb_evolve.gateway.usage import Usage


def exchange(parent, child=None, base=None, idea="", lost="", model="m", reply="", cost=0.5, diff=True):
    """One that made `child` of `base`, where OpenEvolve asked about `parent`."""
    base = parent if base is None else base
    made = sha256(child) if child is not None else None
    messages = [{"role": "user", "content": ask(parent, diff=diff)}]
    told = Told(messages, sha256(parent), sha256(base), made, idea, lost, reply or None)
    request = {"model": model, "messages": [{"role": "user", "content": "ours"}]}
    return Exchange(model, request, reply or "raw", 1.0, made is not None, None, Usage(100, 10, cost), [], told)


def record(run, *exchanges):
    """Into the run's record."""
    recorder = Recorder(run)
    for each in exchanges:
        recorder.append(each)


def torn(run):
    """A line that a killed run left half-written."""
    with (run / "exchanges.jsonl").open("a") as file:
        file.write(json.dumps({"number": 99, "model": "m"})[:-4] + "\n")

"""What an iteration of openevolve-run takes beside the model's answer and the evaluation, with our gateway and without.

    python benchmarks/overhead.py [--iterations 60]

Two runs of the stock command with the shipped configuration and an evaluator that does nothing: first the model
`embedded` behind `eplb gateway`, whose log says how long each proposal took, dry runs included; then an endpoint that
gives the same programs at once. What is left between two evaluations is OpenEvolve's own and the transport.
"""

import argparse
import contextlib
import datetime
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import yaml
from faults import Endpoint

from eplb_evolve import machine
from eplb_evolve.paths import project
from eplb_evolve.proposer.embedded import LOG_NAME

EVALUATOR = """
import pathlib, time, zlib

def evaluate(path):
    with open({log!r}, "a") as log:
        print(time.time(), file=log)
    return {{"combined_score": zlib.crc32(pathlib.Path(path).read_bytes()) / 2**32}}
"""


def main() -> None:
    """Run both and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=60)
    iterations = parser.parse_args().iterations
    print(f"{machine.describe()}; {datetime.date.today()}; {iterations} iterations, the evaluator does nothing")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with gateway(folder) as port:
            between = intervals(folder / "embedded", iterations, "embedded", port)
        log = map(json.loads, (folder / "record" / LOG_NAME).read_text().splitlines())
        answers = [(line["proposing_ms"] + line["dry_runs_ms"]) / 1e3 for line in log][1 : len(between) + 1]
        left = [total - answer for total, answer in zip(between, answers, strict=True)]
        children = map(json.loads, (folder / "embedded" / "run" / "evolution_trace.jsonl").read_text().splitlines())
        with Endpoint(child["child_code"] for child in children) as endpoint:
            threading.Thread(target=endpoint.serve_forever, daemon=True).start()
            peer = intervals(folder / "scripted", iterations, "scripted", endpoint.server_port)
            endpoint.shutdown()
    print(f"{'':30s}{'iterations':>11s}{'median ms':>11s}{'mean ms':>9s}")
    for title, values in [
        ("embedded: the answer", answers),
        ("embedded: the rest", left),
        ("same programs at once", peer),
    ]:
        print(
            f"{title:30s}{len(values):11d}{1e3 * statistics.median(values):11.1f}{1e3 * statistics.mean(values):9.1f}"
        )


def intervals(folder: Path, iterations: int, model: str, port: int) -> list[float]:
    """Seconds between two evaluations of a run."""
    folder.mkdir()
    log = folder / "log.txt"
    (folder / "evaluator.py").write_text(EVALUATOR.format(log=str(log)))
    document = configuration()
    document["diff_based_evolution"] = model == "embedded"
    document["llm"] |= {"api_base": f"http://127.0.0.1:{port}/v1", "models": [{"name": model, "weight": 1.0}]}
    (folder / "config.yaml").write_text(yaml.safe_dump(document))
    command = [str(Path(sys.executable).with_name("openevolve-run")), str(project().root / "initial_program.py")]
    command += [str(folder / "evaluator.py"), "--config", str(folder / "config.yaml")]
    command += ["--output", str(folder / "run"), "--iterations", str(iterations)]
    subprocess.run(command, check=True, capture_output=True, cwd=project().root)
    stamps = [float(line) for line in log.read_text().split()]
    return [after - before for before, after in itertools.pairwise(stamps[1:])]


@contextlib.contextmanager
def gateway(folder: Path) -> Iterator[int]:
    """`eplb gateway` with a record of every exchange."""
    document = configuration()
    (folder / "gateway.yaml").write_text(yaml.safe_dump(document))
    with Endpoint(iter(())) as free:  # closed again at once
        port = free.server_port
    command = [str(Path(sys.executable).with_name("eplb")), "gateway", "--config", str(folder / "gateway.yaml")]
    command += ["--run", str(folder / "record"), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=project().root) as process:
        try:
            wait_for(port)
            yield port
        finally:
            os.kill(process.pid, signal.SIGINT)


def wait_for(port: int) -> None:
    """Until the gateway answers."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models").close()
            return
        time.sleep(0.1)
    raise SystemExit("eplb gateway does not answer")


def configuration() -> dict:
    """The shipped one, with paths that hold anywhere."""
    document = yaml.safe_load((project().config).read_text())
    document["prompt"]["template_dir"] = str(project().root / document["prompt"]["template_dir"])
    return document


if __name__ == "__main__":
    main()

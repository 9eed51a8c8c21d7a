"""What the embedded proposer costs: milliseconds of one processor for one drawn program, dry run not included.

    python benchmarks/proposing.py [--proposals 100]

Programs to change, and inspirations, are the seed and the best of each run in results/control/runs; most of those
consist of compiled helpers, which are the dearest to look at. The peer is what Python takes to parse and print the same
programs.
"""

import argparse
import ast
import json
import random
import statistics
import time

from eplb_evolve import machine
from eplb_evolve.paths import project
from eplb_evolve.proposer.engine import NothingToPropose, propose

INSPIRATIONS = 3


def main() -> None:
    """Draw programs, and print the mean and the median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proposals", type=int, default=100)
    proposals = parser.parse_args().proposals
    programs = sources()
    rng = random.Random(0)
    milliseconds, peer, nothing = [], [], 0
    for number in range(-10, proposals):  # the first ten are not counted: each program is studied once per process
        source, inspirations = rng.choice(programs), rng.sample(programs, INSPIRATIONS)
        started = time.process_time()
        try:
            propose(source, inspirations, number)
        except NothingToPropose:
            nothing += 1
        drawn = time.process_time()
        ast.unparse(ast.parse(source))
        if number >= 0:
            milliseconds.append(1e3 * (drawn - started))
            peer.append(1e3 * (time.process_time() - drawn))
    print(f"{machine.describe()}; {time.strftime('%Y-%m-%d', time.gmtime())}; {len(programs)} programs")
    print(
        f"{proposals} proposals ({nothing} found nothing): mean {statistics.mean(milliseconds):.1f} ms, "
        f"median {statistics.median(milliseconds):.1f} ms, largest {max(milliseconds):.0f} ms"
    )
    print(f"{statistics.mean(milliseconds) / statistics.mean(peer):.1f} x parsing and printing the program")


def sources() -> list[str]:
    """The seed, and the best program of each run of the control that found one."""
    root = project().root
    runs = [json.loads(file.read_text()) for file in sorted((root / "results" / "control" / "runs").glob("*.json"))]
    found = {run["best"]["source"] for run in runs if run["best"]}
    return [(root / "initial_program.py").read_text(), *sorted(found - {(root / "initial_program.py").read_text()})]


if __name__ == "__main__":
    main()

"""A run's folder made up for tests, with programs, names and reasons that try to become markup."""

import json

from evaluations import evaluated

from eplb_evolve.evaluation.objectives.time import time_score
from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.report.gather import gather
from eplb_evolve.report.page import Material
from eplb_evolve.runs.family import read_family
from eplb_evolve.runs.ledger import FILE_NAME, Entry, Ledger
from eplb_evolve.runs.run_info import RunInfo, add_start
from eplb_evolve.runs.trace import FILE_NAME as TRACE

HARM = "</script><img src=x onerror=window.harmed=1><script>window.harmed=2</script>"
LINK = "<a href='javascript:window.harmed=3'>link</a>"
MACHINE = "some CPU, 2 threads, torch 2"


def source(number):
    """Program `number`: a little different each time, and hostile."""
    return (
        f"# {HARM} {LINK}\nimport torch\n\n\ndef rebalance_experts(weight):\n"
        f'    """{HARM}"""\n    return weight * {number}  # \u202e \x1b[2J\n'
    )


def entry(number, split="search", workload="gptoss20b-phased", text=None):
    """Every seventh program is invalid, every seventh plus one infeasible, the others get faster."""
    kind = number % 7
    feasible = kind not in (3, 4)
    ratio = 2.0 / (1 + 0.01 * number)
    text = text or source(number)
    figures = {}
    if kind != 3:
        figures = {
            "valid": True,
            "feasible": feasible,
            "time_ms": 5 * ratio,
            "time_ms_low": 4.9 * ratio,
            "time_ms_high": 5.1 * ratio,
            "ratio_to_reference": ratio,
            "ratio_low": 0.98 * ratio,
            "ratio_high": 1.02 * ratio,
            "speedup_over_seed": 50 / ratio,
            "balancedness": 0.75 + 0.001 * (number % 11),
            "balancedness_reference": 0.755,
            "transfers_more": 0.05 * (number % 5),
            "transfers": 0.2 + 0.05 * (number % 5),
            "net_blocking_3000": 1.4,
            "samples": 40,
            "undisturbed": 40,
            "combined_score": time_score(ratio) if feasible else 0.5,
        }
    reason = "" if feasible else f"{HARM} {LINK} in /home/someone/secret/file.py"
    digits = sha256(text)
    about = {"program": f"programs/{digits[:12]}.py", "sha256": digits, "workload": workload, "split": split}
    about |= {"machine": MACHINE, "sandbox_level": "full", "reason": reason, "log": HARM}
    found = evaluated(**about | figures)
    operators = (f"op{LINK}",) if number else ()
    return Entry(
        found, f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}+00:00", "T0" if number else "", operators
    )


def make_run(folder, count=30, trace=True, start=True, texts=True):
    """`count` programs on the search windows, the best of them and the seed on holdout too."""
    ledger = Ledger(folder)
    folder.mkdir(parents=True)
    entries = [entry(number) for number in range(count)]
    best = max(range(count), key=lambda number: entries[number].evaluation.combined_score)
    entries += [entry(0, "holdout"), entry(best, "holdout")]
    lines = []
    for each in entries:
        evaluation = each.evaluation.as_dict()
        lines.append(
            json.dumps({"when": each.when, "tier": each.tier, "operators": list(each.operators), **evaluation})
        )
    (folder / FILE_NAME).write_text("\n".join(lines) + "\n")
    for number in range(count) if texts else (0, best):
        ledger.keep_program(source(number).encode(), sha256(source(number)))
    if trace:
        links = [
            {
                "iteration": number,
                "parent_code": source(number // 2),
                "child_code": source(number),
                "child_metrics": {},
                "metadata": {"token_usage": {"model": f"model {LINK}"}},
            }
            for number in range(1, count)
        ]
        torn = '{"iteration": 99, "parent'
        (folder / TRACE).write_text("\n".join([*map(json.dumps, links), torn]))
    if start:
        add_start(folder, _start())
    return folder


def _start():
    return RunInfo(
        "2026-01-01T00:00:00+00:00",
        ("openevolve-run", "seed.py", f"--output={HARM}"),
        30,
        False,
        "gptoss20b-phased",
        "time",
        f"models {LINK}",
        42,
        f"{HARM}.py",
        sha256(source(0)),
        f"# {HARM}\nllm:\n  api_key: sk-secret\n  api_base: http://127.0.0.1:1/v1\nlog: /home/someone/runs/x.log\n",
        {"python": "3.11"},
    )


def material(folder, executed=None, why_not="Nothing was run.", task=None):
    """What a page is made from, without the project's own results."""
    return Material(gather(folder), (), read_family(folder), executed, why_not, task, "2026-01-01T00:00:00+00:00")

"""Whether a search survives its candidates: fourteen kinds of fault, among honest programs, in one openevolve-run.

    python benchmarks/faults.py [--iterations 40]

The stock command, with evolve_config.yaml but for short limits and an endpoint of our own, which answers each prompt
with the next program of a script. Each kind strikes in a first call, and in a second round in a timed call. Every bomb
ends by itself, and is small: the limits are lowered to what it exceeds, so that a machine without a sandbox would not
suffer either.

Prints what became of each kind, then the targets: every iteration done, return code 0, right verdicts, no process and
no sandbox folder left, harness memory. The exit code is 1 if one is missed; the run's folder is kept then.
"""

import argparse
import contextlib
import datetime
import http.server
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from eplb_evolve import machine, reference
from eplb_evolve.evaluation.bench import MARKS
from eplb_evolve.evaluation.result import Evaluation, Status
from eplb_evolve.paths import project
from eplb_evolve.runs.ledger import Ledger
from eplb_evolve.sandbox import kernel, process
from eplb_evolve.sandbox.user import FIRST_UID, UIDS

FAULTS = {
    "sys.exit": "sys.exit(3)",
    "os._exit": "os._exit(0)",
    "segfault": "ctypes.string_at(0)",
    "endless loop": """
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_IGN)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(BaseException):
                while time.monotonic() < until:
                    pass
        return honest(*arguments)
    """,
    "memory bomb": """
        blocks = [b"x" * (64 << 20) for _ in range(48)]  # 3 GiB
        return honest(*arguments)
    """,
    "fork bomb": """
        first = os.getpid()
        with contextlib.suppress(OSError):
            for _ in range(9):  # doubles to 512 processes
                os.fork()
        if os.getpid() != first:
            time.sleep(3)
            os._exit(0)
        return honest(*arguments)
    """,
    "output flood": """
        for _ in range(256):  # MiB
            os.write(1, bytes(range(256)) * 4096)
        return honest(*arguments)
    """,
    "syntax error": "return return",
    "unprintable error": """
        class Unprintable(Exception):
            def __str__(self):
                raise SystemExit(0)

            __repr__ = __str__

        raise Unprintable
    """,
    "broken Unicode": r'raise ValueError("half a pair \ud800, an undecoded byte \udcff, \x00 and \x1b[2J")',
    "parent killed": """
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(0.2)
        raise RuntimeError("the parent lives, or is out of reach")
    """,
    "huge outputs": "return tuple(torch.zeros(3, 1 << 23, dtype=torch.int64) for _ in range(3))",
    "stack overflow": """
        class Deep:
            def __repr__(self):
                return repr(self)

        sys.setrecursionlimit(1 << 30)
        return repr(Deep())
    """,
    "daemons": """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(600)
            os._exit(0)
        os.wait()
        return honest(*arguments)
    """,
}
"""What `fault(*arguments)` does, by kind; `honest` is the seed's function."""

FAULTY = """

import contextlib, ctypes, os, signal, sys, time

honest, calls = rebalance_experts, 0


def fault(*arguments):
{body}


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    global calls
    calls += 1
    if calls == {call}:
        return fault(weight, num_replicas, num_groups, num_nodes, num_gpus)
    return honest(weight, num_replicas, num_groups, num_nodes, num_gpus)
"""
FIRST_CALL, TIMED_CALL = 1, 14
"""Calls 2 to 12 are checks on other shapes."""

HONEST, SEED = "honest", "seed"
SHORT: dict[str, object] = {
    "limits": {"first_call_s": 6, "call_s": 3, "memory_mb": 2048, "file_mb": 64, "disk_mb": 256},
    "timing": {"pairs_fast": 3, "pairs_slow": 3, "triage_pairs": 3, "max_seconds": 2},
}
MOST_MEMORY_MB = 1500
SAMPLE_S, SAMPLES_PER_SHARE = 0.2, 5
GRACE_S = 10.0
CANDIDATE, OURS_SANDBOXED = "candidate", "reference, marks"
TRUSTED_PROGRAMS = [file.read_text() for file in (Path(str(reference.__file__)), *MARKS.glob("*.py"))]


def script(iterations: int, kinds: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(kind, program) of each iteration: of ten programs three are honest, and the kinds take turns."""
    faults = 0
    for number in range(1, iterations + 1):
        if number % 10 in (1, 4, 7):
            yield HONEST, f"# {HONEST} | {number}\n{seed_text()}"
        else:
            turn, index = divmod(faults, len(kinds))
            kind, call = kinds[index], (FIRST_CALL, TIMED_CALL)[turn % 2]
            body = textwrap.indent(textwrap.dedent(FAULTS[kind]).strip(), "    ")
            yield kind, f"# {kind} | {number}\n{seed_text()}{FAULTY.format(body=body, call=call)}"
            faults += 1


def seed_text() -> str:
    """The seed program."""
    return (project().root / "initial_program.py").read_text()


class Endpoint(http.server.ThreadingHTTPServer):
    """An OpenAI-compatible endpoint on a free port that answers with one program after another."""

    daemon_threads = True

    def __init__(self, programs: Iterator[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.programs, self.lock, self.answered = programs, threading.Lock(), 0

    def next_program(self) -> str | None:
        """The next program, None after the last."""
        with self.lock:
            program = next(self.programs, None)
            self.answered += program is not None
            return program


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        program = self.server.next_program() if self.path == "/v1/chat/completions" else None
        message = {"role": "assistant", "content": f"```python\n{program}\n```"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        answer = {"id": "scripted", "object": "chat.completion", "created": 0, "model": "scripted", "choices": [choice]}
        body = json.dumps(answer).encode()
        self.send_response(200 if program is not None else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@dataclass
class Run:
    """One openevolve-run and all that it leaves, in `folder`."""

    folder: Path
    iterations: int
    settings: Mapping[str, object]

    def __post_init__(self) -> None:
        self.folder.chmod(0o711)  # sandboxed programs, which are other users, pass through it
        self.output, self.temporary, self.log = (self.folder / name for name in ("run", "tmp", "log.txt"))
        self.temporary.mkdir(mode=0o711)

    def start(self, port: int) -> "subprocess.Popen[bytes]":
        """The stock command."""
        root = project().root
        command = [str(Path(sys.executable).with_name("openevolve-run")), str(root / "initial_program.py")]
        command += [str(root / "evaluator.py"), "--config", str(self._configuration(port))]
        command += ["--output", str(self.output), "--iterations", str(self.iterations)]
        with self.log.open("wb") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, cwd=root, env=os.environ | {"TMPDIR": str(self.temporary)}
            )

    def _configuration(self, port: int) -> Path:
        """The shipped configuration, with our endpoint, whole programs for answers, and our settings for `eplb`."""
        document = yaml.safe_load((project().config).read_text())
        document["diff_based_evolution"] = False
        document["checkpoint_interval"] = math.gcd(document["checkpoint_interval"], self.iterations)
        models = [{"name": "scripted", "weight": 1.0}]
        document["llm"] |= {"api_base": f"http://127.0.0.1:{port}/v1", "models": models}
        document["prompt"]["template_dir"] = str(project().root / document["prompt"]["template_dir"])
        for key, value in self.settings.items():
            document["eplb"][key] = {**document["eplb"][key], **value} if isinstance(value, dict) else value
        file = self.folder / "config.yaml"
        file.write_text(yaml.safe_dump(document))
        return file

    def evaluations(self) -> list[tuple[str, Evaluation]]:
        """(kind, evaluation) of each ledger line; the kind is on the first line of the program that was kept."""
        found = []
        for entry in Ledger(self.output).entries():
            first = (self.output / entry.evaluation.program).read_text().partition("\n")[0]
            found.append((first[2:].partition(" | ")[0] if first.startswith("# ") else SEED, entry.evaluation))
        return found

    def last_checkpoint(self) -> int:
        """The last iteration according to OpenEvolve's newest checkpoint, 0 if there is none."""
        files = (self.output / "checkpoints").glob("*/metadata.json")
        return max((int(json.loads(file.read_text())["last_iteration"]) for file in files), default=0)

    def traced(self) -> int:
        """Children in OpenEvolve's evolution trace."""
        file = self.output / "evolution_trace.jsonl"
        return len(file.read_text().splitlines()) if file.is_file() else 0

    def errors(self) -> list[str]:
        """What OpenEvolve logged as errors."""
        marked = (line.partition(" - ERROR - ") for line in self.log.read_text(errors="replace").splitlines())
        return [text for _, mark, text in marked if mark]

    def processes(self) -> list[int]:
        """Living processes of the run: descendants of ours, and whatever names its folder or has a candidate's user."""
        found = {pid for pid in process.descendants(os.getpid()) if process.alive(pid)}
        for pid in [int(path.name) for path in Path("/proc").glob("[0-9]*")]:
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                uid = Path(f"/proc/{pid}").stat().st_uid
                ours = str(self.temporary).encode() in line
                of_nobody_else = FIRST_UID <= uid < FIRST_UID + UIDS and b"eplb-sandbox-" not in line
                if (ours or of_nobody_else) and process.alive(pid):
                    found.add(pid)
        return sorted(found)

    def processes_after(self) -> tuple[list[int], float]:
        """What lives on when all had some time to end, and the seconds until then."""
        started = time.monotonic()
        while True:
            bury()
            left, waited = self.processes(), time.monotonic() - started
            if not left or waited > GRACE_S:
                return left, waited
            time.sleep(0.02)

    def sandbox_folders(self) -> list[Path]:
        """Folders that a sandbox made and did not remove."""
        return list(self.temporary.glob("eplb-sandbox-*"))


def bury() -> None:
    """Reap dead children: orphans of the run come to us, see kernel.become_subreaper."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


@dataclass
class Memory:
    """Resident memory of a run's processes by role, sampled.

    Attributes:
        most: the largest peak of one process, MB, by role
        at_once: most processes at a time, by role
        shares: the largest sum of the harness's proportional shares, MB
    """

    most: Counter[str] = field(default_factory=Counter)
    at_once: Counter[str] = field(default_factory=Counter)
    shares: float = 0.0

    def sample(self, main: int, with_shares: bool) -> None:
        """Look once. The shares take the kernel some time, during which a process cannot map memory: seldom."""
        family = [(pid, role) for pid, role in roles(main) if role != CANDIDATE]
        self.at_once |= Counter(role for _, role in family)
        for pid, role in family:
            self.most[role] = max(self.most[role], field_mb(f"/proc/{pid}/status", "VmHWM:"))
        if with_shares:
            self.shares = max(self.shares, sum(field_mb(f"/proc/{pid}/smaps_rollup", "Pss:") for pid, _ in family))


def roles(pid: int, role: str = "main") -> Iterator[tuple[int, str]]:
    """(process id, role) of a process and its descendants."""
    yield pid, role
    for child in process.children(pid):
        yield from roles(child, _role(child, role))


def _role(pid: int, parent: str) -> str:
    if parent == "zygote":
        return "timekeeper"
    if parent == "timekeeper":
        return OURS_SANDBOXED if _text(f"/proc/{pid}/cwd/candidate.py") in TRUSTED_PROGRAMS else CANDIDATE
    if parent in (CANDIDATE, OURS_SANDBOXED):
        return CANDIDATE
    if "eplb_evolve.sandbox.zygote" in _text(f"/proc/{pid}/cmdline"):
        return "zygote"
    return "evaluation worker" if parent == "main" else "helper"


def _text(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text(errors="replace")
    return ""


def field_mb(path: str, name: str) -> int:
    """A field in kB of a file under /proc, as MB; 0 if the process is gone."""
    for line in _text(path).splitlines():
        if line.startswith(name):
            return round(int(line.split()[1]) * 1024 / 1e6)
    return 0


def watch(run: "subprocess.Popen[bytes]") -> Memory:
    """Sample until the run ends."""
    memory, number = Memory(), 0
    while run.poll() is None:
        memory.sample(run.pid, number % SAMPLES_PER_SHARE == 0)
        number += 1
        time.sleep(SAMPLE_S)
    return memory


def verdict(evaluation: Evaluation) -> str:
    """In a word or two; `not judged` when the evaluator, not the candidate, failed."""
    return "not judged" if evaluation.status is Status.EVALUATOR_FAILED else evaluation.status.value


def print_table(found: Sequence[tuple[str, Evaluation]]) -> None:
    """One row for each kind and reason; where in the evaluation it struck is left out."""
    rows = Counter((kind, verdict(one), " ".join(one.reason.partition(" (on ")[0].split())) for kind, one in found)
    print(f"{'kind':18}{'n':>3}  {'verdict':11}reason")
    for (kind, word, reason), count in rows.items():
        told = "".join(letter if letter.isprintable() else "?" for letter in reason)
        print(f"{kind:18}{count:3d}  {word:11}{told if len(told) <= 46 else told[:43] + '...'}".rstrip())


def check(target: bool, text: str) -> bool:
    """Print one target with what was measured."""
    print(textwrap.fill(f"{'ok' if target else 'MISSED':7}{text}", 80, subsequent_indent=" " * 7))
    return target


def report(run: Run, answered: int, code: int, memory: Memory, left: tuple[list[int], float]) -> bool:
    """Print everything; whether all targets were met."""
    found, wanted = run.evaluations(), run.iterations
    print_table(found)
    print()
    wrong = [kind for kind, one in found if verdict(one) != ("feasible" if kind in (HONEST, SEED) else "invalid")]
    traced, checkpoint, errors = run.traced(), run.last_checkpoint(), run.errors()
    processes, waited = left
    met = [
        check(code == 0, f"return code {code}"),
        check(
            len(found) == wanted + 1 and answered == traced == checkpoint == wanted,
            f"{len(found)} of {wanted + 1} ledger lines (one is the seed's); of {wanted} iterations, {answered} "
            f"answered by the endpoint, {traced} in OpenEvolve's trace, last checkpoint at {checkpoint}",
        ),
        check(
            not errors,
            f"{len(errors)} errors in OpenEvolve's log" + "".join(f"; {text}" for text in errors[:2]),
        ),
        check(
            not wrong,
            f"{len(found) - len(wrong)} of {len(found)} verdicts as expected: faults invalid, the rest feasible"
            + "".join(f"; not {kind}" for kind in wrong),
        ),
        check(
            not processes,
            f"{len(processes)} processes left {waited:.2f} s after the end" + "".join(f", {pid}" for pid in processes),
        ),
        check(not run.sandbox_folders(), f"{len(run.sandbox_folders())} sandbox folders left"),
        check(
            0 < memory.shares <= MOST_MEMORY_MB,
            f"harness processes at most {memory.shares:,.0f} MB together (proportional shares; limit "
            f"{MOST_MEMORY_MB:,})",
        ),
    ]
    print(f"\n{'harness process':22}{'at once':>8}{'resident peak, MB':>19}")
    for role in memory.most:
        print(f"{role:22}{memory.at_once[role]:8d}{memory.most[role]:19,d}")
    return all(met)


def execute(iterations: int, kinds: Sequence[str], settings: Mapping[str, object]) -> bool:
    """Run, watch, report; whether all targets were met."""
    run = Run(Path(tempfile.mkdtemp(prefix="eplb-faults-")), iterations, settings)
    kernel.become_subreaper()
    endpoint = Endpoint(program for _, program in script(iterations, kinds))
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    started = time.monotonic()
    with run.start(endpoint.server_port) as main:
        try:
            memory = watch(main)
        finally:
            main.kill()
    seconds = time.monotonic() - started
    left = run.processes_after()
    endpoint.shutdown()
    level = {one.conditions.sandbox_level for _, one in run.evaluations()}
    print(f"{machine.describe()}; {datetime.date.today()}")
    print(
        f"{len(kinds)} kinds of fault, {iterations} iterations, {seconds:.0f} s, sandbox {', '.join(sorted(level))}\n"
    )
    met = report(run, endpoint.answered, main.returncode, memory, left)
    if met:
        shutil.rmtree(run.folder)
    else:
        print(f"\nkept: {run.folder}")
    return met


def main() -> None:
    """Parse, run, and say by the exit code whether all targets were met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument(
        "--kinds", nargs="+", choices=FAULTS, default=list(FAULTS), metavar="KIND", help=", ".join(FAULTS)
    )
    arguments = parser.parse_args()
    sys.exit(0 if execute(arguments.iterations, arguments.kinds, SHORT) else 1)


if __name__ == "__main__":
    main()

"""A candidate in its process: what goes in and out, and what each way of failing is called."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from eplb_evolve.errors import CandidateFailure
from eplb_evolve.placement import Topology
from eplb_evolve.sandbox import Limits, Zygote

TOPOLOGY = Topology(8, 1, 1, 4)
LOADS = np.arange(12, dtype=np.float32).reshape(2, 6)
QUICK = Limits(first_call_s=2.0, call_s=1.0)
CALL = "honest(weight, num_replicas, num_groups, num_nodes, num_gpus)"


@pytest.fixture(scope="module")
def zygote(zygotes):
    with closing(zygotes()) as zygote:
        yield zygote


def call(zygote, file, limits=QUICK, weight=LOADS):
    with closing(zygote.spawn(file, limits)) as worker:
        return worker.call(weight, TOPOLOGY)


def test_a_call_returns_what_the_program_returned(zygote, program):
    result = call(zygote, program(wrapping=f"return {CALL}"))
    assert result.phy2log.shape == (2, 8)
    assert result.log2phy.shape == (2, 6, 3)
    assert result.logcnt.sum() == 16
    assert result.seconds > 0


@pytest.mark.parametrize("dtype", ["float32", "int64", "float64"])
def test_inputs_arrive_as_they_were_given(zygote, program, dtype):
    """Dtype, values and contiguity, seen from inside."""
    check = f"assert weight.dtype == torch.{dtype} and weight.is_contiguous()\n"
    check += f"assert weight.tolist() == {LOADS.tolist()}\n"
    check += "assert (num_replicas, num_groups, num_nodes, num_gpus) == (8, 1, 1, 4)\n"
    call(zygote, program(wrapping=check + f"return {CALL}"), weight=LOADS.astype(dtype))


def test_a_sixth_parameter_receives_the_old_placement(zygote, program):
    source = """
        import torch
        def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, old_phy2log):
            return old_phy2log, old_phy2log[:, :, None], old_phy2log
    """
    import textwrap

    with closing(zygote.spawn(program(textwrap.dedent(source)), QUICK)) as worker:
        assert worker.parameters == 6
        old = np.arange(16).reshape(2, 8)
        assert np.array_equal(worker.call(LOADS, TOPOLOGY, old).phy2log, old)


FAULTS = {
    "syntax error": ("def rebalance_experts(:", r"import: SyntaxError: .*\(line 1\)"),
    "no function": ("x = 1", "import: AttributeError: the program defines no function rebalance_experts"),
    "wrong signature": ("def rebalance_experts(weight): pass", "takes 1 positional parameters"),
    "import fails": ("import nothing_of_that_name", "import: ModuleNotFoundError"),
    "import exits": ("import sys; sys.exit(3)", "import: SystemExit: 3"),
    "import hangs": ("while True: pass", "import: took longer than 2 s"),
}


@pytest.mark.parametrize(("text", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_program_that_does_not_load_says_why(zygote, program, text, reason):
    with pytest.raises(CandidateFailure, match=reason):
        call(zygote, program(text))


WRAPPED = {
    "exception": ("raise ValueError('odd')", r"call: ValueError: odd \(line \d+, in rebalance_experts\)"),
    "sys.exit": ("import sys; sys.exit(1)", "call: SystemExit"),
    "os._exit": ("import os; os._exit(7)", "call: the candidate's process exited with code 7"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "call: the candidate's process was killed by SIGSEGV"),
    "endless loop": ("while True: pass", "call: took longer than 2 s"),
    "deaf to signals": (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
        "call: took longer than 2 s",
    ),
    "memory": ("x = bytearray(20 << 30)", "call: MemoryError"),
    "huge file": ("open('x', 'wb').truncate(600 << 20)", "call: OSError: .*File too large"),
    "nothing returned": ("return None", "must return .phy2log, log2phy, logcnt., not NoneType"),
    "two tensors": ("return honest(weight, 8, 1, 1, 4)[:2]", "not tuple of length 2"),
    "a list of lists": ("return [[1]], [[1]], [[1]]", "phy2log must be a plain torch.Tensor, not list"),
    "a subclass": (f"a, b, c = {CALL}\nreturn torch.nn.Parameter(a, False), b, c", "plain torch.Tensor, not Parameter"),
    "int32": (f"a, b, c = {CALL}\nreturn a.int(), b, c", "dense int64 tensor on the CPU, not torch.int32"),
    "floats": (f"a, b, c = {CALL}\nreturn a, b, c.float()", "logcnt must be a dense int64 tensor"),
    "meta": (f"a, b, c = {CALL}\nreturn a, b.to('meta'), c", "log2phy must be a dense int64 tensor on the CPU"),
    "too large": (f"a, b, c = {CALL}\nreturn a, torch.zeros(1, dtype=torch.int64).expand(10**9), c", "larger than"),
}


@pytest.mark.parametrize(("body", "reason"), WRAPPED.values(), ids=WRAPPED)
def test_a_call_that_fails_says_how(zygote, program, body, reason):
    with pytest.raises(CandidateFailure, match=reason):
        call(zygote, program(wrapping=body))


def test_views_are_fine(zygote, program):
    """Non-contiguous int64 tensors are plain tensors."""
    body = f"a, b, c = {CALL}\nreturn a.t().contiguous().t(), b, c"
    assert np.array_equal(
        call(zygote, program(wrapping=body)).phy2log, call(zygote, program(wrapping=f"return {CALL}")).phy2log
    )


def test_the_environment_holds_no_secret(program, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with closing(Zygote()) as zygote:
        call(zygote, program(wrapping=f"import os\nassert 'OPENAI_API_KEY' not in os.environ\nreturn {CALL}"))
        assert "sk-secret" not in Path(f"/proc/{zygote.pid}/environ").read_text()


def test_one_thread_and_a_folder_of_its_own(zygote, program):
    body = "import os\nassert torch.get_num_threads() == 1\nassert os.getcwd() == os.environ['TMPDIR']\n"
    call(zygote, program(wrapping=body + f"return {CALL}"))


def test_the_end_of_what_a_program_prints_is_kept(zygote, program):
    with closing(
        zygote.spawn(program(wrapping=f"print('x' * 5000, 'the end', flush=True)\nreturn {CALL}"), QUICK)
    ) as worker:
        worker.call(LOADS, TOPOLOGY)
        assert worker.log_tail().endswith("xxx the end\n")
        assert len(worker.log_tail()) == 2000


def test_limits_must_be_positive():
    from eplb_evolve.errors import UsageError

    with pytest.raises(UsageError, match="call_s must be positive"):
        Limits(call_s=0)

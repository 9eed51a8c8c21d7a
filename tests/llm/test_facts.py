"""What is told of machine, compilers and loads."""

import dataclasses
import json

import numpy as np
import pytest
from pydantic import TypeAdapter
from support import ROOT

from eplb_evolve import config, reference
from eplb_evolve.evaluation.settings import RobustThresholds, Settings
from eplb_evolve.llm import compiler_facts
from eplb_evolve.llm.compiler_facts import Compiler, compilers
from eplb_evolve.llm.facts import Facts, Marks, marks_of, touched_share
from eplb_evolve.llm.machine_facts import machine_facts
from eplb_evolve.llm.shape_facts import shape_facts
from eplb_evolve.llm.task_words import task_words
from eplb_evolve.paths import cache_dir
from eplb_evolve.sandbox import Limits

EMPTY = (compiler_facts.PROGRAMS / "empty.py").read_text()


@pytest.fixture
def folder(tmp_path):
    """Programs that are quick to try: an honest one, one whose compiler is not there, and the empty one."""
    (tmp_path / "empty.py").write_text(EMPTY)
    (tmp_path / "gcc.py").write_text((compiler_facts.PROGRAMS / "gcc.py").read_text())
    (tmp_path / "gxx.py").write_text("import subprocess\nsubprocess.run(['no-such-compiler'])\n" + EMPTY)
    return tmp_path


def test_compilers_are_tried_in_the_sandbox_once(bench, folder, capfd):
    found = compilers(bench, Limits(), folder)
    assert [(each.name, each.seconds is not None) for each in found] == [("gcc", True), ("g++", False)]
    assert "no-such-compiler" in found[1].why
    assert "once on this machine" in capfd.readouterr().err
    assert compilers(bench, Limits(), folder) == found
    assert capfd.readouterr().err == ""
    (folder / "gxx.py").write_text(EMPTY)  # another program is another question
    assert compilers(bench, Limits(), folder)[1].seconds is not None


def test_a_broken_cache_is_measured_anew(bench, folder):
    (folder / "gcc.py").unlink()
    (folder / "gxx.py").write_text(EMPTY)
    found = compilers(bench, Limits(), folder)
    newest = max(cache_dir().glob("compilers-*.json"), key=lambda file: file.stat().st_mtime_ns)
    newest.write_text("[{]")
    assert [each.name for each in compilers(bench, Limits(), folder)] == [each.name for each in found]


def test_what_runs_out_of_time_is_tried_again_alone(bench, folder, capfd):
    """A busy machine must not say for ever that a compiler does not work."""
    (folder / "gcc.py").write_text(EMPTY)
    (folder / "gxx.py").write_text("while True: pass\n" + EMPTY)
    short = Limits(first_call_s=1.0)
    assert compilers(bench, short, folder)[1] == Compiler("g++", None, "slower than the 1 s allowed")
    capfd.readouterr()
    file = max(cache_dir().glob("compilers-*.json"), key=lambda file: file.stat().st_mtime_ns)
    kept = json.loads(file.read_text())
    assert [each["name"] for each in kept] == ["gcc"]
    file.write_text(json.dumps([kept[0] | {"seconds": 123.0}]))
    (gcc, gxx) = compilers(bench, short, folder)
    assert (gcc.seconds, gxx.seconds) == (123.0, None)
    assert "once on this machine" in capfd.readouterr().err


def test_another_limit_is_another_question(bench, folder, capfd):
    """A compiler that lacked memory may have it now."""
    (folder / "gxx.py").unlink()
    for limits in (Limits(memory_mb=4000), Limits(memory_mb=4001)):
        compilers(bench, limits, folder)
        assert "once on this machine" in capfd.readouterr().err


def test_facts_survive_as_json(task):
    adapter = TypeAdapter(Facts)
    assert adapter.validate_json(adapter.dump_json(facts(task))) == facts(task)


def test_each_shipped_program_compiles_something_and_is_a_candidate():
    programs = {file.stem: file.read_text() for file in compiler_facts.PROGRAMS.glob("*.py") if file.stem[0] != "_"}
    assert set(programs) == {*compiler_facts.NAMES, *compiler_facts.ON_GPU, "empty"}
    assert all("def rebalance_experts(weight, num_replicas" in text for text in programs.values())


def test_a_system_that_tells_nothing_is_no_error(tmp_path):
    told = machine_facts(proc=tmp_path, system=tmp_path)
    assert (told.simd, told.caches) == ((), ())
    assert told.versions["torch"]


@pytest.mark.parametrize(
    ("text", "simd", "model"),
    [
        (
            "cpu family\t: 25\nmodel\t\t: 17\nflags\t: fpu avx2 sse4_2 mmx\n",
            ("avx2", "sse4_2"),
            "cpu family 25, model 17",
        ),
        ("CPU part\t: 0xd40\nFeatures\t: fp asimd sve\n", ("asimd", "sve"), "cpu part 0xd40"),
    ],
)
def test_processors_of_several_kinds(tmp_path, text, simd, model):
    (tmp_path / "cpuinfo").write_text(text)
    level = tmp_path / "devices/system/cpu/cpu0/cache/index2"
    level.mkdir(parents=True)
    for name, value in (("level", "2"), ("type", "Unified"), ("size", "1024K")):
        (level / name).write_text(value + "\n")
    told = machine_facts(proc=tmp_path, system=tmp_path)
    assert (told.simd, told.model, told.caches) == (simd, model, ("L2 1024K",))


def test_of_the_load_only_the_search_windows_are_told(task):
    workload = task.workload
    holdout = {window for pair in workload.pairs("holdout") for window in pair}
    windows = np.array(workload.windows)
    windows[sorted(holdout)] = 7.0
    poisoned = dataclasses.replace(workload, windows=windows)
    assert shape_facts(poisoned) == shape_facts(workload)


def test_the_figures_of_a_load(task):
    told, workload = shape_facts(task.workload), task.workload
    counts = [
        reference.plan(np.array(workload.windows[window]), *workload.topology.as_arguments())[2].max(axis=1)
        for window, _ in workload.pairs("search")
    ]
    assert told.most_replicas == np.max(counts)
    assert told.rows * told.row_experts == told.layers * told.experts
    assert 1 / told.row_experts <= told.share_median <= told.share_largest <= 1


def facts(task, **changes):
    shapes = tuple(map(shape_facts, task.workloads))
    gcc = (Compiler("gcc", 0.21), Compiler("numba", None, "no module named numba"))
    return Facts(machine_facts(), gcc, shapes, (), Marks(4.2, 0.067, 0.05, 0.012), **changes)


def test_the_words_are_the_same_each_time_and_short(task):
    words = task_words(facts(task), task.settings, 38_000)
    assert words == task_words(facts(task), task.settings, 38_000)
    assert len(words.encode()) < 6000
    assert max(map(len, words.splitlines())) <= 120
    failing = "numba does not work (no module named numba)"
    for told in ("ratio 0.067", failing, "gcc 0.2 s", "38000 bytes", "4.2 ms here"):
        assert told in " ".join(words.split())


@pytest.mark.parametrize(
    ("objective", "says"),
    [("time", "1 + log2(1 + 100 / ratio)"), ("balance", "2 + 100 x (b - 1)"), ("net_throughput", "100 + the net")],
)
def test_each_objective_has_its_own_score(task, objective, says):
    words = task_words(facts(task), Settings(objective=objective), 38_000)
    assert says in words
    assert ("Marks, no limits" in words) == (objective == "time")
    assert ("in another process" in words) == (objective == "time")  # balance does not vary with the process


def test_what_is_not_asked_is_not_told(task):
    least = dataclasses.replace(task.settings.thresholds, worst_layer=0.0, robust=RobustThresholds(0.0, 0.0, 0.0))
    words = task_words(facts(task), Settings(thresholds=least), 38_000)
    assert "worst layer" not in words
    assert "log-normal" not in words


@pytest.mark.parametrize(("groups", "nodes", "asked"), [(4, 2, True), (4, 1, True), (3, 2, False), (1, 1, False)])
def test_a_load_without_groups_is_asked_only_of_one_with_groups(task, groups, nodes, asked):
    told = facts(task)
    shapes = tuple(dataclasses.replace(shape, groups=groups, nodes=nodes) for shape in told.shapes)
    words = task_words(dataclasses.replace(told, shapes=shapes), task.settings, 38_000)
    where = "the same is asked on this load without groups; " if asked else ""
    assert f"Untimed, {where}small random shapes" in " ".join(words.split())


def test_several_workloads_are_never_given_up_early(task):
    told = facts(task)
    assert "given up" in task_words(told, task.settings, 38_000)
    words = task_words(dataclasses.replace(told, shapes=told.shapes * 2), task.settings, 38_000)
    assert "given up" not in words
    assert "geometric mean over the workloads" in words


def test_on_a_gpu_the_copies_count(task):
    words = task_words(facts(task), Settings(device="cuda"), 38_000)
    assert "a tensor on the GPU" in words
    assert "the copy of results" in words
    assert "On the clock as well" not in task_words(facts(task), task.settings, 38_000)


@pytest.mark.parametrize("file", ["evolve_config.yaml", "configs/general.yaml", "configs/net_throughput.yaml"])
def test_the_shipped_tasks_fit_into_the_budget(file):
    from eplb_evolve.paths import project

    task = config.read_eplb(ROOT / file).task(project().workloads)
    words = task_words(facts(task), task.settings, 38_000)
    assert len(words.encode()) < 6300
    assert all(shape.name in words for shape in map(shape_facts, task.workloads))


def test_marks_are_shares_of_the_reference_s_time(task, bench):
    from evaluations import evaluated

    marks = marks_of(evaluated(2.0, time_ms=8.0, floor_ratio=0.08, ready_ms=0.2), touched=0.5)
    assert (marks.reference_ms, marks.filled) == (4.0, 0.08)
    assert (marks.touched, marks.ready) == (pytest.approx(0.04), pytest.approx(0.05))
    assert marks_of(evaluated()) == Marks()
    assert touched_share(task, bench) >= 0.0

"""The built package, installed without a checkout: every command finds its data, and candidates do not."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from support import ROOT, free_port

from eplb_evolve.runs.ledger import Ledger

MOST_BYTES = 20 << 20
SITE = Path(shutil.__file__).parent.name  # python3.11
TIMEOUT_S = 240
STOCK = "#!{python}\nimport sys\nfrom openevolve.cli import main\nsys.exit(main())\n"
"""What pip writes as openevolve-run."""

READER = """
import pathlib, sys
found = list(pathlib.Path(sys.prefix).glob("lib*/python*/site-packages/eplb_evolve/**/*"))
read = []
for file in found:
    try:
        read.append((file.name, len(file.read_bytes())))
    except OSError:
        pass
import scipy.optimize  # what lies beside our package stays readable
raise ValueError(f"saw {len(found) > 100}, read {read}")
"""


def run(command, folder, code=0, **environment):
    """What a command prints; its exit code is checked."""
    kept = {name: os.environ[name] for name in ("PATH", "XDG_CACHE_HOME") if name in os.environ}
    done = subprocess.run(
        [str(each) for each in command],
        cwd=folder,
        env=kept | {"COLUMNS": "80"} | environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder with sdist and wheel, the wheel built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT], ROOT)
    return folder


@pytest.fixture(scope="module")
def place(dist, tmp_path_factory):
    """A venv with the wheel: the dependencies are those of this Python, our package is not."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", venv], ROOT)
    packages = venv / "lib" / SITE / "site-packages"
    (packages / "dependencies.pth").write_text(str(Path(pytest.__file__).parents[1]))
    (wheel,) = dist.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", venv / "bin" / "python", "--disable-pip-version-check"]
    run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], ROOT)
    stock = venv / "bin" / "openevolve-run"
    stock.write_text(STOCK.format(python=venv / "bin" / "python"))
    stock.chmod(0o755)
    return venv


@pytest.fixture
def eplb(place, tmp_path):
    """Run the installed `eplb` in an empty folder."""

    def call(*arguments, code=0, folder=tmp_path, **environment):
        return run([place / "bin" / "eplb", *arguments], folder, code, **environment)

    return call


pytestmark = pytest.mark.xdist_group("package")


def test_these_tests_run_in_one_process(request):
    """Otherwise each process builds the package; pytest-xdist 3.8 forgets its groups under pytest 9.2."""
    assert not hasattr(request.config, "workerinput") or request.node.nodeid.endswith("@package")


def test_both_are_small_and_the_wheel_holds_what_is_shipped(dist):
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    assert max(wheel.stat().st_size, sdist.stat().st_size) <= MOST_BYTES
    inside = set(zipfile.ZipFile(wheel).namelist())
    shipped = [ROOT / name for name in ("evolve_config.yaml", "initial_program.py", "evaluator.py")]
    for pattern in ("seeds/*.py", "workloads/*.npz", "workloads/*.toml", "prompts/*", "configs/*"):
        shipped += ROOT.glob(pattern)
    assert {f"eplb_evolve/shipped/{file.relative_to(ROOT)}" for file in shipped} <= inside
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert any(name.endswith("tests/test_package.py") for name in names)
    assert not any("/results/runs" in name or "/.venv" in name for name in names)


def test_the_commands_work_in_an_empty_folder(eplb, place, tmp_path):
    shutil.copy(ROOT / "seeds" / "vllm_batched.py", tmp_path / "mine.py")
    shutil.copy(ROOT / "seeds" / "sglang_vec.py", tmp_path / "other.py")
    (found,) = json.loads(eplb("evaluate", "mine.py", "--workload", "gptoss20b-phased", "--json").stdout)
    assert found["feasible"]
    assert found["speedup_over_seed"] > 0
    assert "dsv3-composite" in eplb("workloads", "list").stdout
    (both,) = json.loads(eplb("compare", "mine.py", "other.py", "--workload", "gptoss20b-phased", "--json").stdout)
    assert both["first"]["feasible"]
    table = eplb("serve-model", "mine.py", "--workload", "gptoss20b-phased").stdout
    assert "mine" in table
    board = eplb("leaderboard", "--workload", "gptoss20b-phased").stdout
    assert "deepseek" in board
    assert "greedy-numpy-1" in board
    module = run([place / "bin" / "python", "-m", "eplb_evolve", "--version"], tmp_path)
    assert module.stdout.startswith("eplb-evolve ")
    assert {file.name for file in tmp_path.iterdir()} == {"mine.py", "other.py"}


def test_a_search_runs_in_a_folder_that_init_wrote(eplb, place, tmp_path):
    folder = tmp_path / "search"
    said = eplb("init", folder).stderr
    assert "openevolve-run initial_program.py evaluator.py --config evolve_config.yaml" in said
    assert {file.name for file in folder.iterdir()} >= {
        "evolve_config.yaml",
        "initial_program.py",
        "evaluator.py",
        "prompts",
    }
    document = yaml.safe_load((folder / "evolve_config.yaml").read_text())
    document["llm"] |= {"api_base": f"http://127.0.0.1:{free_port()}/v1", "models": [{"name": "random-edits"}]}
    document["eplb"] |= {"workload": "gptoss20b-phased", "checks": []}
    document["eplb"]["timing"] |= {"pairs_fast": 3, "pairs_slow": 3}
    (folder / "evolve_config.yaml").write_text(yaml.safe_dump(document))
    stock = ["initial_program.py", "evaluator.py", "--config", "evolve_config.yaml", "--iterations", "2"]
    run([place / "bin" / "openevolve-run", *stock], folder)
    entries = Ledger(folder / "openevolve_output").entries()
    assert len(entries) == 3
    assert entries[0].evaluation.feasible
    assert "project       " + str(folder) in eplb("doctor", folder=folder).stdout


def test_a_workload_of_the_project_stands_beside_the_shipped_ones(eplb, tmp_path):
    eplb("init")
    (tmp_path / "workloads").mkdir()
    for suffix in ("toml", "npz"):
        text = (ROOT / "workloads" / f"gptoss20b-mixed.{suffix}").read_bytes()
        (tmp_path / "workloads" / f"mine.{suffix}").write_bytes(text.replace(b'"gptoss20b-mixed"', b'"mine"'))
    listed = eplb("workloads", "list").stdout
    assert "mine" in listed
    assert "dsv3-composite" in listed


def test_init_writes_over_nothing(eplb, tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    eplb("init")  # hidden files and virtual environments do not make a folder a used one
    (tmp_path / "evaluator.py").write_text("mine")
    said = eplb("init", code=2).stderr
    assert "is not empty" in said
    assert "eplb init DIR" in said
    assert len(said.splitlines()) == 1
    assert (tmp_path / "evaluator.py").read_text() == "mine"
    assert "is a file" in eplb("init", tmp_path / "evaluator.py", code=2).stderr


def test_a_checkout_in_the_working_directory_wins_and_doctor_says_so(eplb, place, tmp_path):
    told = eplb("doctor", folder=ROOT).stdout
    assert f"the checkout {ROOT}; its own code is not in use" in told
    assert f"workloads     {ROOT / 'workloads'}\n" in told
    assert str(place / "lib" / SITE / "site-packages" / "eplb_evolve") in told
    elsewhere = eplb("doctor").stdout
    assert f"none in {tmp_path} or above" in elsewhere
    assert "site-packages/eplb_evolve/shipped/workloads" in elsewhere


def test_a_candidate_cannot_read_the_installed_package(eplb, tmp_path):
    """There the recorded windows lie, those of the holdout split too."""
    (tmp_path / "reader.py").write_text(READER)
    (found,) = json.loads(eplb("evaluate", "reader.py", "--workload", "gptoss20b-phased", "--json", code=1).stdout)
    assert "saw True, read []" in found["reason"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount an installation read-only")
def test_a_read_only_installation_works_and_a_read_only_folder_is_named(place, tmp_path):
    shutil.copy(ROOT / "seeds" / "vllm_batched.py", tmp_path / "mine.py")
    mount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && cd "$PWD" && exec "$@"'
    locked = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    evaluate = [place / "bin" / "eplb", "evaluate", "mine.py", "--workload", "gptoss20b-phased"]
    assert "feasible" in run([*locked, place, *evaluate], tmp_path).stdout
    said = run([*locked, tmp_path, place / "bin" / "eplb", "init", "new"], tmp_path, 3).stderr
    assert f"cannot write to {tmp_path / 'new'}: Read-only file system" in said
    assert len(said.splitlines()) == 1


def test_a_wheel_without_its_data_is_one_sentence(eplb, place):
    data = place / "lib" / SITE / "site-packages" / "eplb_evolve" / "shipped"
    moved = data.rename(data.with_name("gone"))
    try:
        for command in (["workloads", "list"], ["evaluate", "mine.py"], ["init"], ["doctor"]):
            said = eplb(*command, code=2 if command[0] == "evaluate" else 3).stderr
            assert len(said.splitlines()) == 1
        assert "lacks its data" in said
        assert "--force-reinstall" in said
    finally:
        moved.rename(data)


def test_a_list_of_commands_imports_nothing_heavy():
    code = "import sys; sys.argv = ['eplb', '--help']\nfrom eplb_evolve.cli.main import main\n"
    code += "try:\n    main()\nexcept SystemExit:\n    pass\n"
    code += "print(sorted({'numpy', 'torch', 'pydantic', 'scipy'} & set(sys.modules)))"
    said = run([sys.executable, "-c", code], ROOT).stdout
    assert said.rstrip().endswith("[]")
    assert "serve-model" in said

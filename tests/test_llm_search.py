"""A real search with a scripted endpoint: from two programs to prompts, lost replies, lineage and replay."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from gateway.scripted_upstream import answer, upstream
from searches import write_config
from support import ROOT, SEED, free_port

from eplb_evolve.cli import live
from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.llm import compiler_facts
from eplb_evolve.paths import cache_dir
from eplb_evolve.runs.family import read_family
from eplb_evolve.runs.ledger import Ledger
from eplb_evolve.runs.lineage import steps_to
from eplb_evolve.runs.origin import Origins
from eplb_evolve.runs.progress import Follower
from eplb_evolve.runs.replay import derive, read_rules, recorded
from eplb_evolve.sandbox import Limits

EPLB = Path(sys.executable).with_name("eplb")
SECOND = SEED.read_text() + "# as slow as the seed\n"
BATCHED = (ROOT / "seeds" / "vllm_batched.py").read_text()
WORSE = "Loads are rounded first.\n<<<<<<< SEARCH\n{}\n=======\n{}  # again\n>>>>>>> REPLACE"


@pytest.fixture
def compilers_known(bench):
    """As if they had been tried on this machine: that takes a minute."""
    key = compiler_facts._key(bench, Limits(call_s=1.0, first_call_s=30.0), compiler_facts.PROGRAMS)
    cache_dir().mkdir(parents=True, exist_ok=True)
    known = [{"name": name, "seconds": 0.2, "why": ""} for name in compiler_facts.NAMES.values()]
    (cache_dir() / f"compilers-{key}.json").write_text(json.dumps(known))


def configured(folder, endpoint, **settings):
    llm = {"models": [{"name": "m", "weight": 1.0}], "timeout": 60, "retries": 0}
    models = {"m": {"api_base": endpoint.api_base, "api_key_env": None}}
    gateway = {"retry_seconds": 5, "request_timeout_s": 20, "models": models}
    prompt = {"num_top_programs": 1, "num_diverse_programs": 0, "include_artifacts": False, "template_dir": None}
    file = write_config(folder, free_port(), llm=llm, prompt=prompt, **settings)
    document = yaml.safe_load(file.read_text())
    document["eplb"] |= {"gateway": gateway, "prompt": {"rebase": 1.0}}
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.fixture
def searched(tmp_path, compilers_known):
    """Four proposals: a program, two essays (so one lost proposal), a change of the best, the same change again."""
    line = next(line for line in BATCHED.splitlines() if line.startswith("    return "))
    again = WORSE.format(line, line)
    whole = f"All layers are packed at once. It is faster.\n```python\n{BATCHED}```"
    steps = [whole, "Diversity matters.", "Diversity matters a lot.", again, again, again, again]
    run, second = tmp_path / "run", tmp_path / "second.py"
    second.write_text(SECOND)
    with upstream(*map(answer, steps)) as endpoint:
        config = configured(tmp_path, endpoint)
        arguments = [EPLB, "run", SEED, second, "--config", config, "--output", run, "--iterations", "4"]
        done = subprocess.run([*arguments, "--no-leaderboard"], check=False, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr[-3000:]
        bodies = list(endpoint.bodies)
    return run, done.stderr, bodies


def test_a_search_with_a_model(searched):
    run, said, bodies = searched
    assert "eplb: 2 islands instead of" not in said  # the configuration has two
    assert f"--config {run / 'config.yaml'}" in said
    exchanges = [json.loads(line) for line in (run / "exchanges.jsonl").read_text().splitlines()]
    first, lost, third, fourth = exchanges
    seeds = {sha256(SEED.read_text()), sha256(SECOND)}
    assert first["parent"] in seeds
    assert (lost["child"], lost["idea"]) == (None, "Diversity matters a lot.")
    assert third["base"] == first["child"]  # whatever OpenEvolve drew: the seeds are far behind
    assert fourth["base"] in (first["child"], third["child"])  # what was measured already, or a gain by chance

    task = (run / "task.md").read_text()
    assert {body["messages"][0]["content"] for body in bodies} == {task}
    assert "gcc 0.2 s" in " ".join(task.split())
    prompts = [body["messages"][1]["content"] for body in bodies]
    assert "| seed | - | what the run started from |" in prompts[0]
    assert "| seed 2 | - | what the run started from |" in prompts[0]
    assert "ms of processor time and" in prompts[0]
    assert "lost: The reply holds no program" in prompts[3]
    assert "| 1 | seed" in prompts[3]

    entries = Ledger(run).entries()
    assert [entry.evaluation.sha256 in seeds for entry in entries][:4] == [True, True, False, False]
    steps, whole = steps_to(third["child"], "", read_family(run), entries)
    assert whole
    assert [(step.how, step.idea) for step in steps] == [
        ("seed", ""),
        ("m", "All layers are packed at once."),
        ("m", "Loads are rounded first."),
    ]
    origins = Origins(run, entries, {})
    assert [origin.name for entry in entries if (origin := origins.of(entry.evaluation))] == [SEED.stem, "second"]
    trace, rules = recorded(run), read_rules(run / "config.yaml")
    made = [each["child"] for each in exchanges if each["child"]]
    assert [sha256(derive(each, rules)) for each in trace.mutations] == made
    progress = Follower(run).look()
    assert (progress.expected, progress.models[0].lost) == (6, 4 - len(made))
    assert progress.models[0].leaders >= 1
    assert any(name == "m" and f"4 proposals, {4 - len(made)} lost" in told for name, told in live._named(progress))


def test_a_search_ends_at_the_floor_where_that_is_asked_for(tmp_path, monkeypatch):
    from evaluations import evaluated
    from ledgers import append

    from eplb_evolve import config, search
    from eplb_evolve.runs.ledger import Entry

    ended = []
    monkeypatch.setattr(search.Search, "end", lambda _, *told: ended.append(told))
    for stop in (False, True):
        file = write_config(tmp_path, free_port(), eplb={"stop_at_floor": stop})
        found = search.Search(config.read(file), ROOT, tmp_path / "run")
        found._end_at_floor()
        assert not ended
        append(tmp_path / "run", Entry(evaluated(0.1, floor_ratio=0.05), "2026-01-01T00:00:00+00:00"))
        found._end_at_floor()
        assert not ended
        append(tmp_path / "run", Entry(evaluated(0.07, floor_ratio=0.068), "2026-01-01T00:00:01+00:00"))
        found._end_at_floor()
        assert [code for _, code in ended] == [0] * stop
        (tmp_path / "run" / "ledger.jsonl").unlink()
    assert "net throughput" in ended[0][0]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"eplb": {"prompt": {"budget": 500}}}, "prompt: budget is 500 bytes, 6000 is the least"),
        ({"eplb": {"prompt": {"limit": 12000}}}, "prompt: limit is 12000 bytes, but budget (10000) and a program"),
        ({"eplb": {"prompt": {"rebase": 2}}}, "prompt: rebase is a share, 0..1, not 2.0"),
        ({"eplb": {"prompt": {"bugdet": 1}}}, "unknown key 'eplb.prompt.bugdet' (did you mean 'budget'?)"),
        ({"diff_pattern": "<<<<<<< SEARCH\\n(.*?)=======\\n(.*?)>>>>>>> REPLACE$"}, "diff_pattern does not go with"),
    ],
)
def test_a_wrong_prompt_section_is_one_sentence(tmp_path, settings, sentence):
    from eplb_evolve import config
    from eplb_evolve.errors import UsageError

    with upstream(answer("x")) as endpoint:
        file = configured(tmp_path, endpoint)
    document = yaml.safe_load(file.read_text())
    for section, values in settings.items():
        document[section] = document[section] | values if isinstance(values, dict) else values
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(UsageError) as refused:
        config.read(file)
    assert sentence in str(refused.value)


def test_a_program_that_no_prompt_has_room_for_is_not_started_from(tmp_path):
    from eplb_evolve import config
    from eplb_evolve.errors import UsageError

    program = tmp_path / "long.py"
    program.write_text(SEED.read_text() + "# long\n" * 6000)
    with upstream(answer("x")) as endpoint:
        read = config.read(configured(tmp_path, endpoint))
    with pytest.raises(UsageError, match=r"eplb.prompt.limit \(48000\) less budget \(10000\) leaves 38000"):
        read.check_start(program)

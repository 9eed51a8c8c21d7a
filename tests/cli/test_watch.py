"""`eplb watch`: what it shows of made-up runs and of a real one, on a terminal and elsewhere."""

import io
import json
import re
import sys
from pathlib import Path

import pytest
from ledgers import START, append, entry, finished, started
from rich.console import Console
from terminal import Terminal

from eplb_evolve.cli import live
from eplb_evolve.runs.progress import Follower

EPLB = Path(sys.executable).with_name("eplb")


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def ended(run):
    started(run, 0, iterations=3)
    made = ("restart", "jit_outline", "common_subexpression", "jit_run", "scale_parameter")
    append(run, entry(60, 50.0, ()), entry(120, 2.5, made), entry(180), entry(240, 4.0))
    (run / "usage.json").write_text(json.dumps({"models": {"m": {"cost_usd": 1.234}}}))
    return run


def shown(run, seconds, width=80, height=40, **settings):
    out = io.StringIO()
    console = Console(file=out, width=width, **settings)
    console.print(live.display(Follower(run).look(START + seconds), run.name, height))
    return out.getvalue()


def test_the_display_has_every_figure(ended):
    started(ended, 200, iterations=9)
    text = shown(ended, 270)
    assert "w, for speed; models m" in text
    assert "4 of 13, 31%" in text
    assert "20.0 x the seed's speed, 2.5 ms, 2.5 x reference; number 2" in text
    assert "restart+jit_outline+common_subexpression+jit_run" in text
    assert "75%, 1 invalid" in text
    assert "1.5 evaluations a minute" in text
    assert "1 min, about 6 min left" in text
    assert "1.23 USD" in text
    assert "3  invalid: call: it raised ValueError" in text


@pytest.mark.parametrize(
    ("objective", "best"),
    [
        ("time", "20.0 x the seed's speed, 2.5 ms, 2.5 x reference; number 1, T0 jit_run"),
        ("balance", "1.0012 x the reference's balancedness on the next window, 2.5 ms; number 1, T0 jit_run"),
        ("net_throughput", "+1.23 % of throughput gained on the reference, 2.5 ms; number 1, T0 jit_run"),
    ],
)
def test_the_figure_of_the_objective_counts(run, objective, best):
    started(run, 0, iterations=3, objective=objective)
    append(run, entry(60, 2.5, balancedness_ratio=1.0012, net_gain=0.0123))
    assert best in " ".join(shown(run, 61).split())


@pytest.mark.parametrize("width", [80, 40])
@pytest.mark.parametrize("state", ["running", "ended", "nothing yet", "nothing feasible", "standing still"])
def test_it_fits_and_shows_its_words_whole(ended, run, width, state):
    if state == "nothing yet":
        (run / "ledger.jsonl").unlink()
    elif state == "nothing feasible":
        (run / "ledger.jsonl").unlink()
        append(run, entry(30))
    elif state != "ended":
        started(run, 200, iterations=9)
    text = shown(run, 9999 if state == "standing still" else 260, width)
    assert max(map(len, text.splitlines())) <= width
    for label in ("best so far", "feasible", "pace", "time", "cost"):
        assert re.search(f"^{label} ", text, re.MULTILINE)
    for word in {"ended": ["has ended"], "standing still": ["No evaluation for", "killed"]}.get(state, []):
        assert word in " ".join(text.split())


def test_a_low_terminal_leaves_out_the_last_evaluations(ended):
    assert "ValueError" in shown(ended, 250, height=24)
    assert "ValueError" not in shown(ended, 250, height=10)
    assert "1.23 USD" in shown(ended, 250, height=10)


def test_without_colour_the_bar_still_tells(ended):
    started(ended, 200, iterations=9)
    text = shown(ended, 250, force_terminal=True, no_color=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", text)
    bar = text.splitlines()[2].split("4 of 13")[0]
    assert 0 < bar.count("━") < bar.count(" ")


def test_a_hostile_reason_cannot_move_the_cursor(run):
    started(run, 0, iterations=3)
    append(run, entry(60, reason="call: \x1b[2J\x1b]0;mine\x07 \u202e[red]x[/red]", operators=("\x1b[1m",)))
    text = shown(run, 61)
    assert "[red]x[/red]" in text
    assert not set(text) & {"\x1b", "\x07", "\u202e"}


@pytest.mark.parametrize(
    ("seconds", "words"), [(4, "4 s"), (59.7, "1 min"), (600, "10 min"), (3590, "1 h 00 min"), (11100, "3 h 05 min")]
)
def test_durations(seconds, words):
    assert live.duration(seconds) == words


def test_elsewhere_it_prints_a_line_per_evaluation_and_ends_with_the_run(eplb, ended):
    code, out, err = eplb("watch", ended)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert [line.split()[1] for line in lines[:4]] == ["1", "2", "3", "4"]
    assert lines[1].endswith("<- best so far")
    assert lines[4:] == [
        "The search has ended.",
        "4 of 4 evaluations in 4 min: 3 feasible, 0 infeasible, 1 invalid; best: 20.0 x the seed's speed, 2.5 ms, "
        "2.5 x reference; number 2, T0 restart+jit_outline+common_subexpression+jit_run+scale_parameter.",
    ]
    assert not any(letter < " " for letter in out.replace("\n", ""))


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}, {"TERM": "dumb"}])
def test_one_look_elsewhere_has_no_control_characters(eplb, ended, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, out, _ = eplb("watch", ended, "--once")
    assert code == 0
    assert "4 of 4, 100%" in out
    assert not any(letter < " " for letter in out.replace("\n", ""))


def test_json_is_one_object_a_look(eplb, ended):
    code, out, err = eplb("watch", ended, "--json", "--once")
    (told,) = map(json.loads, out.splitlines())
    assert (code, err) == (0, "")
    assert {name: told[name] for name in ("state", "done", "expected", "feasible", "invalid", "figure")} == {
        "state": "ended",
        "done": 4,
        "expected": 4,
        "feasible": 3,
        "invalid": 1,
        "figure": "speedup_over_seed",
    }
    assert (told["cost_usd"], told["feasible_share"], told["elapsed_s"], told["left_s"]) == (1.234, 0.75, 240, None)
    assert (told["best"]["number"], told["best"]["time_ms"], told["best"]["operators"][0]) == (2, 2.5, "restart")
    assert [each["number"] for each in told["recent"]] == [1, 2, 3, 4]


def test_a_folder_without_a_ledger_is_waited_for(eplb, run):
    run.mkdir()
    code, out, _ = eplb("watch", run, "--once")
    assert code == 0
    assert "Waiting for the first evaluation: there is no ledger yet." in out


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_what_is_no_folder_is_refused(eplb, tmp_path, name):
    (tmp_path / "file").touch()
    code, out, err = eplb("watch", tmp_path / name)
    assert (code, out) == (2, "")
    assert err == f"eplb: {tmp_path / name} is no folder; give a run's folder, such as results/runs/STAMP\n"


@pytest.mark.parametrize(("columns", "environment"), [(80, {}), (40, {"NO_COLOR": "1"})])
def test_a_terminal_is_drawn_again_until_ctrl_c(run, columns, environment):
    """The same run, seen while it grows, at both widths; the search's files stay as they are."""
    started(run, 0, iterations=9)
    append(run, entry(60, 50.0, ()))
    terminal = Terminal([str(EPLB), "watch", str(run), "--interval", "0.1"], columns, environment=environment)
    assert terminal.read_until(lambda screen: "1 of 10" in screen)
    append(run, entry(120, 5.0))
    before = {file: file.read_bytes() for file in run.iterdir()}
    assert terminal.read_until(lambda screen: "2 of 10" in screen)
    assert "1 of 10" not in terminal.screen()
    terminal.press_ctrl_c()
    assert terminal.wait() == 130
    assert "Traceback" not in terminal.raw
    assert "\x1b[?25h" in terminal.raw, "the cursor is back"
    assert max(map(len, terminal.screen().splitlines())) <= columns
    assert bool(re.search(r"\x1b\[[0-9;]*36m", terminal.raw)) == (not environment)
    assert {file: file.read_bytes() for file in run.iterdir()} == before


def test_it_ends_on_a_terminal_when_openevolve_says_that_the_run_did(run):
    started(run, 0, iterations=9)
    append(run, entry(60, 50.0, ()))
    terminal = Terminal([str(EPLB), "watch", str(run), "--interval", "0.1"])
    assert terminal.read_until(lambda screen: "1 of 10" in screen)
    finished(run, 70)
    assert terminal.wait() == 0
    assert "The search has ended." in terminal.screen()

"""How a run came to a program, from its trace or its header."""

import json

import pytest
from evaluations import evaluated

from eplb_evolve.board.find_program import find
from eplb_evolve.errors import UsageError
from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.runs.family import read_family
from eplb_evolve.runs.ledger import Entry, Ledger
from eplb_evolve.runs.lineage import from_header, steps_to, summary
from eplb_evolve.runs.trace import read_trace

SEED, FIRST, SECOND = "x = 1\n", "# proposed-by: embedded tier=T0 operators=jit+hoist\nx = 2\n", "x = 3\n"


def mutation(parent, child, model="embedded"):
    return line(parent, child) | {"metadata": {"token_usage": {"model": model}}}


@pytest.fixture
def chain_to(tmp_path):
    """Steps to a program by a trace of these lines."""

    def steps(program, lines, entries):
        (tmp_path / "evolution_trace.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in lines))
        found, whole = steps_to(sha256(program), program, read_family(tmp_path), entries)
        return found if whole else ()

    return steps


def entry(source, ratio, time_ms=1.0):
    figures = {"time_ms": time_ms} if ratio is not None else {}
    digits = sha256(source)
    about = {"program": f"programs/{digits[:12]}.py", "sha256": digits}
    return Entry(evaluated(ratio, **about, **figures), "2026-01-01T00:00:00+00:00")


def line(parent, child):
    return {"iteration": 1, "parent_code": parent, "child_code": child, "child_metrics": {}}


def test_steps_lead_from_the_seed_and_name_what_changed(chain_to):
    chain = chain_to(SECOND, [mutation(SEED, FIRST), mutation(FIRST, SECOND, "some-llm")], [])
    assert [(step.tier, step.how) for step in chain] == [("", "seed"), ("T0", "jit+hoist"), ("", "some-llm")]


def test_a_child_of_an_unnamed_model_is_an_llms(chain_to):
    assert chain_to(SECOND, [mutation(SEED, SECOND, "")], [])[1].how == "LLM"


def test_a_header_that_an_llm_left_standing_is_not_believed(chain_to):
    assert chain_to(FIRST, [mutation(SEED, FIRST, "some-llm")], [])[1].how == "some-llm"


def test_the_first_appearance_counts_and_cycles_end(chain_to):
    again = [mutation(SEED, FIRST), mutation(FIRST, SEED), mutation(FIRST, SECOND), mutation(SECOND, FIRST)]
    assert [step.source for step in chain_to(SECOND, again, [])] == [SEED, FIRST, SECOND]
    assert [step.source for step in chain_to(SEED, again, [])] == [SEED]


def test_the_embedded_proposers_word_on_its_origin_counts(chain_to):
    child = f"# proposed-by: embedded tier=T0 operators=restart from={sha256(SEED)[:12]}\nx = 4\n"
    chain = chain_to(child, [mutation(SEED, FIRST), mutation(FIRST, child)], [])
    assert [step.source for step in chain] == [SEED, child]


def test_the_sentence_names_the_largest_step(chain_to):
    entries = [entry(SEED, 8.0, 80.0), entry(FIRST, 4.0, 40.0), entry(SECOND, 1.0, 10.0)]
    chain = chain_to(SECOND, [mutation(SEED, FIRST), mutation(FIRST, SECOND, "m")], entries)
    assert summary(chain) == "from 80 ms to 10 ms in 2 steps; the largest: m (4.0x)"


def test_an_untimed_step_has_no_gain_and_its_verdict(chain_to):
    chain = chain_to(FIRST, [mutation(SEED, FIRST)], [entry(SEED, 2.0), entry(FIRST, None)])
    assert (chain[1].gain, chain[1].verdict) == (None, "invalid")
    assert summary(chain) == "in 1 step"


def test_a_program_that_the_trace_lacks_has_no_chain(chain_to):
    assert chain_to("y", [mutation(SEED, FIRST)], []) == ()


def test_without_a_run_the_header_tells_the_chain():
    chain = from_header("# proposed-by: embedded tier=T1 operators=b\n# steps: a > b\n", None)
    assert [step.how for step in chain] == ["seed", "a", "b"]
    assert summary(from_header("x = 1\n", None)) == "how many steps led here is not known"


def test_a_torn_line_is_skipped_and_counted(tmp_path):
    whole = json.dumps(line(SEED, FIRST))
    (tmp_path / "evolution_trace.jsonl").write_text(whole + "\n" + whole[:30])
    trace = read_trace(tmp_path)
    assert (len(trace.mutations), trace.torn) == (1, 1)


@pytest.mark.parametrize("known", [True, False])
def test_a_line_whose_parent_has_left_the_archive(tmp_path, known):
    """OpenEvolve leaves the parent's text out; an earlier line shows it under its id, unless it was a copy."""
    first = line(SEED, FIRST) | {"parent_id": "s", "child_id": "f"}
    second = line(FIRST, SECOND) | {"parent_id": "f" if known else "copy", "child_id": "g"}
    del second["parent_code"]
    (tmp_path / "evolution_trace.jsonl").write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    read = read_trace(tmp_path).mutations
    assert read[1].parent_code == (FIRST if known else None)
    expected = [SEED, FIRST, SECOND] if known else [SECOND]
    steps, _ = steps_to(sha256(SECOND), SECOND, read_family(tmp_path), [])
    assert [step.source for step in steps] == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [('{"iteration": 1}', "include_code: true"), ("[1]", "not a line"), ('{"child_code": ""}', "no 'iteration'")],
)
def test_a_trace_that_cannot_serve_says_why(tmp_path, text, sentence):
    (tmp_path / "trace.jsonl").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        read_trace(tmp_path / "trace.jsonl")


def run_of(results, name, *sources):
    ledger = Ledger(results / "runs" / name)
    for source in sources:
        ledger.keep_program(source.encode(), sha256(source))
        ledger.append(entry(source, 1.0))
    return ledger.run


def test_a_program_is_found_beside_its_file_or_in_the_newest_run_that_knows_it(tmp_path):
    older, newer = run_of(tmp_path, "1", SEED, FIRST), run_of(tmp_path, "2", SEED)
    digits = sha256(SEED)
    assert find(digits[:10], None, tmp_path).run == newer
    assert find(digits[:10], older, tmp_path).run == older
    assert find(str(older / "programs" / f"{digits[:12]}.py"), None, tmp_path).run == older
    assert find(sha256(FIRST)[:10], None, tmp_path).source == FIRST


def test_a_file_that_no_run_knows_speaks_for_itself(tmp_path):
    (tmp_path / "mine.py").write_text(FIRST)
    found = find(str(tmp_path / "mine.py"), None, tmp_path)
    assert (found.run, found.source) == (None, FIRST)


@pytest.mark.parametrize(
    ("program", "sentence"), [("no file", "neither a file"), ("0000000000", "begins with 0000000000")]
)
def test_what_cannot_be_found_is_one_sentence(tmp_path, program, sentence):
    with pytest.raises(UsageError, match=sentence):
        find(program, None, tmp_path)

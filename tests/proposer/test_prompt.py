"""OpenEvolve's own prompts are read, and OpenEvolve applies what is answered."""

import pytest
from openevolve.config import PromptConfig
from openevolve.prompt.sampler import PromptSampler
from openevolve.utils.code_utils import apply_diff_blocks, extract_diffs, parse_full_rewrite
from proposer.programs import ALL
from support import SEED

from eplb_evolve.proposer.engine import propose
from eplb_evolve.proposer.prompt import UnknownPrompt, read_prompt, write_answer

FENCED = (
    'TEXT = """\n# Current Program\n```python\nx = 1\n```\n\n# Task\n### Program 1 (Score: 9.0)\n"""\n' + ALL["grid"]
)


def ask(current, others=(), diff=True, score=1.5):
    programs = [
        {"id": str(number), "code": code, "metrics": {"combined_score": float(number)}, "metadata": {"changes": "x"}}
        for number, code in enumerate(others)
    ]
    return PromptSampler(PromptConfig()).build_prompt(
        current_program=current,
        parent_program=current,
        program_metrics={"combined_score": score, "time_ms": 3.0},
        previous_programs=programs[:3],
        top_programs=programs[::-1],
        inspirations=programs[:2],
        diff_based_evolution=diff,
        program_artifacts={"output": "```python\nprint(1)\n```"},
        feature_dimensions=["complexity"],
    )["user"]


@pytest.mark.parametrize("diff", [True, False])
@pytest.mark.parametrize("current", [SEED.read_text(), ALL["lists"], FENCED], ids=["seed", "lists", "fenced"])
def test_the_program_and_the_inspirations_are_found(current, diff):
    others = [ALL["histogram"], ALL["smoothing"], FENCED + "# other\n"]
    prompt = read_prompt(ask(current, others, diff))
    assert prompt.program == current
    assert prompt.wants_diff == diff
    assert prompt.fitness == 1.5
    assert prompt.inspirations[0] == others[2]
    assert set(prompt.inspirations) == set(others)


@pytest.mark.parametrize("diff", [True, False])
def test_openevolve_applies_the_answer(diff):
    current = SEED.read_text()
    prompt = read_prompt(ask(current, [ALL["grid"]], diff))
    child = propose(prompt.program, prompt.inspirations, 3)
    answer = write_answer(prompt, child.source, child.note)
    if diff:
        applied, count = apply_diff_blocks(current, extract_diffs(answer))
        assert count == 1
        assert applied.rstrip() == child.source.rstrip()
    else:
        assert parse_full_rewrite(answer) == child.source.strip()


def test_a_program_of_no_parsable_text_is_still_handed_over():
    assert read_prompt(ask("def f(:")).program == "def f(:"


@pytest.mark.parametrize(
    "text", ["", "hello", "# Current Program\nno fence", "# Current Program\n```python\nx = 1\n```"]
)
def test_other_prompts_are_refused_in_one_sentence(text):
    with pytest.raises(UnknownPrompt, match="# Current Program") as refusal:
        read_prompt(text)
    assert "\n" not in str(refusal.value)


def test_what_no_answer_can_carry_is_refused():
    marked = "x = '''\n=======\n'''\n"
    with pytest.raises(UnknownPrompt, match="diff markers"):
        write_answer(read_prompt(ask(marked)), marked, "note")
    with pytest.raises(UnknownPrompt, match="code fence"):
        write_answer(read_prompt(ask(FENCED, diff=False)), FENCED, "note")

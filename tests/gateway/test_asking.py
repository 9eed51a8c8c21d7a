"""Prompts that the gateway has written, and replies that it makes to fit."""

import json

import openai
import pytest
from gateway.scripted_upstream import answer, error, upstream
from gateway.test_edits import PARENT, hunk
from gateway.test_forwarding import complete, lines
from openevolve.utils.code_utils import apply_diff_blocks, extract_diffs, parse_full_rewrite
from proposer.test_prompt import ask

from eplb_evolve.gateway.author import Written
from eplb_evolve.gateway.parsing import sha256

BETTER = PARENT.replace("range(3)", "range(2)")
GOOD = "Numpy it is.\n" + hunk("import torch", "import numpy")
NUMPY = PARENT.replace("torch", "numpy")


class Author:
    """Asks for changes to `base`; knows the programs in `known`."""

    def __init__(self, base=PARENT, known=()):
        self.base, self.known = base, known

    def write(self, _parent, _system):
        if self.base is None:
            return None
        told = [{"role": "system", "content": "the task"}, {"role": "user", "content": f"change {self.base}"}]
        return Written(tuple(told), self.base)

    def number_of(self, program):
        return "proposal 7" if program in self.known else ""


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


def applied(reply, parent=PARENT):
    return apply_diff_blocks(parent, extract_diffs(reply))[0]


def content(completion):
    return completion.choices[0].message.content


def test_the_model_reads_our_prompt_and_openevolve_gets_what_fits(forward, run):
    with upstream(answer("Numpy.\n" + hunk("  import torch", "import numpy"))) as endpoint:
        reply = content(complete(forward(endpoint, author=Author()), ask(PARENT)))
        assert endpoint.bodies[0]["messages"][0]["content"] == "the task"
    assert applied(reply) == NUMPY
    (line,) = lines(run)
    assert line["openevolve"][-1]["content"] == ask(PARENT)
    assert line["request"]["messages"][1]["content"] == f"change {PARENT}"
    assert line["reply"].startswith("Numpy.\n<<<<<<< SEARCH\n  import")
    assert line["handed_on"] == reply
    assert [line[name] for name in ("parent", "base", "child")] == [sha256(PARENT)] * 2 + [sha256(NUMPY)]
    assert (line["idea"], line["lost"], line["parsed"]) == ("Numpy.", "", True)


def test_the_program_asked_about_may_be_another_than_openevolve_s(forward, run):
    with upstream(answer(GOOD)) as endpoint:
        reply = content(complete(forward(endpoint, author=Author(BETTER)), ask(PARENT)))
    assert applied(reply) == BETTER.replace("torch", "numpy")
    assert (lines(run)[0]["parent"], lines(run)[0]["base"]) == (sha256(PARENT), sha256(BETTER))


def test_a_diff_becomes_a_whole_program_where_openevolve_wants_one(forward):
    with upstream(answer(GOOD)) as endpoint:
        reply = content(complete(forward(endpoint, author=Author()), ask(PARENT, diff=False)))
    assert parse_full_rewrite(reply) == NUMPY.strip()


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (answer("Diversity matters."), "holds no program"),
        (answer(""), "the reply is empty"),
        (answer("<think>" + GOOD + "</think>"), "reasoning alone"),
        (answer(hunk("improt torch", "x")), "Nearest to it:\n    line 4: import torch"),
        (answer(hunk("import torch", "improt (")), "is no Python"),
        (answer(hunk("A seed.", "A seed.\n=======\n").replace("A seed.", '"""A seed."""')), ""),
    ],
)
def test_what_makes_no_program_is_asked_again_once_with_the_reason(forward, run, first, why):
    with upstream(first, answer(GOOD, 200, 20)) as endpoint:
        completion = complete(forward(endpoint, author=Author()), ask(PARENT))
        roles = [message["role"] for message in endpoint.bodies[1]["messages"]]
        told = endpoint.bodies[1]["messages"][-1]["content"]
    assert roles == ["system", "user", "assistant", "user"]
    assert why in told
    assert "Answer again, in full" in told
    assert applied(content(completion)) == NUMPY
    assert completion.usage.prompt_tokens == 300
    (line,) = lines(run)
    assert line["usage"] == {"prompt_tokens": 300, "completion_tokens": 30}
    assert [refused["why"] in told for refused in line["refused"]] == [True]


def test_after_the_second_time_it_is_lost(forward, run):
    with upstream(answer("An essay. It goes on."), answer("Another essay.")) as endpoint:
        said = content(complete(forward(endpoint, author=Author()), ask(PARENT)))
        assert len(endpoint.bodies) == 2
    assert said.startswith("No program: The reply holds no program")
    assert not extract_diffs(said)
    (line,) = lines(run)
    assert (line["child"], line["parsed"]) == (None, False)
    assert "holds no program" in line["lost"]
    assert line["idea"] == "Another essay."
    assert (run / "failed_replies" / "0001.txt").read_text() == "Another essay."
    assert json.loads((run / "usage.json").read_text())["models"]["m"]["lost"] == 1


def test_a_lost_reply_is_an_error_where_openevolve_would_take_any_text_for_a_program(forward):
    with upstream(answer("An essay.")) as endpoint, pytest.raises(openai.InternalServerError, match="holds no program"):
        complete(forward(endpoint, author=Author()), ask(PARENT, diff=False))


def test_a_program_that_was_measured_is_not_measured_again(forward, run):
    other = "Zeros.\n" + hunk("import torch", "import os")
    with upstream(answer(GOOD), answer(other)) as endpoint:
        reply = content(complete(forward(endpoint, author=Author(known={NUMPY})), ask(PARENT)))
        assert "This is the program of proposal 7" in endpoint.bodies[1]["messages"][-1]["content"]
    assert applied(reply) == PARENT.replace("torch", "os")


@pytest.mark.parametrize(
    "final",
    [
        error(400, "maximum context length is 4096"),
        (200, json.dumps({"choices": [{"message": {"refusal": "I may not"}}]}), {}),
    ],
)
def test_an_error_or_a_refusal_is_not_asked_about(forward, run, final):
    with upstream(final) as endpoint:
        with pytest.raises(openai.APIStatusError):
            complete(forward(endpoint, author=Author()), ask(PARENT))
        assert len(endpoint.bodies) == 1
    assert lines(run)[0]["lost"]


def test_at_the_cap_nothing_is_asked_again(forward):
    with upstream(answer("An essay.", 1_000_000)) as endpoint:
        said = content(complete(forward(endpoint, author=Author(), max_cost=0.5), ask(PARENT)))
        assert said.startswith("No program: ")
        assert len(endpoint.bodies) == 1


def test_a_cut_reply_is_told_so(forward):
    body = json.loads(answer("<<<<<<< SEARCH\nimport torch\n=======\nimp")[1])
    body["choices"][0]["finish_reason"] = "length"
    with upstream((200, json.dumps(body), {}), answer(GOOD)) as endpoint:
        complete(forward(endpoint, author=Author()), ask(PARENT), max_tokens=77)
        assert "the reply is cut at max_tokens = 77" in endpoint.bodies[1]["messages"][-1]["content"]


@pytest.mark.parametrize(("author", "text"), [(Author(), "no prompt of OpenEvolve's"), (Author(None), ask(PARENT))])
def test_another_prompt_passes_unchanged_and_that_is_said_once(forward, capfd, author, text):
    with upstream(answer("anything")) as endpoint:
        client = forward(endpoint, author=author)
        for _ in range(2):
            assert content(complete(client, text)) == "anything"
        assert endpoint.bodies[0]["messages"][0]["content"] == text
    assert capfd.readouterr().err.count("it goes to the model as it is") == 1


@pytest.mark.parametrize(
    ("message", "param", "sent"),
    [
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", None, "max_completion_tokens"),
        ("Unsupported value", "temperature", None),
        ("temperature is not supported with this model", None, None),
    ],
)
def test_a_parameter_that_an_endpoint_refuses_is_left_out_from_then_on(forward, message, param, sent):
    refusal = (400, json.dumps({"error": {"message": message, "param": param}}), {})
    with upstream(refusal, answer("a")) as endpoint:
        client = forward(endpoint)
        for _ in range(2):
            complete(client, max_tokens=50, temperature=0.5)
        first, *later = endpoint.bodies
    assert len(later) == 2
    gone = "max_tokens" if sent else "temperature"
    assert gone in first
    assert all(gone not in body and (sent is None or body[sent] == 50) for body in later)


@pytest.mark.parametrize(
    ("name", "has", "lacks"),
    [
        ("gpt-4.1", {"max_tokens", "temperature"}, {"max_completion_tokens"}),
        ("gpt-5-mini", {"max_completion_tokens"}, {"max_tokens", "temperature", "top_p"}),
        ("o3", {"max_completion_tokens"}, {"max_tokens", "temperature", "top_p"}),
        ("gpt-oss-20b", {"max_completion_tokens"}, {"max_tokens", "temperature", "top_p"}),
        ("gemini-2.5-flash", {"max_tokens", "temperature"}, {"max_completion_tokens"}),
        ("qwen2.5-coder:14b", {"max_tokens", "temperature"}, {"max_completion_tokens"}),
    ],
)
def test_what_openevolve_sends_a_model_by_its_name_arrives(forward, name, has, lacks):
    import asyncio

    from openevolve.config import LLMModelConfig
    from openevolve.llm.openai import OpenAILLM

    with upstream(answer("a")) as endpoint:
        client = forward(endpoint, name=name)
        config = LLMModelConfig(name=name, api_base=str(client.base_url), api_key="none", temperature=0.5, top_p=0.9)
        config.max_tokens, config.timeout, config.retries, config.retry_delay = 100, 10, 0, 1
        assert asyncio.run(OpenAILLM(config).generate("say a")) == "a"
        (body,) = endpoint.bodies
    assert body["model"] == name
    assert has <= set(body)
    assert not lacks & set(body)

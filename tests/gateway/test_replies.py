"""Answers in every form that endpoints give them: used, or named for what they are."""

import json

import pytest
from gateway.scripted_upstream import answer

from eplb_evolve.gateway.models import known_models
from eplb_evolve.gateway.replies import read_reply
from eplb_evolve.gateway.words import error_words

DIFF = "<<<<<<< SEARCH\nimport torch\n=======\nimport torch  # ok\n>>>>>>> REPLACE\n"


def message(finish_reason="stop", **fields):
    body = json.loads(answer("")[1])
    body["choices"][0] |= {"message": {"role": "assistant", **fields}, "finish_reason": finish_reason}
    return json.dumps(body)


def events(*deltas, reason="stop", end="data: [DONE]\n"):
    chunks = [{"id": "x", "object": "chat.completion.chunk", "choices": [{"delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"delta": {}, "finish_reason": reason}]})
    chunks.append({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + end


@pytest.mark.parametrize(
    "text",
    [
        message(content=DIFF),
        message(content=[{"type": "text", "text": DIFF}]),
        message(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"text": DIFF}]),
        message(content=[{"type": "text", "text": DIFF[:20]}, {"type": "output_text", "text": DIFF[20:]}]),
        message(content={"type": "text", "text": {"value": DIFF}}),
        message(content=[DIFF]),
        message(content=None, reasoning_content=DIFF),
        message(content="", reasoning=DIFF),
        message(content=DIFF, reasoning_content="I would\n" + DIFF.replace("ok", "bad")),
        message(content=f"<think>maybe\n{DIFF}</think>{DIFF}"),
        message(content=f"maybe\n{DIFF}</think>{DIFF}"),
        message(content=f"<Thinking>{DIFF}</Thinking>{DIFF}"),
        message(content=f"[THINK]{DIFF}[/THINK]{DIFF}"),
        message(content=f"<|channel|>analysis<|message|>{DIFF}<|end|><|channel|>final<|message|>{DIFF}<|return|>"),
        f"[{message(content=DIFF)}]",
        json.dumps({"choices": [{"text": DIFF, "finish_reason": "stop"}]}),
        events({"role": "assistant"}, {"content": DIFF[:30]}, {"content": DIFF[30:]}),
        events({"reasoning_content": "hm"}, {"content": DIFF}, end=""),
        ": keep-alive\n\n" + events({"content": DIFF}),
        "retry: 3000\n" + events({"content": DIFF}),
        events({"content": [{"type": "text", "text": DIFF}]}),
        events(DIFF),
        events({"content": DIFF[:9] + "\u2028"}, {"content": DIFF[9:]}).replace("\\u2028", ""),
        "\ufeff" + message(content=DIFF),
        f": PROCESSING\n\n: PROCESSING\n{message(content=DIFF)}",
        f"{message(content=DIFF)}\ndata: [DONE]",
        message(content=[{"thought": True, "text": "hm"}, {"type": "text", "text": DIFF}]),
        message(content=f"<seed:think>{DIFF}</seed:think>{DIFF}"),
        message(content=f"<|START_THINKING|>{DIFF}<|END_THINKING|>{DIFF}"),
        message(content=f"<unused94>thought {DIFF}<unused95>{DIFF}"),
        message(content=f"analysis{DIFF}assistantfinal{DIFF}"),
        message(content=f"<|start|>assistant<|channel|>final <|constrain|>text<|message|>{DIFF}"),
        message(content=f"{DIFF}</think>"),
        message(content=f"{DIFF}<think>now that was"),
    ],
)
def test_the_text_is_found(text):
    reply = read_reply(text)
    assert (reply.text, reply.why) == (DIFF, "")
    assert reply.body["choices"][0]["message"]["content"] == DIFF


def test_the_usage_of_a_streamed_answer_is_kept():
    assert read_reply(events({"content": DIFF})).body["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize(
    ("text", "why", "again"),
    [
        (message(content=""), "the reply is empty (finish_reason stop)", False),
        (message(), "the reply is empty (finish_reason stop)", False),
        (message(finish_reason=None, content=[]), "the reply is empty", False),
        (message(content=None, refusal="I cannot"), "the model refuses: I cannot", False),
        (message("content_filter", content=""), "refuses (finish_reason content_filter)", False),
        (json.dumps({"choices": [], "usage": {}}), "the model or its provider refuses", False),
        (message("length", content=None), "the reply is cut at max_tokens = 16", False),
        (message("length", content="<think>so"), "cut at max_tokens = 16, before the reasoning came to an", False),
        (message("max_tokens", content="", reasoning="so"), "before the reasoning came to an answer", False),
        (message(content="<think>so"), "the reply holds reasoning alone, no answer", False),
        (message(content="<|channel|>analysis<|message|>so"), "the reply holds reasoning alone", False),
        ("<html><title>Sign in</title></html>", "a web page, 'Sign in'; mend api_base", False),
        ("  <!DOCTYPE html><body>Hello <b>you</b>", "a web page, 'Hello you'", False),
        ("not at all", "the answer is not JSON: not at all", True),
        ("", "the answer is not JSON: nothing", True),
        pytest.param("[" * 100_000, "the answer is not JSON: [[[", False, id="deep"),
        ('{"detail": "wait"}', "the answer is no chat completion: wait", True),
        ("data: {}\n\n", "the answer is not JSON", True),
        ('{"choices": [' + "1, " * 200, "the answer is not JSON", False),
        ('{"choices": null, "usage": {"prompt_tokens": 9}}', "the answer is no chat completion", False),
        ('{"type": "message", "content": [], "usage": {}}', "the answer is no chat completion", False),
        (message("sensitive", content=""), "refuses (finish_reason sensitive)", False),
        (message(content=[{"type": "refusal", "refusal": "no"}]), "the model refuses: no", False),
        (message("model_length", content=""), "the reply is cut at max_tokens = 16", False),
        ("<!-- --><html><title>Hi", "a web page", False),
        (message(content="<|start|>assistant<|channel|>analysis<|message|>so"), "reasoning alone", False),
        (message(content="So: <thoughts>well"), "reasoning alone", False),
        ('data: {"choices": [{"delta": 3}]}\n', "the answer is not JSON", True),
    ],
)
def test_what_holds_no_text_is_named_and_asked_for_again_only_where_that_is_free(text, why, again):
    reply = read_reply(text, 16)
    assert reply.text is None
    assert why in reply.why
    assert reply.again is again


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({"error": {"code": 429, "message": "Rate limit exceeded"}}, 429, "Rate limit exceeded"),
        ({"error": {"code": "503", "message": "no instance"}}, 503, "no instance"),
        ({"error": {"code": "rate_limit_exceeded", "message": "Rate limit reached"}}, 429, "Rate limit reached"),
        ({"error": {"message": "no such key", "code": 401}}, 401, "no such key"),
        ({"error": "model overloaded"}, 429, "model overloaded"),
        ({"error": {"message": "oops"}}, 502, "oops"),
        ({"choices": [{"error": {"code": 502, "message": "provider"}, "message": {"content": ""}}]}, 502, "provider"),
    ],
)
def test_an_error_in_an_answer_that_is_called_good_is_an_error(body, status, why):
    for text in (json.dumps(body), f"data: {json.dumps(body)}\n\n"):
        reply = read_reply(text)
        assert (reply.text, reply.status, reply.why, reply.again) == (None, status, why, True)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("\\ud83d x", "\ufffd x"),
        ("x \\ude00", "x \ufffd"),
        ("\\ud83d\\ude00", "😀"),
        ("\\udc00\\ud800", "\ufffd\ufffd"),
    ],
)
def test_half_characters_are_replaced(written, read):
    reply = read_reply(message(content="CONTENT").replace("CONTENT", written).replace('"created": 1', '"created": NaN'))
    assert reply.text == read
    json.dumps(reply.body, allow_nan=False, ensure_ascii=False).encode()


def test_a_cut_text_is_handed_on_with_what_to_say_if_no_program_comes_of_it():
    reply = read_reply(message("length", content=DIFF), None)
    assert (reply.text, reply.cut, reply.doubt) == (DIFF, True, "the reply is cut at the endpoint's own limit")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"error": {"message": "no"}}', "no"),
        ('[{"error": {"code": 429, "message": "no", "details": []}}]', "no"),
        ('{"object": "error", "message": "no", "code": 400}', "no"),
        ('{"detail": "no"}', "no"),
        ('{"detail": [{"loc": ["body"], "msg": "no"}, {"msg": "nor this"}]}', "no; nor this"),
        ('{"error": "no"}', "no"),
        ('{"errors": [{"message": "no"}]}', "no"),
        ('{"error": {"code": 7}}', '{"code": 7}'),
        ("<html><head><title>502 Bad\n Gateway</title></head></html>", "a web page, '502 Bad Gateway'"),
        ("no\n\x1b[2J", "no \\x1b[2J"),
        ("", "it gives no reason"),
        ("null", "it gives no reason"),
        ('{"base_resp": {"status_code": 1008, "status_msg": "no"}}', "no"),
    ],
)
def test_the_words_of_an_error_are_found(text, words):
    assert error_words(text) == words


def test_a_streamed_answer_that_breaks_off_is_cut():
    text = events({"content": DIFF}).partition('data: {"choices": [{"delta": {}, "fini')[0] + 'data: {"choi'
    reply = read_reply(text)
    assert (reply.text, reply.cut) == (DIFF, True)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' * 100_000], ids=["lists", "objects"])
def test_deep_nesting_breaks_nothing(text):
    assert error_words(text)
    assert known_models(text) == []
    assert read_reply(text).text is None


def test_long_words_are_shortened():
    assert len(error_words("no " * 1000)) == 400

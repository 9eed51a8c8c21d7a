"""What a reply says that it took, and what that costs."""

import pytest

from eplb_evolve.gateway.settings import ForwardedModel
from eplb_evolve.gateway.usage import Usage, read_usage

MODEL = ForwardedModel("https://example.org/v1", input_usd_per_million=1.0, output_usd_per_million=2.0)


def usage(prompt, completion, total):
    stated = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    return {"usage": {name: value for name, value in stated.items() if value is not None}}


@pytest.mark.parametrize(
    ("usage", "prompt", "completion"),
    [
        ({"total_tokens": 50}, 0, 50),
        ({"prompt_tokens": None, "total_tokens": 50}, 0, 50),
        ({"completion_tokens": 7}, 0, 7),
        ({"prompt_tokens": "10", "completion_tokens": "7"}, 10, 7),
        ({"input_tokens": 10, "output_tokens": 7}, 10, 7),
        ({"prompt_tokens": -5, "completion_tokens": 7}, 0, 7),
        ({"prompt_tokens": float("nan"), "completion_tokens": 7}, 0, 7),
        ({"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 10**400}, 10, 7),
    ],
)
def test_usage_in_other_forms_is_counted(usage, prompt, completion):
    found = read_usage({"usage": usage}, ForwardedModel("http://h/v1", None, 1.0, 1.0))
    assert (found.prompt_tokens, found.completion_tokens) == (prompt, completion)


@pytest.mark.parametrize(
    ("stated", "completion"),
    [
        ((1000, 100, 1100), 100),
        ((1000, 100, 9100), 8100),  # thinking is in the total only
        ((1000, None, 9100), 8100),
        ((1000, 0, 1000), 0),
        ((1000, 100, None), 100),
        ((1000, 100, 50), 100),  # a total that cannot be
        ((1000.0, 100.0, 1500.0), 500),
        ((1000, 100, "many"), 100),
    ],
)
def test_what_the_total_holds_beyond_the_prompt_was_completed(stated, completion):
    assert read_usage(usage(*stated), MODEL) == Usage(1000, completion, pytest.approx((1000 + 2 * completion) / 1e6))


@pytest.mark.parametrize(
    "stated", [(5, None, None), (True, True, True), (5, -3, "x"), (1, float("nan"), None), ("5", "3e2", [8])]
)
def test_no_usage_is_read_out_of_what_is_none(stated):
    assert read_usage(usage(*stated), MODEL) is None


@pytest.mark.parametrize("body", [None, [], "text", {}, {"usage": None}, {"usage": []}])
def test_a_body_without_usage_has_none(body):
    assert read_usage(body, MODEL) is None

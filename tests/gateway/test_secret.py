"""No text holds a piece of a key, however it is written; what cannot be a key is refused without quoting it."""

import base64
import html
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eplb_evolve.gateway.secret import PIECE, Secret, fault

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=60)
AROUND = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
WRITTEN = {
    "verbatim": lambda key: key,
    "Python": repr,
    "bytes": lambda key: repr(f"Bearer {key}".encode()),
    "JSON": json.dumps,
    "HTML": html.escape,
    "URL": lambda key: urllib.parse.quote(key, safe=""),
    "query": lambda key: urllib.parse.urlencode({"key": key}),
    "hexadecimal": lambda key: key.encode().hex(),
    **{
        f"base64 after {len(before)} bytes": lambda key, before=before: base64.b64encode(before + key.encode()).decode()
        for before in (b"", b"a", b"ab", b"user:", b"Bearer ")
    },
}


def test_a_body_to_be_kept_is_read_before_it_is_scrubbed():
    key = "sk-abcdefghijklmnop"
    spelled = "".join(f"\\u{ord(letter):04x}" for letter in key)
    entities = "".join(f"&#{ord(letter)};" for letter in key)
    for body in (f'{{"error": "{spelled}"}}', f"no json {spelled}", f"<html>{entities}</html>", f'["{key}"]'):
        assert "abcdefgh" not in json.dumps(html.unescape(Secret(key).scrub_body(body)))
        assert spelled[:48] not in Secret(key).scrub_body(body)


def pieces(text):
    return {text[at : at + PIECE] for at in range(len(text) - PIECE + 1)}


@pytest.mark.parametrize("how", WRITTEN)
@given(key=KEYS, before=AROUND, after=AROUND)
def test_no_piece_of_a_key_is_left(how, key, before, after):
    written = WRITTEN[how](key)
    scrubbed = Secret(key).scrub(f"{before}{written}{after}")
    assert written not in scrubbed
    assert not pieces(key) & pieces(scrubbed)


@given(key=KEYS, data=st.data())
def test_nor_any_part_of_it_that_is_long_enough(key, data):
    first = data.draw(st.integers(0, len(key) - PIECE))
    last = data.draw(st.integers(first + PIECE, len(key)))
    assert key[first:last] not in Secret(key).scrub(f"part {key[first:last]}, end")


def test_the_rest_of_a_text_stays():
    secret = Secret("sk-proj-0123456789abcdef")
    text = "a key sk-proj-0123456789abcdef, two: sk-proj-0123456789abcdefsk-proj-0123456789abcdef. sk-proj"
    assert secret.scrub(text) == "a key <key>, two: <key>. sk-proj"
    assert secret.scrub("def rebalance_experts(weight): ...") == "def rebalance_experts(weight): ..."


@pytest.mark.parametrize(("key", "text"), [("", "nothing"), ("x", "x = 1"), ("none", "none of it")])
def test_what_is_given_where_any_key_will_do_is_no_secret(key, text):
    assert Secret(key).scrub(text) == text


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("sk-proj-abcdef", ""),
        ("", "is empty"),
        ("sk-proj-abcdef\n", "holds a line break at its end"),
        ("sk-proj-abcdef\r\n", "holds a line break at its end"),
        ("sk-proj\nabcdef", "holds a line break"),
        ("\n", "holds a line break"),
        (" sk-proj-abcdef", "holds a blank"),
        ("sk-proj-abcdef\t", "holds a blank"),
        ("sk-proj\u00a0abcdef", "holds a blank"),
        ("sk-proj\x00abcdef", "holds a control character"),
        ("sk-proj\x7fabcdef", "holds a control character"),
        ("sk-pröj-abcdef", "holds a character that is not ASCII"),
    ],
)
def test_what_cannot_be_a_key(key, why):
    assert fault(key) == why

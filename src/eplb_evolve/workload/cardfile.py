"""Cards as TOML files: read strictly (an unknown key is an error, with a suggestion), written with notes."""

import json
import textwrap
import tomllib
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from eplb_evolve.checked import shown
from eplb_evolve.errors import UsageError, suggestion
from eplb_evolve.workload.card import Card

COMMENTS = {
    "top_k": "experts that one token is sent to",
    "interval_steps": "rebalance interval: steps summed into one window",
    "shape": "steps, layers, logical experts",
    "sha256": "of NAME.npz; where there is a [composition], of the windows it builds",
    "source": "where the recording was published",
    "licence": "SPDX identifier; text and notice are files of this folder",
    "recording": "what is recorded, what is replayed, what is composed, and what it lacks",
    "topology": "where replicas may go; one group and one node: global placement",
    "split": "windows of each split, ranges inclusive; a gap of a window between them belongs to neither",
    "tasks": "recorded task of most active sequences, steps inclusive",
    "composition": "the rule that builds this workload from another (composition.py in the package)",
}
KINDS = {str: "text in quotes", int: "a whole number", float: "a number"}
WIDTH = 100


def read(path: Path) -> Card:
    """The card in the TOML file `path`; UsageError names the file, the key and how to mend it."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        card: Card = _build(Card, table, "")
    except OSError as error:
        raise UsageError(f"{path.name}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # beside TOML's own errors: bytes, numbers and nesting without end
        raise UsageError(f"{path.name}: not a valid TOML file: {error}") from error
    except UsageError as error:
        raise UsageError(f"{path.name}: {error}") from error
    if card.name != path.stem:
        raise UsageError(f"{path.name}: name is '{card.name}'; it must be the file's name, '{path.stem}'")
    return card


def render(card: Card) -> str:
    """The card as commented TOML; reading it gives the same card."""
    plain, tables = [], []
    for field in fields(card):
        value = getattr(card, field.name)
        if value is None:
            continue
        comment = COMMENTS.get(field.name)
        if is_dataclass(value):
            tables.append("\n".join([f"# {comment}", f"[{field.name}]", *_lines(value)]))
        elif field.name == "tasks":
            entries = ["\n".join([f"[[{field.name}]]", *_lines(task)]) for task in value]
            tables.append("\n".join([f"# {comment}", "\n\n".join(entries)]))
        else:
            plain += [f"# {comment}"] if comment else []
            plain.append(f"{field.name} = {_value(value)}")
    return "\n\n".join(["\n".join(plain), *tables]) + "\n"


def _lines(record: Any) -> list[str]:
    return [f"{field.name} = {_value(getattr(record, field.name))}" for field in fields(record)]


def _escaped(text: str) -> str:
    """Text in double quotes; JSON's escapes are TOML's, but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    if len(value) <= WIDTH - 10 or " ".join(value.split()) != value:
        return _escaped(value)
    lines = textwrap.wrap(_escaped(value)[1:-1], WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return '"""\\\n' + " \\\n".join(lines) + '"""'


def _build(cls: Any, table: dict[str, Any], where: str) -> Any:
    """An instance of the dataclass `cls` from a TOML table; `where` is the table's name with a final dot."""
    hints = get_type_hints(cls)
    for key in table:
        if key not in hints:
            raise UsageError(f"unknown key '{where}{key}'{suggestion(key, hints)}; remove it or mend its name")
    for field in fields(cls):
        if field.default is MISSING and field.name not in table:
            raise UsageError(f"missing key '{where}{field.name}'{_meaning(field.name)}; add it")
    return cls(**{key: _convert(value, hints[key], f"{where}{key}") for key, value in table.items()})


def _meaning(key: str) -> str:
    return f" ({COMMENTS[key]})" if key in COMMENTS else ""


def _convert(value: Any, hint: Any, where: str) -> Any:
    if get_origin(hint) is UnionType:
        hint = next(option for option in get_args(hint) if option is not type(None))
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise UsageError(f"'{where}' must be a table, not {shown(value)}; write it as [{where}]")
        return _build(hint, value, f"{where}.")
    if get_origin(hint) is tuple:
        return _convert_list(value, get_args(hint), where)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint or value == "":
        raise UsageError(f"'{where}' must be {KINDS[hint]}, not {shown(value)}")
    return value


def _convert_list(value: Any, hints: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise UsageError(f"'{where}' must be a list, not {shown(value)}")
    if hints[-1] is Ellipsis:
        hints = hints[:1] * len(value)
    if len(value) != len(hints):
        raise UsageError(f"'{where}' must have {len(hints)} entries, not {len(value)}")
    return tuple(_convert(item, hint, f"{where}[{i}]") for i, (item, hint) in enumerate(zip(value, hints, strict=True)))

"""Whether a document has the shape of a dataclass: known keys, lists, texts, and numbers that are numbers.

OpenEvolve 0.4.1 ignores keys that it does not know, takes `true` for 1 and a text for a list of its letters.
"""

import dataclasses
import math
import typing
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

from eplb_evolve.errors import UsageError, suggestion


def check_keys(data: object, schema: type, where: str, path: Path, others: tuple[str, ...] = ()) -> None:
    """Raise UsageError for the first key or value of nested mappings that does not fit the dataclass `schema`.

    where: the key of `data`, "" for the whole file. path: the file. others: sections that may be meant as well.
    """
    if not isinstance(data, dict):
        raise UsageError(f"{path}: {where or 'the file'} must be a mapping of keys, not {_kind(data)}")
    known = {name: hint for name, hint in _hints(schema).items() if not name.startswith("_")}
    for key, value in data.items():
        place = f"{where}.{key}" if where else str(key)
        if key not in known:
            raise UsageError(f"{path}: unknown key '{place}'{suggestion(str(key), [*known, *others])}")
        _check_value(value, known[key], place, path)


def _check_value(value: object, hint: Any, place: str, path: Path) -> None:
    union = typing.get_origin(hint) in (typing.Union, UnionType)
    members = set(typing.get_args(hint) if union else (hint,))
    if value is None and NoneType in members:
        return
    for member in members:
        origin, arguments = typing.get_origin(member) or member, typing.get_args(member)
        if isinstance(origin, type) and dataclasses.is_dataclass(origin):
            check_keys(value, origin, place, path)
        elif origin in (list, tuple) and not (isinstance(value, str) and str in members):
            if not isinstance(value, list):
                text = "text, or " if str in members else ""
                raise UsageError(f"{path}: {place} must be {text}a list, such as [a, b], not {_kind(value)}")
            for index, item in enumerate(value):
                _check_value(item, arguments[0], f"{place}[{index}]", path)
        elif origin is dict and isinstance(value, dict):
            for name, item in value.items():
                _check_value(item, arguments[1], f"{place}.{name}", path)
    if members - {NoneType} == {str} and not isinstance(value, str):
        mend = "give it or remove the key" if value is None else "put it in quotes"
        raise UsageError(f"{path}: {place} must be text, not {_kind(value)}; {mend}")
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value)):
        raise UsageError(f"{path}: {place} holds a character that neither a file nor a request can hold; remove it")
    if members & {int, float} and not members & {bool, str}:
        _check_number(value, place, path)


def _check_number(value: object, place: str, path: Path) -> None:
    if isinstance(value, bool):
        raise UsageError(f"{path}: {place} must be a number, not {str(value).lower()}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{path}: {place} must be a finite number, not {value}")


def _kind(value: object) -> str:
    """What it is, never what it says: it may hold a key."""
    return "null" if value is None else type(value).__name__


def _hints(schema: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(schema)
    except NameError:  # OpenEvolve names a type that it imports for type checkers only
        return {item.name: item.type for item in dataclasses.fields(schema)}

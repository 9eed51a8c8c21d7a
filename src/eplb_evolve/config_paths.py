"""The paths in a configuration: what each counts from, whether it is there, and a copy that means the same anywhere.

OpenEvolve 0.4.1 counts some relative paths from the configuration's folder and the others from its working directory.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from eplb_evolve import config_file
from eplb_evolve.errors import UsageError

Place = tuple[str | int, ...]
"""Keys and positions that lead to a value."""

FROM_FILE: tuple[Place, ...] = (("prompt", "template_dir"), ("database", "island_initial_programs"))
"""Paths, or lists of them, that count from the configuration's folder."""

FROM_WORKING_DIRECTORY: tuple[Place, ...] = (
    ("log_dir",),
    ("database", "db_path"),
    ("database", "artifacts_base_path"),
    ("evolution_trace", "output_path"),
)
_FOLDERS = FROM_WORKING_DIRECTORY[:3]


def check(document: dict[str, Any], path: Path) -> None:
    """UsageError for a program of an island that is not there, or a path of the wrong kind; templates are others'."""
    for place, given, absolute in _paths(document, path):
        key = _key(place)
        if place[:2] == FROM_FILE[1] and not os.path.isfile(absolute):
            raise UsageError(
                f"{path}: {key}: there is no file {absolute}; mend the path (a relative one counts from the folder of "
                "the configuration), or put null"
            )
        if place in _FOLDERS and os.path.exists(absolute) and not os.path.isdir(absolute):
            raise UsageError(f"{path}: {key} must be a folder, but {given} is a file; name another")
        if place == FROM_WORKING_DIRECTORY[3] and os.path.isdir(absolute):
            raise UsageError(f"{path}: {key} must be a file, but {given} is a folder; name a file in it")


def template_folder(document: dict[str, Any], path: Path) -> Path | None:
    """Where the configuration's own templates are, None where it has none."""
    return next((absolute for place, _, absolute in _paths(document, path) if place == FROM_FILE[0]), None)


def island_programs(document: dict[str, Any], path: Path) -> tuple[Path, ...]:
    """The programs that islands start from."""
    return tuple(absolute for place, _, absolute in _paths(document, path) if place[:2] == FROM_FILE[1])


def standing_alone(path: Path, changes: Mapping[Place, object] | None = None) -> str:
    """The configuration's text with absolute paths: it means the same in any folder, read from any other.

    changes: values of sections' keys that are to be others. Comments and form stay, but for a file whose values cannot
    be replaced where they stand (anchors, keys that it lacks): that is written anew.
    """
    text = config_file.read_text(path)
    document = config_file.parse(text, path)
    wanted: dict[Place, object] = {place: str(absolute) for place, _, absolute in _paths(document, path)}
    for place, value in (changes or {}).items():
        document.setdefault(str(place[0]), {})
        wanted = {known: kept for known, kept in wanted.items() if known[: len(place)] != place} | {place: value}
    for place, value in wanted.items():
        _put(document, place, value)
    node = yaml.compose(text, yaml.SafeLoader)
    spans = [(_find(node, place), value) for place, value in wanted.items()]
    for scalar, value in sorted(spans, key=lambda span: -_start(span[0])):
        if scalar is not None:
            text = _spliced(text, scalar, value)
    try:
        same = config_file.parse(text, path) == document
    except UsageError:
        same = False
    return text if same else yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _paths(document: dict[str, Any], path: Path) -> Iterator[tuple[Place, str, Path]]:
    """Each path that the document gives: where it stands, as given, absolute."""
    bases = dict.fromkeys(FROM_FILE, path.resolve().parent) | dict.fromkeys(FROM_WORKING_DIRECTORY, Path.cwd())
    for place, base in bases.items():
        value: Any = document
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        listed = [((*place, i), item) for i, item in enumerate(value)] if isinstance(value, list) else [(place, value)]
        for where, given in listed:
            if isinstance(given, str) and given:
                yield where, given, Path(given) if os.path.isabs(given) else (base / given).resolve()


def _key(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _put(document: Any, place: Place, value: object) -> None:
    for part in place[:-1]:
        document = document[part]
    document[place[-1]] = value


def _find(node: yaml.Node | None, place: Place) -> yaml.ScalarNode | None:
    for part in place:
        if isinstance(part, int) and isinstance(node, yaml.SequenceNode):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == part), None)
        else:
            return None
    return node if isinstance(node, yaml.ScalarNode) else None


def _start(scalar: yaml.ScalarNode | None) -> int:
    return 0 if scalar is None else int(scalar.start_mark.index)


def _spliced(text: str, scalar: yaml.ScalarNode, value: object) -> str:
    end = "\n" if scalar.style in ("|", ">") else ""  # these end with their last line
    quoted = json.dumps(value, ensure_ascii=False)
    return text[: scalar.start_mark.index] + quoted + end + text[scalar.end_mark.index :]

"""A configuration file as YAML, read strictly: no key twice. No message quotes the file, which may hold keys."""

from pathlib import Path
from typing import Any

import yaml

from eplb_evolve.errors import UsageError


def read_text(path: Path) -> str:
    """The file's text; UsageError when there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"cannot read the configuration {path}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise UsageError(f"{path} is not YAML: it is not text in UTF-8") from problem


def read_document(path: Path) -> dict[str, Any]:
    """The mapping that the file holds; UsageError for anything else, and for a key that stands twice."""
    return parse(read_text(path), path)


def parse(text: str, path: Path) -> dict[str, Any]:
    """The mapping that `text` holds, as `read_document`; messages name `path`."""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise UsageError(f"{path} is not YAML: {_where(problem)}") from problem
    except (ValueError, LookupError, AttributeError) as problem:  # what PyYAML raises for `2026-13-45` or `!!int x`
        raise UsageError(f"{path} is not YAML: it holds a date or a number that is none; quote it") from problem
    except RecursionError as problem:
        raise UsageError(f"{path} is not YAML: it is nested too deeply; leave brackets out") from problem
    if not isinstance(document, dict):
        raise UsageError(f"{path}: expected sections such as llm: and eplb:, found {type(document).__name__}")
    _refuse_twins(node, path)
    return document


def _refuse_twins(root: yaml.Node | None, path: Path) -> None:
    """YAML keeps the last of two equal keys, and says nothing."""
    seen: set[int] = set()
    waiting: list[tuple[yaml.Node | None, str]] = [(root, "")]
    while waiting:
        node, where = waiting.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [(item, f"{where}[{index}]") for index, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            continue
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            place, line = f"{where}.{key.value}" if where else key.value, key.start_mark.line + 1
            if key.value in first:
                raise UsageError(
                    f"{path}: the key '{place}' stands twice, in lines {first[key.value]} and {line}; remove one"
                )
            first[key.value] = line
            waiting.append((value, place))


def _where(problem: yaml.YAMLError) -> str:
    mark = getattr(problem, "problem_mark", None)
    if mark is None:
        return "it cannot be parsed"
    what = getattr(problem, "problem", None) or "wrong syntax"
    if " alias " in what or " tag " in what:  # quoted there, and perhaps a key without its quotes
        what = what.partition(" '")[0]
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}"

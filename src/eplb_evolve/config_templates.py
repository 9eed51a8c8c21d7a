"""A configuration's prompt templates: with a wrong one OpenEvolve uses its own, or fails at each proposal."""

import contextlib
import json
import os
import re
import string
from pathlib import Path
from typing import Any

from eplb_evolve.errors import UsageError, suggestion
from eplb_evolve.proposer.prompt import UnknownPrompt, read_prompt

_FRAGMENTS = "fragments.json"
_USER_FIELDS = {
    *("metrics", "fitness_score", "feature_coords", "feature_dimensions", "improvement_areas", "evolution_history"),
    *("current_program", "language", "artifacts"),
}
"""What OpenEvolve puts into the templates of user messages."""
_REPLY = "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n"
"""What OpenEvolve's own prompt asks for."""
_USER = ("diff_user", "full_rewrite_user")
_PROGRAM = "def rebalance_experts():\n    pass\n"
_AS_THEY_ARE = ("system_message", "evaluator_system_message", "system_message_changes_description")
"""Templates that nothing is put into."""


def check(read: Any, folder: Path | None, path: Path, served: bool = False) -> None:
    """UsageError for a folder of templates that is none, a template that cannot be filled, or a name of none.

    read: OpenEvolve's configuration. folder: its template_dir, absolute. path: the file. served: whether the gateway
    must find the program in a prompt.
    """
    prompt, own = read.prompt, _shipped()
    used = prompt.template_variations if prompt.use_template_stochasticity else {}
    variations = {key for key, texts in used.items() if texts}
    if folder is not None:
        _check_folder(folder, own, f"{path}: prompt.template_dir")
        for file in sorted(folder.glob("*.txt")):
            _check_template(file, own, variations, f"{path}: prompt.template_dir")
        for file in (folder / f"{name}.txt" for name in _USER):
            if file.exists():
                _check_program(file, variations, served, f"{path}: prompt.template_dir")
        _check_fragments(folder / _FRAGMENTS, f"{path}: prompt.template_dir")
    for key, texts in used.items():
        for text in texts:
            _check_fields(text, _USER_FIELDS | variations, f"{path}: prompt.template_variations.{key}")
    names = own | ({file.stem for file in folder.glob("*.txt")} if folder is not None else set())
    messages = {"system_message": prompt.system_message} | {
        f"island_system_messages[{index}]": text for index, text in enumerate(prompt.island_system_messages)
    }
    for key, message in messages.items():
        if message is not None and message not in names and len(message.split()) <= 1:
            raise UsageError(
                f"{path}: prompt.{key} is one word, and no template has that name{suggestion(message, names)}; "
                "write the message itself, or the name of a template"
            )

    asks = folder is None or not (folder / "diff_user.txt").exists()
    if read.diff_based_evolution and asks and not re.search(read.diff_pattern, _REPLY, re.DOTALL):
        raise UsageError(
            f"{path}: diff_pattern does not match what the prompt asks for (<<<<<<< SEARCH); leave it out, or ask for "
            "another form in a template diff_user.txt"
        )


def _shipped() -> set[str]:
    """Names of OpenEvolve's templates."""
    return {file.stem for file in _shipped_folder().glob("*.txt")}


def _shipped_folder() -> Path:
    import openevolve

    return Path(openevolve.__file__).parent / "prompts" / "defaults"


def _check_folder(folder: Path, own: set[str], where: str) -> None:
    if not os.path.exists(folder):
        raise UsageError(
            f"{where}: there is no folder {folder} (a relative path counts from the folder of the configuration), and "
            "without it a model is not told the task; mend the path"
        )
    if not os.path.isdir(folder):
        raise UsageError(f"{where}: {folder} is no folder; name the folder that holds system_message.txt")
    found = {file.stem for file in folder.glob("*.txt")}
    if not found & own:
        near = next((hint for name in sorted(found) if (hint := suggestion(name, own))), "")
        raise UsageError(
            f"{where}: {folder} holds no template that OpenEvolve knows, such as system_message.txt{near}; "
            "name the folder that does"
        )


def _check_template(file: Path, own: set[str], variations: set[str], where: str) -> None:
    text = _read(file, where)
    if file.stem not in own or file.stem in _AS_THEY_ARE:
        return
    if file.stem in _USER:
        known = _USER_FIELDS | variations
    else:
        known = _fields((_shipped_folder() / file.name).read_text(encoding="utf-8"))
    _check_fields(text, known, f"{where}: {file}")


def _check_program(file: Path, variations: set[str], served: bool, where: str) -> None:
    """A template of user messages must show the program, and where the gateway can find it if it must."""
    text = _read(file, where)
    if "current_program" not in _fields(text):
        raise UsageError(f"{where}: {file} lacks {{current_program}}, so no model is shown the program; put it in")
    filled = text.format_map(dict.fromkeys(_USER_FIELDS | variations, "x") | {"current_program": _PROGRAM})
    found = ""
    with contextlib.suppress(UnknownPrompt):
        found = read_prompt(filled).program
    if served and found != _PROGRAM:
        raise UsageError(
            f"{where}: the gateway cannot find the program in what {file} makes; it stands after the line "
            "`# Current Program` between two lines of ```, and before the line `# Task`"
        )


def _check_fields(text: str, known: set[str], where: str) -> None:
    try:
        wrong = sorted(_fields(text) - known)
    except ValueError as problem:
        raise UsageError(f"{where}: {problem}; write {{{{ and }}}} for braces that are text") from problem
    if wrong:
        raise UsageError(
            f"{where}: OpenEvolve has nothing for {{{wrong[0]}}}{suggestion(wrong[0], known)}; "
            "write {{ and }} for braces that are text"
        )


def _fields(text: str) -> set[str]:
    parsed = (name for _, name, _, _ in string.Formatter().parse(text) if name is not None)
    return {name.partition(".")[0].partition("[")[0] for name in parsed}


def _check_fragments(file: Path, where: str) -> None:
    if not file.exists():
        return
    try:
        whole = isinstance(json.loads(_read(file, where)), dict)
    except ValueError:
        whole = False
    if not whole:
        raise UsageError(f"{where}: {file} is no JSON object; mend or remove it")


def _read(file: Path, where: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"{where}: cannot read {file}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise UsageError(f"{where}: {file} is not text in UTF-8; save it as such") from problem

"""Names of models that an endpoint has, for the one who asked for another."""

import difflib
import json

from eplb_evolve.hostile_text import sentence

_SHOWN = 5


def known_models(text: str) -> list[str]:
    """The names in an answer to GET /models, whichever of its usual forms it has; none where it is another thing."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return []
    rows = body.get("data", body.get("models")) if isinstance(body, dict) else body
    if not isinstance(rows, list):
        return []
    names = [row.get("id", row.get("name")) if isinstance(row, dict) else row for row in rows]
    return [name.removeprefix("models/") for name in names if isinstance(name, str) and name]


def near_models(name: str, listed: list[str]) -> str:
    """Which models there are, the nearest to `name` first, in words."""
    if name in listed:
        return "its list has that model"
    by_lower = {each.lower(): each for each in listed}
    near = [by_lower[each] for each in difflib.get_close_matches(name.lower(), by_lower, _SHOWN, 0.5)]
    alike = [each for each in listed if name.lower() in each.lower() or each.lower() in name.lower()]
    found = list(dict.fromkeys([*near, *alike]))[:_SHOWN]
    if found:
        return f"it has {sentence(', '.join(found))}"
    rest = len(listed) - _SHOWN
    return f"it has {sentence(', '.join(listed[:_SHOWN]))}" + (f" and {rest} more" if rest > 0 else "")

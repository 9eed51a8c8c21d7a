"""The tree of a run's programs, the winner's path along its top."""

from collections.abc import Mapping, Sequence
from typing import Any

from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.evaluation.result import Evaluation, Status
from eplb_evolve.report.figure import BAD, BEST, GRID, INK, OTHER, SOFT, Figure, axis
from eplb_evolve.report.gather import Run
from eplb_evolve.report.text import for_plot
from eplb_evolve.runs.family import Family, Node

MOST_NODES = 400
CHILDREN = 40
"""Of each program on the winner's path in a tree that is larger."""
VERDICTS = (
    ("feasible", OTHER, "circle"),
    ("infeasible", SOFT, "circle-open"),
    ("invalid", BAD, "x"),
    ("not known", SOFT, "circle-dot"),
)


def tree_figure(run: Run, family: Family, winner: str) -> Figure | None:
    """None when the trace knows no programs."""
    if not family.nodes:
        return None
    measured = _measured(run)
    path = family.path(winner)
    shown = _chosen(family, path, measured)
    places = _places(shown, path)
    lines_x: list[float | None] = []
    lines_y: list[float | None] = []
    for node in shown.values():
        if node.parent in places:
            lines_x += [places[node.parent][0], places[node.sha256][0], None]
            lines_y += [places[node.parent][1], places[node.sha256][1], None]
    traces: list[dict[str, Any]] = [
        _line(lines_x, lines_y, "made from", GRID, 1),
        _line([places[each][0] for each in path], [places[each][1] for each in path], "path to the best", BEST, 4),
    ]
    for verdict, colour, symbol in VERDICTS:
        chosen = [node for node in shown.values() if _verdict(measured.get(node.sha256)) == verdict]
        if chosen:
            traces.append(_nodes(chosen, places, measured, verdict, colour, symbol, set(path), run.fitting))
    depth = max(x for x, _ in places.values())
    rows = 1 - min(y for _, y in places.values())
    layout = {
        "xaxis": axis("steps from the seed", dtick=max(1, depth // 12), range=[-0.3, depth + 0.5], zeroline=False),
        "yaxis": axis(
            "",
            showticklabels=False,
            ticks="",
            showline=False,
            showgrid=False,
            zeroline=False,
            range=[1 - rows - 0.8, 0.8],
        ),
        "margin": {"l": 18, "r": 18, "t": 14, "b": 52},
        "annotations": [_name(places[each], each) for each in path] if len(path) <= 8 else [],
    }
    height = round(min(900, 190 + 11 * rows))
    layout["legend"] = {"orientation": "h", "x": 0, "y": -70 / (height - 66), "yanchor": "top"}
    return Figure("tree", "Programs by their parents", traces, layout, _said(family, shown, path), height)


def _measured(run: Run) -> dict[str, Evaluation]:
    """By sha256, the search windows before the holdout ones; without what the evaluator failed to judge."""
    found: dict[str, Evaluation] = {}
    for entry in sorted(run.entries, key=lambda entry: entry.evaluation.conditions.split != "search"):
        if entry.evaluation.status is not Status.EVALUATOR_FAILED:
            found.setdefault(entry.evaluation.sha256, entry.evaluation)
    return found


def _verdict(found: Evaluation | None) -> str:
    return "not known" if found is None else found.status


def _chosen(family: Family, path: Sequence[str], measured: Mapping[str, Evaluation]) -> dict[str, Node]:
    """The whole tree, or of a large one the winner's path with the best children of each program on it."""
    if len(family.nodes) <= MOST_NODES:
        return dict(family.nodes)
    kept = set(path) or set(list(family.nodes)[:1])
    most = max(1, min(CHILDREN, MOST_NODES // len(kept)))
    children: dict[str, list[str]] = {each: [] for each in kept}
    for node in family.nodes.values():
        if node.parent in children and node.sha256 not in kept:
            children[node.parent].append(node.sha256)
    for found in children.values():
        found.sort(key=lambda sha: -(measured[sha].combined_score if sha in measured else -1.0))
        kept.update(found[:most])
    return {sha: node for sha, node in family.nodes.items() if sha in kept}


def _places(shown: Mapping[str, Node], path: Sequence[str]) -> dict[str, tuple[int, float]]:
    """x: steps from the seed; y: 0 along the winner's path, every other branch on rows of its own below."""
    children: dict[str | None, list[str]] = {}
    for node in shown.values():
        children.setdefault(node.parent if node.parent in shown else None, []).append(node.sha256)
    on_path = set(path)
    for found in children.values():
        found.sort(key=lambda sha: sha not in on_path)
    places: dict[str, tuple[int, float]] = {}
    row = 0
    waiting = [(sha, 0) for sha in reversed(children.get(None, []))]
    fresh = False
    while waiting:
        sha, depth = waiting.pop()
        if fresh:
            row += 1
        places[sha] = (depth, float(-row))
        below = children.get(sha, [])
        waiting += [(child, depth + 1) for child in reversed(below)]
        fresh = not below
    return places


def _line(x: Sequence[float | None], y: Sequence[float | None], name: str, colour: str, width: int) -> dict[str, Any]:
    line = {"color": colour, "width": width}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(x),
        "y": list(y),
        "hoverinfo": "skip",
        "line": line,
    }


def _nodes(
    chosen: Sequence[Node],
    places: Mapping[str, tuple[int, float]],
    measured: Mapping[str, Evaluation],
    verdict: str,
    colour: str,
    symbol: str,
    path: set[str],
    fitting: str,
) -> dict[str, Any]:
    metric = BY_NAME[fitting]
    texts = []
    for node in chosen:
        found = measured.get(node.sha256)
        figure = f"{metric.heading} {metric.show(found.figure(fitting))}" if found is not None and found.valid else ""
        why = for_plot(found.reason, 90) if found is not None and found.reason else ""
        texts.append(
            "<br>".join(
                filter(
                    None,
                    (
                        node.sha256[:10],
                        for_plot(node.how, 80),
                        figure,
                        why,
                    ),
                )
            )
        )
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{verdict} ({len(chosen)})",
        "x": [places[node.sha256][0] for node in chosen],
        "y": [places[node.sha256][1] for node in chosen],
        "text": texts,
        "hoverinfo": "text",
        "marker": {
            "color": colour,
            "symbol": symbol,
            "size": [12 if node.sha256 in path else 7 for node in chosen],
            "line": {"width": 1, "color": INK if verdict == "feasible" else colour},
        },
    }


def _name(place: tuple[int, float], sha256: str) -> dict[str, Any]:
    return {
        "x": place[0],
        "y": place[1],
        "text": sha256[:6],
        "showarrow": False,
        "yshift": 14,
        "font": {"color": INK, "size": 11},
    }


def _said(family: Family, shown: Mapping[str, Node], path: Sequence[str]) -> str:
    seeds = sum(node.parent is None for node in family.nodes.values())
    text = f"{len(family.nodes)} programs, made from {seeds} that nothing in the trace made."
    if len(path) > 1:
        steps = f"{len(path) - 1} step{'s' if len(path) > 2 else ''}"
        text += f" The best is {steps} from the seed; its path runs along the top."
    if len(shown) < len(family.nodes):
        text += (
            f" Shown are the best program's path and the best children of each program on it; "
            f"{len(family.nodes) - len(shown)} other programs are left out."
        )
    return text

"""The picture of a model: boxes from top to bottom, an arrow where the output of one layer goes into another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnn.insight.lettering import TRAIN, VALIDATION, entitle, ink_and_paper
from graphnn.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# In typographic points, which are the units of the picture.
HEIGHT, PAD, ACROSS, DOWN, LANE, ROUND = 36.0, 11.0, 24.0, 24.0, 14.0, 7.0
HEAD, FACTS = 11.0, 9.0  # sizes of letters
MOST = 38  # letters of a layer as it is written
TINTS = {"learns": TRAIN, "shared": VALIDATION, "plain": "#8a9199", "input": "#8a9199"}


@dataclass(eq=False)
class Box:
    """A layer on the picture: its two lines, its kind of colour, and where it stands."""

    head: str
    facts: str
    tint: str
    width: float
    level: int
    x: float = 0.0

    @property
    def y(self) -> float:
        return -self.level * (HEIGHT + DOWN)


def model_graph(net: Any, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the graph of a model, as `model.graph(graphs)` gives it, from what comes in down to what comes out.

    A box says the layer, below it the name in the parameters, the shape that comes out and how many numbers it reads.
    Blue boxes learn, grey ones hold no parameters; vermillion ones share weights with others. An edge that passes by
    other layers, a way around them, runs along their side.

    Raises ValueError for a graph with a cycle or without nodes.

    >>> from graphnn.layers import Dense, Residual, Sequential
    >>> from matplotlib.figure import Figure
    >>> model = Sequential(Dense(3), Residual(Dense(3)))
    >>> ax = model_graph(model.graph(np.ones((5, 2))), ax=Figure().subplots())
    >>> [text.get_text() for text in ax.texts][2:4]
    ['Dense(3)', '0.dense  ·  5 × 3  ·  9 parameters']
    """
    import networkx as nx

    if not len(net) or not nx.is_directed_acyclic_graph(net):
        raise ValueError(f"model_graph: wanted a graph without cycles, as model.graph gives it, got {net}")
    boxes = _boxes(net)
    _place(net, boxes)
    ways = {edge: _way(boxes, *edge) for edge in net.edges}
    _sidestep(boxes, ways)
    xs = np.concatenate([_reach(boxes), *(way[:, 0] for way in ways.values())])
    ys = np.array([box.y for box in boxes.values()])
    left, right, low, high = xs.min() - 8, xs.max() + 8, ys.min() - HEIGHT / 2 - 8, ys.max() + HEIGHT / 2 + 8
    if ax is None:
        from matplotlib import pyplot

        whole = high - low + (24 if title else 0)
        figure = pyplot.figure(figsize=((right - left) / 72, whole / 72))
        ax = figure.add_axes((0, 0, 1, (high - low) / whole))
    ax.set(xlim=(left, right), ylim=(low, high), aspect="equal")
    ax.set_axis_off()
    frame = ax.get_window_extent()
    scale = float(min(frame.width / (right - left), frame.height / (high - low))) * 72 / ax.figure.dpi
    for (begin, end), way in ways.items():
        _draw_way(ax, way, scale, boxes[begin].tint if boxes[end].tint == boxes[begin].tint == "shared" else "")
    for box in boxes.values():
        _draw_box(ax, box, scale)
    entitle(ax, title, pad=4)
    return ax


def _boxes(net: Any) -> dict[str, Box]:
    """Return the boxes with their level: one below the lowest of those they come from, or right above their use."""
    import networkx as nx

    level: dict[str, int] = {}
    for depth, generation in enumerate(nx.topological_generations(net)):
        level |= dict.fromkeys(generation, depth)
    for node in [node for node in net if not net.in_degree(node)]:
        level[node] = min((level[after] for after in net.successors(node)), default=1) - 1
    readers = Counter(name for _, data in net.nodes(data=True) for name in data["params"])
    seen: set[str] = set()
    boxes = {}
    for node, data in net.nodes(data=True):
        shared = any(readers[name] > 1 for name in data["params"])
        tint = "shared" if shared else "learns" if data["params"] else data["kind"]
        tint = tint if tint in TINTS else "plain"
        head = node.strip("()") if tint == "input" else _short(data["what"])
        counted = f"{data['size']:,} parameter{'' if data['size'] == 1 else 's'}" if data["size"] else ""
        if seen.intersection(data["params"]):
            counted = "the same weights" if seen.issuperset(data["params"]) else f"{counted}, some are the same"
        seen.update(data["params"])
        facts = "  ·  ".join(filter(None, ("" if tint == "input" else node, _dimensions(data["shape"]), counted)))
        width = max(text_width(head, HEAD), text_width(facts, FACTS)) + 2 * PAD
        boxes[node] = Box(head, facts, tint, width, level[node])
    return boxes


def _short(what: str) -> str:
    """Return a layer as it is written, without the names of its settings, and not too long."""
    text = what.replace("activation=", "")
    return text if len(text) <= MOST else text[: MOST - 1] + "…"


def _dimensions(shape: tuple) -> str:
    if shape and isinstance(shape[0], tuple):
        return ", ".join(map(_dimensions, shape))
    return " × ".join(f"{n:,}" for n in shape)


def text_width(text: str, size: float) -> float:
    """Return how wide a text is, in points, without a place to write it on.

    >>> 20 < text_width("graph", 9.0) < 30
    True
    """
    from matplotlib.textpath import TextPath

    return float(TextPath((0, 0), text, size=size).get_extents().width) if text.strip() else 0.0


def _place(net: Any, boxes: dict[str, Box]) -> None:
    """Put every box below the middle of those it comes from, and those of one level beside each other."""
    for depth in range(1 + max(box.level for box in boxes.values())):
        row = [node for node, box in boxes.items() if box.level == depth]
        above = {node: [boxes[before].x for before in net.predecessors(node)] for node in row}
        row.sort(key=_middle_of(above))
        for node in row:
            boxes[node].x = float(np.mean(above[node])) if above[node] else 0.0
        _spread([boxes[node] for node in row])


def _middle_of(above: dict[str, list[float]]) -> Any:
    def middle(node: str) -> float:
        return float(np.mean(above[node])) if above[node] else 0.0

    return middle


def _spread(row: list[Box]) -> None:
    """Push boxes apart that overlap, and leave their middle where it was."""
    middle = np.mean([box.x for box in row]) if row else 0.0
    for before, box in pairwise(row):
        box.x = max(box.x, before.x + (before.width + box.width) / 2 + ACROSS)
    moved = (np.mean([box.x for box in row]) if row else 0.0) - middle
    for box in row:
        box.x -= float(moved)


def _reach(boxes: dict[str, Box]) -> Array:
    return np.array([box.x + side * box.width / 2 for box in boxes.values() for side in (-1, 1)])


def _way(boxes: dict[str, Box], begin: str, end: str) -> Array:
    """Return the straight way from the foot of a box to the head of another. (2, 2)"""
    start, stop = boxes[begin], boxes[end]
    return np.array([(start.x, start.y - HEIGHT / 2), (stop.x, stop.y + HEIGHT / 2)])


def _sidestep(boxes: dict[str, Box], ways: dict[tuple[str, str], Array]) -> None:
    """Lead the ways that would run through boxes around their side, each in a lane of its own where they overlap."""
    taken: list[tuple[float, int, int]] = []  # x, first and last level
    for (begin, end), way in sorted(ways.items(), key=_length_of(boxes)):
        start, stop = boxes[begin], boxes[end]
        between = [box for box in boxes.values() if start.level < box.level < stop.level]
        if not any(_crosses(way, box) for box in between):
            continue
        side = -1 if start.tint == "input" else 1
        x = side * max(side * box.x + box.width / 2 for box in boxes.values() if start.level <= box.level <= stop.level)
        x += side * LANE
        while any(abs(x - lane) < LANE * 0.9 and a < stop.level and start.level < b for lane, a, b in taken):
            x += side * LANE
        taken.append((x, start.level, stop.level))
        ways[begin, end] = np.array([*_to_lane(boxes, start, x, side, -1), *_to_lane(boxes, stop, x, side, 1)[::-1]])


def _to_lane(boxes: dict[str, Box], box: Box, x: float, side: int, end: int) -> list[tuple[float, float]]:
    """Return the way from a box to the lane at x: out of its side, or past others of its foot (end -1) or head (1)."""
    if not any(other.level == box.level and side * (other.x - box.x) > 0 for other in boxes.values()):
        return [(box.x + side * box.width / 2, box.y), (x, box.y)]
    border = box.y + end * HEIGHT / 2
    return [(box.x, border), (box.x, border + end * DOWN / 2), (x, border + end * DOWN / 2)]


def _length_of(boxes: dict[str, Box]) -> Any:
    def length(item: tuple[tuple[str, str], Array]) -> int:
        begin, end = item[0]
        return boxes[end].level - boxes[begin].level

    return length


def _bends(way: Array) -> Array:
    """Return the four points of the curve that leaves downwards and arrives downwards. (4, 2)"""
    drop = np.array([0.0, (way[0, 1] - way[1, 1]) / 2])
    return np.array([way[0], way[0] - drop, way[1] + drop, way[1]])


def _crosses(way: Array, box: Box) -> bool:
    """Say whether the curve of a way meets a box or its margin."""
    t = np.linspace(0, 1, 60)[:, None]
    x, y = (np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3]) @ _bends(way)).T
    return bool(((abs(x - box.x) < box.width / 2 + 6) & (abs(y - box.y) < HEIGHT / 2 + 4)).any())


def _draw_way(ax: Axes, way: Array, scale: float, tint: str) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    ink, _ = ink_and_paper(ax)
    if len(way) == 2:
        path = Path(_bends(way), [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    else:
        points, codes = [way[0]], [Path.MOVETO]
        for before, corner, after in zip(way, way[1:], way[2:], strict=False):
            points += [corner - ROUND * np.sign(corner - before), corner, corner + ROUND * np.sign(after - corner)]
            codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
        path = Path([*points, way[-1]], [*codes, Path.LINETO])
    style: dict[str, Any] = {"linewidth": 1.1 * scale, "color": TINTS[tint] if tint else ink, "alpha": 0.75}
    arrow = "-|>,head_length=4,head_width=2.2"
    ax.add_patch(FancyArrowPatch(path=path, arrowstyle=arrow, mutation_scale=scale, zorder=1, capstyle="butt", **style))


def _draw_box(ax: Axes, box: Box, scale: float) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import FancyBboxPatch

    ink, paper = ink_and_paper(ax)
    color = np.array(to_rgb(TINTS[box.tint]))
    wash = {"learns": 0.14, "shared": 0.16, "plain": 0.10, "input": 0.0}[box.tint]
    fill = wash * color + (1 - wash) * np.array(to_rgb(paper))
    corner = (box.x - box.width / 2, box.y - HEIGHT / 2)
    style = f"round,pad=0,rounding_size={HEIGHT / 2 if box.tint == 'input' else 5}"
    patch = FancyBboxPatch(corner, box.width, HEIGHT, boxstyle=style, facecolor=fill, edgecolor=color, zorder=2)
    patch.set_linewidth(1.0 * scale)
    ax.add_patch(patch)
    middle: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 3, "color": ink}
    lift = 6.0 if box.facts else 0.0
    ax.text(box.x, box.y + lift, box.head, size=HEAD * scale, **middle)
    ax.text(box.x, box.y - 7.0, box.facts, size=FACTS * scale, alpha=0.7, **middle)

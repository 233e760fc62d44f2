"""Networks in the format of Pajek (.net).

Read here and not by networkx, whose reader gives the wrong graph without a word where a file has both arcs and edges,
lists of arcs, or two vertices of one label.
"""

from __future__ import annotations

import re
from typing import Any

from graphnn.datasets.assembly import assemble

TOKEN = re.compile(r'"([^"]*)"|(\S+)')
MOST_VERTICES = 10**7  # unlisted vertices count, so that one number could ask for any amount of memory
SECTIONS = ("*network", "*vertices", "*arcs", "*edges", "*arcslist", "*edgeslist")


def parse_pajek(text: str) -> Any:
    """Return the networkx graph that a text in Pajek's format describes.

    *Vertices n, then lines `number "label"`: nodes are called by their label, else by their number. *Arcs and *Edges,
    then lines `from to weight`, or *Arcslist and *Edgeslist, then lines `from to to ...`. The graph is directed if it
    has an arc, and an edge is then two arcs; it is a multigraph if edges are parallel. Pairs `key value` at the end of
    a line become attributes; coordinates and shapes are the drawing, and left out.
    Format: Mrvar & Batagelj, Pajek reference manual.

    Raises ValueError with the line for anything else: other sections, a second network, unknown or repeated numbers,
    labels of two vertices.

    >>> G = parse_pajek('*Vertices 3\\n1 "Ann"\\n2 "Bob"\\n*Edges\\n1 2 0.5')
    >>> list(G), G.edges["Ann", "Bob"]
    (['Ann', 'Bob', '3'], {'weight': 0.5})
    """
    section, count = "", None
    labels: dict[int, tuple[str, dict]] = {}
    arcs: list[tuple[int, int, dict]] = []
    edges: list[tuple[int, int, dict]] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = [quoted or word for quoted, word in TOKEN.findall(line)]
        if not words or line.startswith(("%", "/*")):
            continue
        if line.startswith("*"):
            section = words[0].lower()
            if section == "*vertices" and count is None and len(words) == 2 and words[1].isdecimal():
                count = int(words[1])
                if count > MOST_VERTICES:
                    raise ValueError(f"line {number}: {count} vertices are more than the {MOST_VERTICES} read here")
            elif section == "*vertices" or section not in SECTIONS or (section != "*network" and len(words) > 1):
                raise ValueError(
                    f"line {number}: {line.strip()!r} is not understood; wanted one network of *Vertices n, then "
                    "*Arcs, *Edges, *Arcslist or *Edgeslist; export the network, and one relation, alone"
                )
        elif section == "*vertices":
            _add_vertex(labels, words, count or 0, number)
        elif section in ("", "*network") or count is None:
            raise ValueError(f"line {number}: {line.strip()!r} comes before *Vertices n; begin with that")
        else:
            found = _links(words, section.endswith("list"), count, number)
            (arcs if section.startswith("*arcs") else edges).extend(found)
    if count is None:
        raise ValueError("there is no *Vertices n; begin with that")

    vertices = [labels.get(i, (str(i), {})) for i in range(1, count + 1)]
    links = arcs + edges
    if arcs:
        links += [(v, u, attributes) for u, v, attributes in edges if u != v]
    return assemble(vertices, [(vertices[u - 1][0], vertices[v - 1][0], a) for u, v, a in links], bool(arcs))


def _add_vertex(labels: dict[int, tuple[str, dict]], words: list[str], count: int, line: int) -> None:
    vertex = _vertex(words[0], count, line)
    if vertex in labels:
        raise ValueError(f"line {line}: vertex {vertex} comes a second time; give every vertex one line")
    drawn = 2
    while drawn < len(words) and isinstance(_value(words[drawn]), float):
        drawn += 1
    drawn += (len(words) - drawn) % 2  # what is left over by pairs is the shape
    labels[vertex] = (words[1] if len(words) > 1 else str(vertex), _pairs(words[drawn:]))


def _links(words: list[str], is_list: bool, count: int, line: int) -> list[tuple[int, int, dict]]:
    if len(words) < 2:
        raise ValueError(f"line {line}: {words[0]!r} is one vertex, wanted the two an edge joins")
    first = _vertex(words[0], count, line)
    if is_list:
        return [(first, _vertex(word, count, line), {}) for word in words[1:]]
    attributes: dict[str, Any] = {}
    if len(words) > 2:
        attributes["weight"] = _value(words[2])
        if len(words) % 2 == 0 or not isinstance(attributes["weight"], float):
            raise ValueError(
                f"line {line}: wanted from, to, weight and pairs of key and value; got {' '.join(words)!r}"
            )
    return [(first, _vertex(words[1], count, line), attributes | _pairs(words[3:]))]


def _vertex(word: str, count: int, line: int) -> int:
    if not word.isdecimal() or not 1 <= int(word) <= count:
        raise ValueError(f"line {line}: {word!r} is no vertex; there are {count}, from 1 to {count}")
    return int(word)


def _pairs(words: list[str]) -> dict[str, Any]:
    return {key: _value(value) for key, value in zip(words[::2], words[1::2], strict=True)}


def _value(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word

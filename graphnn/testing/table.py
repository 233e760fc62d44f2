"""The table of laws: what usually breaks each, what exempts from it, and on which graphs it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphnn.graph import Graph
from graphnn.testing import laws
from graphnn.testing.flavours import DEGENERATE, FLAVOURS, SEVERAL
from graphnn.testing.trial import Row


class LawBroken(AssertionError):
    """A layer breaks a law: the message says which, on which graphs, with the numbers, and what usually breaks it.

    .law: the name of the law;  .graphs: the name of the graphs

    >>> broken = LawBroken("Mine(2), on 'path': float32 stays float32, but ...", "float32 stays float32", "path")
    >>> broken.law, broken.graphs
    ('float32 stays float32', 'path')
    """

    def __init__(self, message: str, law: str, graphs: str):
        super().__init__(message)
        self.law, self.graphs = law, graphs

    def __reduce__(self) -> tuple:
        return LawBroken, (self.args[0], self.law, self.graphs)


RUNS = (
    "It must run on all of these graphs, empty ones too. What it reads besides nodes and arcs is asked for: "
    "attributes=['edges'], ['positions'], ['global_features'], ...; and it must return graphs or an array."
)

EXEMPTIONS = {
    "batch_statistics": "in training it sees the other graphs of the batch",
    "noisy": "in training its noise goes with the place of a row",
    "noisy_edges": "in training its noise goes with the place of an edge",
    "unsavable": "it holds what a checkpoint cannot name",
}


@dataclass(frozen=True)
class Law:
    """One law: the check, what usually breaks it, what exempts from it, and the flavours it is looked at on.

    Called with a row and graphs it returns nothing, or raises LawBroken; RuntimeError under python -O.

    >>> from graphnn import Dense
    >>> LAWS[6].name, LAWS[6].exemption(Row(Dense(2)))
    ('float32 stays float32', '')
    """

    check: Callable[[Row, list[Graph]], None]
    cause: str
    unless: tuple[str, ...] = ()
    flavours: tuple[str, ...] = tuple(FLAVOURS)
    runs_first: bool = False  # whether this law is the first to run the layer, so that what it raises is no law's fault

    @property
    def name(self) -> str:
        return self.check.__name__.replace("_", " ")

    def exemption(self, row: Row) -> str:
        """Return why the row need not keep this law, "" if it must."""
        return "; ".join(EXEMPTIONS[flag] for flag in self.unless if getattr(row, flag))

    def __call__(self, row: Row, graphs: list[Graph], place: str = "graphs") -> None:
        if not __debug__:
            raise RuntimeError("laws are assert statements, which python -O leaves out; run it without -O")
        try:
            self.check(row, graphs)
        except AssertionError as error:
            raise self._broken(row, place, str(error)) from None
        except Exception as error:  # whatever a layer raises, it raises where the law wants a number
            found = f"it raises {type(error).__name__}: {error}"
            if "traced edge weights" in found:
                found += " (or pass follows_weights=False)"
            written = "read-only" in found  # into what came in, which is what the law is about
            raise self._broken(row, place, found, RUNS if self.runs_first and not written else self.cause) from error

    def _broken(self, row: Row, place: str, found: str, cause: str = "") -> LawBroken:
        try:
            layer = repr(row.layer)
        except Exception:  # a layer that cannot be printed breaks a law, and is still to be called something
            layer = type(row.layer).__name__
        message = f"{layer}, on the graphs {place!r}: {self.name}, but {found.rstrip('.')}.\n{cause or self.cause}"
        return LawBroken(message, self.name, place)

    def __repr__(self) -> str:
        return f"Law({self.name!r})"


LAWS = (
    Law(
        laws.its_settings_are_all_it_is,
        "Usually a class that is no frozen dataclass, a setting computed or changed when the layer is made (compute it "
        "in forward), an array or a lambda as a setting, or a class inside a function. If it need not be saved, pass "
        "unsavable=True.",
        ("unsavable",),
        ("path",),
    ),
    Law(
        laws.a_call_changes_nothing,
        "Usually an assignment into an array, `h += ...`, `h[0] = ...`, or something kept on self.",
        runs_first=True,
    ),
    Law(
        laws.numbers_are_finite_and_no_warning_is_given,
        "Usually a division by a degree or a size that is 0, a log, root or norm at 0, or a maximum over nothing; "
        "gn.ops.reciprocal, gn.ops.sqrt and gn.ops.segment_* are 0 there.",
        flavours=DEGENERATE,
    ),
    Law(
        laws.init_repeats_and_layers_added_behind_change_nothing,
        "Usually an initializer that draws from numpy.random instead of the generator it is given.",
        flavours=("path", "mixed"),
    ),
    Law(
        laws.the_same_call_gives_the_same_bits,
        "Usually noise from numpy.random; ask params.rng() for it, in training only.",
    ),
    Law(
        laws.every_node_edge_or_graph_has_its_row,
        "Usually a sum over all rows instead of gn.ops.segment_sum(h, graphs.node_segments), or a layer of another "
        "level: pass level='node', 'edge' or 'graph'.",
        flavours=("mixed", "directed", "empty_last"),
    ),
    Law(
        laws.float32_stays_float32,
        "Usually an array made with np.ones or np.zeros in forward; give it dtype=h.dtype.",
    ),
    Law(
        laws.three_layouts_agree,
        "Usually a kernel used behind the back of graphs.propagate, or a case for one layout.",
    ),
    Law(
        laws.permuting_nodes_permutes_rows,
        "Usually the number of a node taken for a feature, or a node that is found by its place. Noise that goes with "
        "the place of a row is exempt: noisy=True.",
        ("noisy",),
    ),
    Law(
        laws.the_order_of_edges_does_not_matter,
        "Usually the last or first edge of a node taken for all of them (`h[receivers] = ...`), or edges paired by "
        "their place. Noise that goes with the place of an edge is exempt: noisy_edges=True.",
        ("noisy_edges",),
    ),
    Law(
        laws.the_order_of_graphs_permutes_blocks,
        "Usually the number of a graph taken for a feature, or all graphs compared with the first.",
        ("noisy",),
    ),
    Law(
        laws.a_graph_does_not_see_its_neighbours_in_the_batch,
        "Usually a mean or softmax over all nodes instead of those of each graph (graphs.node_segments). Statistics of "
        "the batch in training are exempt: batch_statistics=True.",
        ("batch_statistics", "noisy"),
    ),
    Law(
        laws.a_mini_batch_equals_packing_those_graphs_anew,
        "Usually something remembered of the whole batch, or read from a private part of `graphs.packed`.",
        flavours=SEVERAL,
    ),
    Law(
        laws.a_batch_of_no_graphs_works,
        "Usually graphs.graphs[0], or a maximum over an axis of length 0.",
        flavours=("mixed",),
    ),
    Law(
        laws.a_gradient_changes_no_number_and_is_that_of_autograd,
        "Usually a layer that asks whether it is being traced.",
    ),
    Law(
        laws.the_adjoint_is_the_adjoint,
        "Usually a primitive of your own whose jvp does not belong to its vjp.",
    ),
    Law(
        laws.gradients_match_finite_differences_to_second_order,
        "Usually a gradient that was cut (plain numpy, stop_gradient, int, round), a primitive of your own, or a kink "
        "right at these numbers, such as relu at exactly 0.",
        flavours=("mixed", "directed"),
    ),
)

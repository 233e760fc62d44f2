"""Data: small real sets that come with the package, and readers of tables and graph files, one file a format."""

from graphnn.datasets.attributes import GraphFeatures
from graphnn.datasets.edge_list import read_edge_list
from graphnn.datasets.embedded import Alkanes, alkanes, karate
from graphnn.datasets.graph_files import read_graph, read_graph_folder
from graphnn.datasets.tables import Table, Targets, read_table, targets
from graphnn.datasets.tu import TUData, read_tu

__all__ = [
    "Alkanes",
    "GraphFeatures",
    "TUData",
    "Table",
    "Targets",
    "alkanes",
    "karate",
    "read_edge_list",
    "read_graph",
    "read_graph_folder",
    "read_table",
    "read_tu",
    "targets",
]

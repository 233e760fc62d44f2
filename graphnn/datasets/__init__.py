"""Data: small real sets in the package, synthetic ones, published ones by name, and readers, one file a format."""

from graphnn.datasets.attributes import GraphFeatures
from graphnn.datasets.edge_list import read_edge_list
from graphnn.datasets.embedded import Alkanes, alkanes, karate
from graphnn.datasets.genes import GeneSets, Mutations, read_gene_network, read_gene_sets, read_mutations
from graphnn.datasets.graph_files import read_graph, read_graph_folder
from graphnn.datasets.idx import ImageData, read_idx, read_mnist
from graphnn.datasets.loading import MoleculeData, load
from graphnn.datasets.node_data import NodeData
from graphnn.datasets.npz import read_npz
from graphnn.datasets.pi_electrons import Hueckel, PiMolecules, hueckel, hueckel_molecules
from graphnn.datasets.planetoid import read_planetoid
from graphnn.datasets.random_scores import SCORES, random_graphs, scores
from graphnn.datasets.registry import REGISTRY
from graphnn.datasets.spiral_points import Spirals, spirals
from graphnn.datasets.tables import Table, Targets, read_table, targets
from graphnn.datasets.tu import TUData, read_tu

__all__ = [
    "REGISTRY",
    "SCORES",
    "Alkanes",
    "GeneSets",
    "GraphFeatures",
    "Hueckel",
    "ImageData",
    "MoleculeData",
    "Mutations",
    "NodeData",
    "PiMolecules",
    "Spirals",
    "TUData",
    "Table",
    "Targets",
    "alkanes",
    "hueckel",
    "hueckel_molecules",
    "karate",
    "load",
    "random_graphs",
    "read_edge_list",
    "read_gene_network",
    "read_gene_sets",
    "read_graph",
    "read_graph_folder",
    "read_idx",
    "read_mnist",
    "read_mutations",
    "read_npz",
    "read_planetoid",
    "read_table",
    "read_tu",
    "scores",
    "spirals",
    "targets",
]

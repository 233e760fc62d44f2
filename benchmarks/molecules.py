"""How fast do molecules come in and predictions go out? Featurise and pack 10 000, then predict them.

Molecules: a column of SMILES, repeated or cut to 10 000 rows; by default the 150 alkanes inside the package, which are
small; name a table and its column for others. Needs RDKit (extra chem). Process time, so that other jobs do not count.

Run:  OMP_NUM_THREADS=1 python benchmarks/molecules.py [TABLE COLUMN]     # some seconds
      python benchmarks/molecules.py --smoke                              # 200 molecules, for CI
"""

from __future__ import annotations

import itertools
import sys
import time

import numpy as np

import graphnn as gn


def seconds(function):
    """What a function returns, and its process time."""
    start = time.process_time()
    out = function()
    return out, time.process_time() - start


def main(arguments):
    count = 200 if "--smoke" in arguments else 10_000
    names = [a for a in arguments if a != "--smoke"]
    column = gn.datasets.read_table(names[0]).column(names[1]) if names else gn.datasets.alkanes().smiles
    smiles = list(itertools.islice(itertools.cycle(column), count))
    print(f"{count} molecules")
    for featurizer in (gn.chem.DuvenaudFeatures(), gn.chem.DMPNNFeatures()):
        molecules, reading = seconds(lambda f=featurizer: gn.chem.from_smiles(smiles, f))
        batch, packing = seconds(lambda graphs=molecules.graphs: gn.pack(graphs, dtype=np.float32))
        print(f"{type(featurizer).__name__:20} {reading:6.2f} s to featurise, {packing:5.2f} s to pack")
    model = gn.models.gin(1, edges=True)
    params = model.init(0, batch[:2])
    gn.predict(model, params, batch, batch_size=512)
    _, taken = seconds(lambda: gn.predict(model, params, batch, batch_size=512))
    print(f"one network (gin, width 64, depth 3): {count / taken:.0f} molecules a second once packed")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Draw docs/pictures/spectrum.png: the eigenvalues of the Hessian before and after training a graph network.

Run:  python docs/pictures/spectrum.py      # from the root of the repository; some seconds on one core
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

import graphnn as gn

EPOCHS = 600

data = gn.datasets.alkanes()
batch, y = gn.pack(data.graphs), data.boiling_points
model = gn.models.gcn(1, width=16, depth=2)


def loss(params):
    return gn.mean_squared_error(model(params, batch), y)


def main():
    start = gn.set_target_scale(model.init(0, batch), y)
    trained, _ = gn.fit(model, start, batch, y, optimizer=gn.adam(gn.schedules.Cosine(1e-2, EPOCHS)), epochs=EPOCHS)
    figure = Figure(figsize=(9.2, 3.3), dpi=110, layout="constrained")
    for ax, params, title in zip(
        figure.subplots(1, 2), (start, trained), ("Before training", "After training"), strict=True
    ):
        spectrum = gn.spectral_density(loss, params)
        spectrum.plot(ax=ax, title=f"{title}, loss {loss(params):.0f} °C²")
        values, _ = gn.hessian_eigenvalues(loss, params, k=4, which="both")
        print(title, spectrum, values.round(3))
    figure.savefig(Path(__file__).with_suffix(".png"), metadata={"Software": None})


if __name__ == "__main__":
    main()

"""Draw docs/pictures/landscape.png: the loss around a training of a graph network on boiling points of alkanes.

Left the plane in which the training moved most, as contours with the way it took; right the same surface in space.

Run:  python docs/pictures/landscape.py      # from the root of the repository; a minute on one core
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

import graphnn as gn

EPOCHS, POINTS = 600, 45

data = gn.datasets.alkanes()
batch, y = gn.pack(data.graphs), data.boiling_points
model = gn.models.gcn(1, width=16, depth=2)


def loss(params):
    return gn.mean_squared_error(model(params, batch), y)


def main():
    trajectory = gn.Trajectory()
    gn.fit(
        model,
        model.init(0, batch),
        batch,
        y,
        optimizer=gn.adam(gn.schedules.Cosine(1e-2, EPOCHS)),
        epochs=EPOCHS,
        callbacks=[trajectory],
    )
    plane = trajectory.plane()
    surface = gn.loss_landscape(loss, plane.center, plane.directions, plane.spans(POINTS), progress=True)
    print(plane)
    print(surface)
    axes = [
        f"{place} component, {100 * share:.0f} % of the way"
        for place, share in zip(("first", "second"), plane.explained, strict=True)
    ]
    figure = Figure(figsize=(9.2, 4.3), dpi=102)
    left, right = figure.add_gridspec(
        1, 2, width_ratios=(1, 1.1), left=0.07, right=0.97, bottom=0.22, top=0.92, wspace=0.02
    )
    flat = figure.add_subplot(left)
    surface.plot(ax=flat, path=plane.path, axes=axes, name="mean squared error (°C²)", title="The way of a training")
    relief = figure.add_subplot(right, projection="3d")
    relief.set_box_aspect((1, 1, 0.8), zoom=1.12)
    surface.plot(
        ax=relief, relief=True, path=plane.path, axes=axes, name="mean squared error (°C²)", title="in its landscape"
    )
    figure.savefig(Path(__file__).with_suffix(".png"), metadata={"Software": None}, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()

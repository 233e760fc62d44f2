"""The picture of a comparison: how many times as long as graphnn every peer takes, workload by workload."""

from __future__ import annotations

from graphnn.insight.lettering import TEXT_SIZE, TRAIN, VALIDATION, entitle, log_ticks, prepare

HEIGHTS = (7, -13, 17, -23)  # where a name may stand over its mark, in points


def draw(rows, path):
    """rows: (label, our milliseconds, those of every peer by name), from top to bottom."""
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    figure = Figure(figsize=(8.0, 0.6 * len(rows) + 1.1), layout="constrained", dpi=110)
    ax = figure.subplots()
    ink, paper = prepare(ax, "time of a training step, as a multiple of graphnn's", "")
    ratios = [peer / ours for _, ours, peers in rows for peer in peers.values()]
    low, high = min([0.8, *ratios]) / 1.3, max([2.0, *ratios]) * 1.3
    ax.set(xscale="log", xlim=(low, high), ylim=(-0.6, len(rows) - 0.4))
    log_ticks(ax.xaxis, low, high)
    ax.axvline(1, color=ink, linewidth=1)
    ax.set_yticks(range(len(rows)), [f"{label}: {ours:.3g} ms" for label, ours, _ in reversed(rows)])
    names = []
    for row, (_, ours, peers) in enumerate(reversed(rows)):
        ax.axhline(row, color=ink, alpha=0.12, linewidth=0.7, zorder=0)
        for name, ms in sorted(peers.items(), key=lambda item: item[1]):
            color = TRAIN if ms >= ours else VALIDATION
            ax.plot(ms / ours, row, "o", color=color, markersize=6)
            names.append(ax.annotate(name, (ms / ours, row), (0, 0), textcoords="offset points", ha="center",
                                     size=TEXT_SIZE - 1, color=color,
                                     path_effects=[withStroke(linewidth=2.2, foreground=paper)]))  # fmt: skip
    entitle(ax, "Right of the line: slower than graphnn, whose milliseconds stand on the left")
    figure.draw_without_rendering()
    place(names)
    figure.savefig(path)


def place(names):
    """Move every name to the first height at which it covers none before it."""
    taken = []
    for name in names:
        for height in HEIGHTS:
            name.xyann = (0, height)
            box = name.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)

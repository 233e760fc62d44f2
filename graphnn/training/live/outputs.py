"""Where a picture is shown while a model trains: a window, the output of a notebook's cell, or a file.

The fourth place, a terminal, is in ``terminal``.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

DPI, FINAL_DPI = 100, 200
DESKTOP = ("qt", "tk", "gtk", "wx", "macosx")  # how the names of matplotlib's windowing backends begin
DEFAULT = Path("graphnn-live.png")
Size = tuple[float, float]


class Output:
    """A figure and the place where it is shown: what every output answers to, most of it with nothing to do."""

    figure: Any = None
    path: Path | None = None

    @property
    def watched(self) -> bool:
        """Whether anybody would see a drawing."""
        return True

    def paints(self, final: bool) -> bool:
        """Whether the panels are to be drawn on the figure."""
        return True

    def tell(self, view: Any, settings: Any, final: bool) -> None:
        """Say in words what the view shows."""

    def show(self, final: bool) -> None:
        """Show the figure as it is now; ``final`` if it may be the last time."""

    def finish(self) -> None:
        """Leave the figure in the path, if there is one, in full resolution."""
        if self.path is not None:
            _replace(self.figure, self.path, FINAL_DPI)

    def breathe(self) -> None:
        """Answer the mouse."""

    def wait(self) -> None:
        """Wait until the user has seen enough."""

    def leave(self) -> None:
        """Leave nothing open."""


class File(Output):
    """A file, replaced at every drawing; the last one in twice the resolution.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     File((2.0, 1.0), Path(folder, "live.png")).show(final=False)
    ...     os.listdir(folder)
    ['live.png']
    """

    def __init__(self, size: Size, path: Path | None) -> None:
        self.figure = canvas(size)
        self.path: Path = (path or DEFAULT).absolute()

    def show(self, final: bool) -> None:
        """Replace the file; the last time ``finish`` does."""
        if not final:
            _replace(self.figure, self.path, DPI)


class Notebook(Output):
    """One output of one cell, updated in place; the shell calls ``refresh`` at the end of every cell."""

    def __init__(self, size: Size, path: Path | None, shell: Any, refresh: Callable[..., None]) -> None:
        self.figure, self.path = canvas(size), path
        self.shell, self.refresh = shell, refresh
        self.identity = f"graphnn-live-{os.urandom(8).hex()}"
        self.begun = self.sharp = False
        shell.events.register("post_run_cell", refresh)

    def show(self, final: bool) -> None:
        """Display the figure, or put it in the place of the one before."""
        from IPython.display import Image, display, update_display

        png = BytesIO()
        _save(self.figure, png, ".png", FINAL_DPI if final else DPI)
        image = Image(data=png.getvalue(), format="png", width=round(self.figure.get_figwidth() * DPI))
        if self.begun:
            update_display(image, display_id=self.identity)
        else:
            display(image, display_id=self.identity)
        self.begun, self.sharp = True, final

    def finish(self) -> None:
        """Leave the figure in full resolution, here and in the path."""
        if not self.sharp:
            self.show(final=True)
        super().finish()

    def leave(self) -> None:
        """Let the shell go."""
        self.shell.events.unregister("post_run_cell", self.refresh)


class Window(Output):
    """A window of the desktop; ``point_out(x, y)`` says whether a mouse there has changed the figure."""

    def __init__(self, size: Size, path: Path | None, point_out: Callable[[float, float], bool]) -> None:
        from matplotlib import pyplot

        self.pyplot, self.path, self.point_out = pyplot, path, point_out
        before = pyplot.gcf().number if pyplot.get_fignums() else None
        with plain_style():
            self.figure = pyplot.figure(figsize=size, dpi=DPI)
        if before is not None:
            pyplot.figure(before)  # plt.plot goes on drawing where it drew before
        if self.figure.canvas.required_interactive_framework is None:
            self.leave()
            raise RuntimeError("the display does not answer")
        self.begun = False
        self.figure.canvas.mpl_connect("motion_notify_event", self.follow)

    @property
    def watched(self) -> bool:
        """False once the user has closed the window."""
        return bool(self.pyplot.fignum_exists(self.figure.number))

    def show(self, final: bool) -> None:
        """Draw in the window, which opens with the first drawing."""
        if not self.watched:
            return
        if not self.begun:
            self.figure.canvas.manager.set_window_title("graphnn")
            self.figure.canvas.manager.show()
            self.begun = True
        self.figure.canvas.draw()

    def breathe(self) -> None:
        """Answer the mouse."""
        if self.watched:
            self.figure.canvas.flush_events()

    def follow(self, event: Any) -> None:
        """Draw again if the mouse has changed the figure."""
        if self.point_out(event.x, event.y):
            self.figure.canvas.draw_idle()

    def wait(self) -> None:
        """Wait until the user closes the window."""
        if self.watched:
            self.pyplot.show(block=True)

    def leave(self) -> None:
        """Close the window."""
        self.pyplot.close(self.figure)


def open_output(
    size: Size, path: Path | None, point_out: Callable[[float, float], bool], refresh: Callable[..., None]
) -> Output:
    """Return a window if there can be one, else a notebook's output, else a file.

    size: width and height of the figure in inches. The rest is said at the three classes.
    """
    if _has_desktop():
        try:
            return Window(size, path, point_out)
        except Exception as error:
            warnings.warn(
                f"LivePlot could open no window and writes {path or DEFAULT} instead: {type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=6,
            )
            return File(size, path)
    shell = _notebook_shell()
    return File(size, path) if shell is None else Notebook(size, path, shell, refresh)


def plain_style() -> Any:
    """matplotlib's own defaults for the time of a drawing: the picture looks the same under all rcParams.

    >>> with plain_style():
    ...     pass
    """
    from matplotlib import style

    return style.context("default")


def _has_desktop() -> bool:
    """Say whether matplotlib would open windows here; without a display pyplot is not imported to ask it."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    if threading.current_thread() is not threading.main_thread():
        return False  # no windowing toolkit bears being called from another thread
    import matplotlib

    return matplotlib.get_backend().lower().startswith(DESKTOP)


def _notebook_shell() -> Any:
    """The IPython shell of a notebook's kernel, or None anywhere else."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


def canvas(size: Size) -> Any:
    """A figure that pyplot knows nothing about.

    >>> float(canvas((2.0, 1.0)).get_figheight())
    1.0
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with plain_style():
        figure = Figure(figsize=size, dpi=DPI)
        FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, target: Path | BytesIO, suffix: str, dpi: int) -> None:
    # zlib's fastest level: the file is a tenth larger and written in less time.
    quick: dict[str, Any] = {"pil_kwargs": {"compress_level": 1}} if suffix == ".png" else {}
    figure.savefig(target, format=suffix[1:], dpi=dpi, **quick)


def check_place(path: Path) -> None:
    """Raise the OSError that writing a picture there would raise.

    >>> check_place(Path("live.png"))
    """
    folder = path.absolute().parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent  # what is missing will be made
    if path.is_dir() or not folder.is_dir():
        culprit = "it is no file" if path.is_dir() else f"{folder} is no folder"
        raise NotADirectoryError(f"LivePlot: path={str(path)!r}: {culprit}; give another place for the picture.")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"LivePlot: path={str(path)!r} cannot be written in {folder}; give another place.")


def _replace(figure: Any, path: Path, dpi: int) -> None:
    """Write aside, then put in place in one step: who reads the file sees the old picture or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _save(figure, aside, path.suffix, dpi)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)

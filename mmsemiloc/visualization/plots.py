"""Plots as PNG bytes. Those with text are drawn for a light or a dark page."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can tell apart; lighter ones on dark pages.
LINES = {
    False: ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#7a6000'),
    True: ('#56b4e9', '#e69f00', '#2fcf9f', '#e6a3c8', '#f0e442'),
}
TEXT = {False: '#333333', True: '#d0d0d0'}
STYLES = ('-', '--', '-.', ':')


def to_png(figure: Figure, dpi: int = 150, transparent: bool = True) -> bytes:
    """PNG of a figure, with a transparent or a white background."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=dpi, transparent=transparent)
    return buffer.getvalue()


Lines = Mapping[str, Sequence[Sequence[float]]]


def draw_lines(axes: Axes, lines: Lines, levels: Mapping[str, float], dark: bool) -> None:
    """Lines and horizontal grey ones in a panel; see :func:`curve_plot`."""
    for i, (name, points) in enumerate(lines.items()):
        if not points:
            continue
        axes.plot(
            *zip(*points, strict=True),
            STYLES[i % len(STYLES)],
            color=LINES[dark][i % len(LINES[dark])],
            label=name,
            marker='o' if len(points) == 1 else None,
        )

    # Values to compare with.
    for name, level in levels.items():
        axes.axhline(level, color=TEXT[dark], linewidth=1, linestyle=':', label=name)

    # Quiet axes, in the colour of the page's text.
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['left', 'bottom']].set_color(TEXT[dark])
    axes.tick_params(colors=TEXT[dark], labelsize=8)
    axes.grid(alpha=0.25)


def curve_plot(
    lines: Lines, dark: bool = False, label: str = 'step', levels: Mapping[str, float] = {}
) -> bytes:
    """Lines over optimizer steps.

    Args:
        lines: For each name a list of [step, value]; one without values has no line, but its colour
            stays its own.
        dark: Whether the page is dark.
        label: What the horizontal axis shows.
        levels: Values to compare with, by name.
    """
    figure = Figure(figsize=(3.6, 2.3), layout='constrained')
    axes = figure.add_subplot()
    draw_lines(axes, lines, levels, dark)
    axes.set_xlabel(label, color=TEXT[dark])
    figure.legend(
        loc='outside upper right', ncols=3, fontsize=8, frameon=False, labelcolor=TEXT[dark]
    )
    return to_png(figure)


def number_plot(lines: Lines, x_label: str, y_label: str) -> bytes:
    """Lines over a few numbers of at least 1, such as 1, 2, 4, on a logarithmic axis and white.

    Args:
        lines: For each name a list of [number, value]; one without values is left out.
        x_label: What the horizontal axis shows.
        y_label: What the vertical axis shows.
    """
    figure = Figure(figsize=(7, 4), layout='constrained')
    axes = figure.add_subplot()
    draw_lines(axes, {name: points for name, points in lines.items() if points}, {}, dark=False)
    for line in axes.get_lines():
        line.set_marker('o')
        line.set_markersize(4)

    numbers = sorted({int(number) for points in lines.values() for number, _ in points})
    axes.set_xscale('log')
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.minorticks_off()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    figure.legend(loc='outside right center', fontsize=8, frameon=False)
    return to_png(figure, transparent=False)


def panels_plot(panels: Mapping[str, tuple[Lines, Mapping[str, float]]], label: str) -> bytes:
    """Panels with lines side by side, on white.

    Args:
        panels: For each title the lines and the levels of :func:`curve_plot`.
        label: What the horizontal axes show.
    """
    figure = Figure(figsize=(3 * len(panels), 2.6), layout='constrained')

    # Lines of the same name share one entry of the legend.
    handles: dict[str, Artist] = {}
    for i, (title, (lines, levels)) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), i + 1)
        draw_lines(axes, lines, levels, dark=False)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(label)
        handles.update(
            {name: handle for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
        )

    figure.legend(
        list(handles.values()),
        list(handles),
        loc='outside lower center',
        ncols=6,
        fontsize=8,
        frameon=False,
    )
    return to_png(figure, transparent=False)


def seed_plot(metrics: Mapping[str, Mapping[str, Sequence[float]]]) -> bytes:
    """One panel per metric, one row per config: a dot for each seed, a bar at their mean, on white.

    Args:
        metrics: For each metric, by what it is called, the values of each config, at least one; all
            have the same configs.
    """
    names = list(next(iter(metrics.values())))
    figure = Figure(
        figsize=(3.6 + 2.8 * len(metrics), 0.7 + 0.35 * len(names)), layout='constrained'
    )
    for column, (label, values) in enumerate(metrics.items()):
        axes = figure.add_subplot(1, len(metrics), column + 1)
        for row, points in enumerate(values.values()):
            axes.scatter(
                points, [row] * len(points), color=LINES[False][0], alpha=0.6, linewidths=0
            )
            axes.plot(
                [np.mean(points)] * 2, [row - 0.3, row + 0.3], color=LINES[False][1], linewidth=2.5
            )

        # The configs have their names beside the first panel only.
        axes.set_yticks(range(len(names)), names if column == 0 else [''] * len(names))
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.spines[['top', 'right']].set_visible(False)
        axes.grid(axis='x', alpha=0.25)

    figure.supxlabel('dots: seeds, bars: means', fontsize=8)
    return to_png(figure, transparent=False)


def confusion_plot(
    counts: np.ndarray, classes: Sequence[str] | np.ndarray, dark: bool = False
) -> bytes:
    """Confusion matrix, rows in % of the images of the true class.

    Numbers only where there is room for them.

    Args:
        counts: (C, C), row the true class, column the predicted one.
        classes: C names.
        dark: Whether the page is dark.
    """
    share = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = Figure(figsize=(4, 4), layout='constrained')
    axes = figure.add_subplot()
    axes.imshow(share, cmap='viridis' if dark else 'Blues', vmin=0, vmax=100)

    # More classes have no room for numbers.
    if len(classes) <= 20:
        # Names that would touch each other lie askew: about 45 characters fit below the matrix.
        crowded = len(classes) * max(len(name) for name in classes) > 45
        slope: dict = dict(rotation=45, ha='right', rotation_mode='anchor') if crowded else {}
        axes.set_xticks(range(len(classes)), classes, **slope)
        axes.set_yticks(range(len(classes)), classes)
        for (row, column), value in np.ndenumerate(share):
            bright = (value >= 50) == dark  # whether the colour of the cell is
            axes.text(
                column,
                row,
                f'{value:.0f}',
                ha='center',
                va='center',
                fontsize=8,
                color='#222' if bright else '#fff',
            )

    axes.set_xlabel('predicted class', color=TEXT[dark])
    axes.set_ylabel('true class', color=TEXT[dark])
    axes.tick_params(colors=TEXT[dark], labelsize=8, length=0)
    axes.spines[:].set_visible(False)
    return to_png(figure)


def batch_plot(
    images: np.ndarray, titles: Sequence[str], marked: Sequence[bool], columns: int = 8
) -> bytes:
    """Images with titles in a grid, on white; the marked ones in a green frame, the others in a
    grey one.

    Args:
        images: RGB uint8 (N, H, W, 3).
        titles: N texts above them.
        marked: N times whether an image is marked.
        columns: Images in a row.
    """
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.3 * columns, 1.5 * rows), layout='constrained')

    for i, (image, title, mark) in enumerate(zip(images, titles, marked, strict=True)):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.imshow(image)
        axes.set_title(title, fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])

        for spine in axes.spines.values():
            spine.set(edgecolor='#009e73' if mark else '#aaaaaa', linewidth=3)
    return to_png(figure, dpi=110, transparent=False)

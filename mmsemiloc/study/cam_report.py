"""Tables, plots and pages that show how the maps of checkpoints change."""

import csv
import functools
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from mmsemiloc.study.cam_analysis import Moment, Values, short_name
from mmsemiloc.study.report import embed, embed_both, page, table_html, versions
from mmsemiloc.study.tables import Table
from mmsemiloc.visualization.plots import Lines, curve_plot, panels_plot

COLUMNS = {
    'accuracy': 'accuracy',
    'MaxBoxAccV2': 'MaxBoxAccV2',
    'in_box': 'in box',
    'pointing': 'pointing',
    'area': 'area',
}
# Title and explanation of what is followed over a training, and the baseline to compare it with.
PANELS = {
    'accuracy': ('Accuracy, %', 'Images that are classified right.', None),
    'MaxBoxAccV2': (
        'MaxBoxAccV2, %',
        'Images with a box around the map that fits the true one, a mean over three demands on '
        'the fit, each with the threshold that is best on these images.',
        'centre map',
    ),
    'in_box': (
        'In box, %',
        'Mean share of the map’s positive values inside the true box.',
        'uniform map',
    ),
    'area': (
        'Area, %',
        'Mean share of the map above half of its maximum. A map may be small and wrong: read it '
        'beside the others.',
        None,
    ),
}
MEASURED = """In %, of the activation map of the class that the model predicts, right or wrong, on the same {images} images.
<b>MaxBoxAccV2</b>: images with a box around the map that fits the true one. <b>In box</b>: mean share of the map's positive
values inside the true box. <b>Pointing</b>: images whose map has its maximum in a true box. <b>Area</b>: mean share of the map
above half of its maximum. A uniform map and one that falls off from the centre show what maps without any idea of the place
have."""
STRIPS = """Some images, the classes evenly and not picked by hand. Green: the true box, if there is one.
Bright yellow: where the map is strongest; each map is scaled to its own largest value. {columns}"""


def cam_table(
    moments: Sequence[Moment], knowing_nothing: Mapping[str, Values], split: str, images: int
) -> Table:
    """One row a checkpoint, and one for each map that knows nothing; size and correctness side by
    side.
    """

    def cells(values: Values) -> list[str]:
        return ['–' if values[name] is None else f'{values[name]:.1f}' for name in COLUMNS]

    rows = [
        [moment.run, short_name(moment.checkpoint), *cells(moment.values)] for moment in moments
    ]
    rows += [[name, '–', *cells(values)] for name, values in knowing_nothing.items()]
    title = f'{split} split, {images} images, maps of the predicted class, %'
    return Table(title, ['run', 'checkpoint', *COLUMNS.values()], rows)


def write_cam_csv(
    moments: Sequence[Moment], knowing_nothing: Mapping[str, Values], path: Path
) -> None:
    """Write the table's rows with all digits; what is not known is empty."""
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, ['run', 'checkpoint', 'iter', *COLUMNS])
        writer.writeheader()
        writer.writerows(
            dict(run=m.run, checkpoint=m.checkpoint, iter=m.iteration, **m.values) for m in moments
        )
        writer.writerows(dict(run=name, **values) for name, values in knowing_nothing.items())


def by_run(moments: Sequence[Moment]) -> tuple[dict[str, list[dict]], str]:
    """For each run its values with the ``step`` of each, and what a step is.

    Returns:
        Rows by run, and 'iteration', or 'checkpoint' where a file does not say how long it was
        trained for.
    """
    known = all(moment.iteration is not None for moment in moments)
    rows: dict[str, list[dict]] = {}
    for moment in moments:
        points = rows.setdefault(moment.run, [])
        points.append(dict(step=moment.iteration if known else len(points) + 1, **moment.values))
    return rows, 'iteration' if known else 'checkpoint'


def panels(
    rows: Mapping[str, Sequence[Mapping]], knowing_nothing: Mapping[str, Values] = {}
) -> dict[str, tuple[Lines, Mapping[str, float]]]:
    """What :func:`panels_plot` draws, by the key of ``PANELS``; a value that no run has is left
    out.

    Args:
        rows: For each run, values by name with their ``step``.
        knowing_nothing: Values of maps that know nothing.
    """
    drawn: dict[str, tuple[Lines, Mapping[str, float]]] = {}
    for name, (_, _, baseline) in PANELS.items():
        lines = {
            run: [[row['step'], row[name]] for row in points if row[name] is not None]
            for run, points in rows.items()
        }
        level = knowing_nothing.get(baseline or '', {}).get(name)
        if any(lines.values()):
            drawn[name] = (lines, {} if level is None else {str(baseline): level})
    return drawn


def evolution_plot(moments: Sequence[Moment], knowing_nothing: Mapping[str, Values]) -> bytes:
    """Accuracy, MaxBoxAccV2, share in the box and area over the checkpoints, a line each run, as
    PNG on white.
    """
    rows, label = by_run(moments)
    return panels_plot(
        {PANELS[name][0]: panel for name, panel in panels(rows, knowing_nothing).items()}, label
    )


def evolution_cards(
    rows: Mapping[str, Sequence[Mapping]], label: str, knowing_nothing: Mapping[str, Values] = {}
) -> str:
    """The same as HTML, for light and dark pages, with explanations."""
    cards = []
    for name, (lines, levels) in panels(rows, knowing_nothing).items():
        title, text, _ = PANELS[name]
        plot = embed_both(functools.partial(curve_plot, lines, label=label, levels=levels), title)
        cards.append(f'<div class="card"><h3>{title}</h3>{plot}<p>{text}</p></div>')
    return f'<div class="two">{"".join(cards)}</div>'


def strips_html(strips: Sequence[tuple[str, bytes]]) -> str:
    """Strips (PNG) under their names; each scrolls by itself on a narrow screen."""
    figures = [
        f'<figure><figcaption>{html.escape(name)}</figcaption><div '
        f'class="scroll">{embed(png, name)}</div></figure>'
        for name, png in strips
    ]
    return f'<div class="strips">{"".join(figures)}</div>'


def to_png(image: np.ndarray) -> bytes:
    """PNG of BGR uint8 (H, W, 3)."""
    return cv2.imencode('.png', image)[1].tobytes()


def cam_page(
    moments: Sequence[Moment],
    strips: Sequence[tuple[str, bytes]],
    table: Table | None = None,
    knowing_nothing: Mapping[str, Values] = {},
    images: int = 0,
) -> str:
    """A page with the table, the plots and the strips.

    Args:
        moments: The checkpoints.
        strips: Name of each image, and its strip as PNG.
        table: The values; None for image files, of which there are pictures only.
        knowing_nothing: Values of maps that know nothing.
        images: How many images were scored.
    """
    runs = list(dict.fromkeys(moment.run for moment in moments))
    sections = []
    if table is not None:
        sections.append(('Size and correctness', MEASURED.format(images=images), table_html(table)))
        if len(moments) > len(runs):
            dotted = 'Dotted: a map without any idea of the place.' if knowing_nothing else ''
            sections.append(
                ('Over the training', dotted, evolution_cards(*by_run(moments), knowing_nothing))
            )
    columns = (
        'One column a run, at its last checkpoint.' if len(runs) > 1 else 'One column a checkpoint.'
    )
    sections.append(('The same images', STRIPS.format(columns=columns), strips_html(strips)))
    files = ''.join(
        f'<li>{html.escape(m.run)}: <code>{html.escape(str(m.checkpoint))}</code></li>'
        for m in moments
    )
    sections.append(('To repeat it', html.escape(versions()), f'<ul>{files}</ul>'))
    return page(
        'Class activation maps', f'Of {", ".join(runs)}, at {len(moments)} checkpoints.', sections
    )

"""Tables, plots and pages that show how the maps of checkpoints change."""

import functools
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmsemiloc.evaluation.image_scores import Values
from mmsemiloc.files import write_csv
from mmsemiloc.study.cam_checkpoints import CheckpointScores, short_name
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
    'accuracy': ('Accuracy, %', 'Images that are correctly classified.', None),
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
MEASURED = """\
In %, of the activation map of the class that the model predicts, correct or not, on
the same {images} images. <b>MaxBoxAccV2</b>: images with a box around the map that fits the true
one. <b>In box</b>: mean share of the map's positive values inside the true box.
<b>Pointing</b>: images whose map has its maximum in a true box. <b>Area</b>: mean share of the map
above half of its maximum. The uniform map and the centre map, which falls off from the centre, are
uninformed baselines: they do not depend on what an image shows."""
STRIPS = """\
Some images, the classes evenly and not picked by hand. Green: the true box, if there is one.
Bright yellow: where the map is strongest; each map is scaled to its own largest value. {columns}"""


def cam_table(
    scores: Sequence[CheckpointScores], baselines: Mapping[str, Values], split: str, images: int
) -> Table:
    """One row per checkpoint and uninformed baseline; size and correctness side by side."""

    def cells(values: Values) -> list[str]:
        return ['–' if values[name] is None else f'{values[name]:.1f}' for name in COLUMNS]

    rows = [[score.run, short_name(score.checkpoint), *cells(score.values)] for score in scores]
    rows += [[name, '–', *cells(values)] for name, values in baselines.items()]
    title = f'{split} split, {images} images, maps of the predicted class, %'
    return Table(title, ['run', 'checkpoint', *COLUMNS.values()], rows)


def write_cam_csv(
    scores: Sequence[CheckpointScores], baselines: Mapping[str, Values], path: Path
) -> None:
    """Write the table's rows with all digits; what is not known is empty."""
    rows: list[dict[str, object]] = [
        dict(run=score.run, checkpoint=score.checkpoint, iter=score.iteration, **score.values)
        for score in scores
    ]
    rows += [dict(run=name, **values) for name, values in baselines.items()]
    write_csv(path, rows, ['run', 'checkpoint', 'iter', *COLUMNS])


def by_run(scores: Sequence[CheckpointScores]) -> tuple[dict[str, list[dict]], str]:
    """For each run its values with the ``step`` of each, and what a step is.

    Returns:
        Rows by run, and 'iteration', or 'checkpoint' where a file does not say how long it was
        trained for.
    """
    known = all(score.iteration is not None for score in scores)
    rows: dict[str, list[dict]] = {}
    for score in scores:
        points = rows.setdefault(score.run, [])
        points.append(dict(step=score.iteration if known else len(points) + 1, **score.values))
    return rows, 'iteration' if known else 'checkpoint'


def panels(
    rows: Mapping[str, Sequence[Mapping]], baselines: Mapping[str, Values] = {}
) -> dict[str, tuple[Lines, Mapping[str, float]]]:
    """What :func:`panels_plot` draws, by the key of ``PANELS``.

    A value that no run has is left out.

    Args:
        rows: For each run, values by name with their ``step``.
        baselines: Values of the uninformed baselines.
    """
    drawn: dict[str, tuple[Lines, Mapping[str, float]]] = {}
    for name, (_, _, baseline) in PANELS.items():
        lines = {
            run: [[row['step'], row[name]] for row in points if row[name] is not None]
            for run, points in rows.items()
        }
        level = baselines.get(baseline or '', {}).get(name)
        if any(lines.values()):
            drawn[name] = (lines, {} if level is None else {str(baseline): level})

    return drawn


def evolution_plot(scores: Sequence[CheckpointScores], baselines: Mapping[str, Values]) -> bytes:
    """Accuracy, MaxBoxAccV2, share in the box and area over the checkpoints, as PNG on white.

    One line per run.
    """
    rows, label = by_run(scores)
    return panels_plot(
        {PANELS[name][0]: panel for name, panel in panels(rows, baselines).items()}, label
    )


def evolution_cards(
    rows: Mapping[str, Sequence[Mapping]], label: str, baselines: Mapping[str, Values] = {}
) -> str:
    """The same as HTML, for light and dark pages, with explanations."""
    cards = []
    for name, (lines, levels) in panels(rows, baselines).items():
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


def cam_page(
    scores: Sequence[CheckpointScores],
    strips: Sequence[tuple[str, bytes]],
    table: Table | None = None,
    baselines: Mapping[str, Values] = {},
    images: int = 0,
) -> str:
    """A page with the table, the plots and the strips.

    Args:
        scores: The checkpoints.
        strips: Name of each image, and its strip as PNG.
        table: The values; None for image files, of which there are pictures only.
        baselines: Values of the uninformed baselines.
        images: How many images were scored.
    """
    runs = list(dict.fromkeys(score.run for score in scores))
    sections = []

    # Of image files there are pictures only.
    if table is not None:
        sections.append(('Size and correctness', MEASURED.format(images=images), table_html(table)))
        if len(scores) > len(runs):
            dotted = 'Dotted: an uninformed baseline.' if baselines else ''
            sections.append(
                ('Over the training', dotted, evolution_cards(*by_run(scores), baselines))
            )

    columns = (
        'One column per run, at its last checkpoint.'
        if len(runs) > 1
        else 'One column per checkpoint.'
    )
    sections.append(('The same images', STRIPS.format(columns=columns), strips_html(strips)))

    # What was looked at, with all versions.
    files = ''.join(
        f'<li>{html.escape(score.run)}: <code>{html.escape(str(score.checkpoint))}</code></li>'
        for score in scores
    )
    sections.append(('To repeat it', html.escape(versions()), f'<ul>{files}</ul>'))

    return page(
        'Class activation maps', f'Of {", ".join(runs)}, at {len(scores)} checkpoints.', sections
    )

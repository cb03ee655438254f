"""A report of a study on one self-contained HTML page."""

import base64
import functools
import html
import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from mmsemiloc import __version__
from mmsemiloc.study.evaluate import Evaluation, confusion_matrix
from mmsemiloc.study.runs import Result
from mmsemiloc.study.tables import Table
from mmsemiloc.visualization.pictures import image_picture
from mmsemiloc.visualization.plots import confusion_plot, curve_plot

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 1100px; padding: 1rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
p { max-width: 46rem; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
.card { background: var(--soft); border-radius: 8px; padding: .8rem; } .card h3 { margin: 0 0 .4rem; font-size: 1rem; }
.card p { margin: .4rem 0 0; font-size: .87rem; } .card img { width: 100%; height: auto; display: block; }
.maps { display: grid; gap: .5rem; grid-template-columns: repeat(3, 1fr); } .maps figure { margin: 0; }
.maps:has(figure:nth-child(4):last-child) { grid-template-columns: repeat(2, 1fr); }
.maps img { border-radius: 4px; } figcaption { font-size: .8rem; line-height: 1.3; margin-top: .25rem; }
.two { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); max-width: 800px; }
.strips { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1rem; } .strips figure { margin: 0; max-width: 100%; }
.strips img { display: block; border-radius: 4px; }
.right { color: light-dark(#00703f, #4fd69c); } .wrong { color: light-dark(#b3261e, #ff9d94); }
@media (max-width: 600px) { th, td { padding: .3rem .4rem; font-size: .9rem; } }
pre { overflow-x: auto; font-size: .8rem; background: var(--soft); padding: .8rem; border-radius: 8px; }
"""

# Title and explanation of what is logged during training, in the order of the page.
CURVES = {
    'loss_ce': (
        'Cross-entropy (labelled images)',
        'How far the predictions are from the known labels. Lower is better.',
    ),
    'acc_labeled': (
        'Accuracy on labelled images, %',
        'On the training images with a label. Near 100 with a much lower '
        'accuracy above means that the labels are learnt by heart.',
    ),
    'loss_mel': (
        'Mean entropy × weight',
        'The penalty on doubtful predictions. It falls as the predictions get confident.',
    ),
    'loss_nbel': (
        'Negative batch entropy × weight',
        'The penalty on using few classes. Lowest if all classes are used alike.',
    ),
    'loss_locality': (
        'Locality × weight',
        'The structured-sparsity penalty on the activation maps.',
    ),
    'confidence': (
        'Mean confidence',
        'Mean probability of the predicted class, labelled images or not.',
    ),
    'batch_entropy': (
        'Entropy of the mean prediction',
        'The logarithm of the number of classes if all are used alike; 0 if '
        'all images get the same class.',
    ),
    'classes_used': (
        'Classes used',
        'Classes that some training image was given to. It falls if the predictions collapse.',
    ),
    'cam_area': (
        'Area of the activation map',
        'Share of the map above 20 % of its range. Small alone is not good: see the images.',
    ),
    'weight_mel': ('Weight of the mean entropy', 'The schedule of the penalty.'),
    'weight_nbel': ('Weight of the negative batch entropy', 'The schedule of the penalty.'),
    'weight_locality': ('Weight of the locality penalty', 'The schedule of the penalty.'),
}

RESULTS = """Measured on the {images} images of the {split} split, which no training has seen. <b>Accuracy</b>: images that are
classified right. <b>Classes used</b>: classes that at least one image was given to; few means that the predictions have
collapsed. A class activation map (CAM) shows where the network saw the class that it predicts. <b>MaxBoxAccV2</b>: images for
which a box around the map above some share of its maximum fits the true box, a mean over three demands on the fit (IoU 0.3,
0.5, 0.7), each with the share that is best on this split. <b>CAM in box</b>: mean share of the map's positive values inside the
true box. <b>CAM area</b>: mean share of the map above half of its maximum; small alone is not good, the map may cover one part
of the object. The last two rows are maps without any idea of the place: a uniform one has in the box what the box covers of
the image, and one that falls off from the centre has centred boxes of all sizes."""
EXAMPLES = """{examples} images of the {split} split, the classes evenly and not picked by hand. Green: the true
box, which no training has seen. Bright yellow: where the map of the predicted class is strongest; each map
is scaled to its own largest value. Below: the predicted class, its probability, and the share of the map inside the box."""
CONFUSION = """One row for each true class, in % of its images on the {split} split. A perfect classifier has 100 on the
diagonal."""
TRAINING = """What was logged during training, over optimizer steps. Losses are shown with their weight, as they were minimised,
so the size of a penalty grows while its weight is switched on. A model that is trained without a term has no line."""


@dataclass(frozen=True)
class Model:
    """One trained model on the page: its name there, result, predictions and config text."""

    title: str
    result: Result
    evaluation: Evaluation
    config: str


def embed(png: bytes, alt: str) -> str:
    """An image element that holds its data."""
    return (
        f'<img alt="{html.escape(alt)}" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    )


def embed_both(draw: Callable[[bool], bytes], alt: str) -> str:
    """A plot that is drawn for light and dark pages; the browser shows the one that fits."""
    dark = base64.b64encode(draw(True)).decode()
    return (
        '<picture><source media="(prefers-color-scheme: dark)" '
        f'srcset="data:image/png;base64,{dark}">{embed(draw(False), alt)}</picture>'
    )


def table_html(table: Table) -> str:
    """A table that scrolls by itself on a narrow screen."""
    head = ''.join(f'<th>{html.escape(column)}</th>' for column in table.columns)
    body = ''.join(
        '<tr>' + ''.join(f'<td>{html.escape(cell)}</td>' for cell in row) + '</tr>'
        for row in table.rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def example_card(models: Sequence[Model], index: int) -> str:
    """One image with its true box, and the map and prediction of each model."""
    first = models[0].evaluation
    image, boxes = first.examples.images[index], first.examples.boxes[index]
    classes = first.classes
    figures = [
        f'<figure>{embed(image_picture(image, boxes=boxes), f"image {index}")}<figcaption>image '
        f'{index}<br>true class {html.escape(classes[first.labels[index]])}</figcaption></figure>'
    ]
    for model in models:
        predicted = model.evaluation.predicted[index]
        mark = 'right' if predicted == model.evaluation.labels[index] else 'wrong'
        confidence = model.evaluation.probabilities[index].max()
        share = model.evaluation.cam_in_box[index]
        in_box = '' if math.isnan(share) else f'<br>{share:.0%} in box'
        cam = model.evaluation.examples.cams[index]
        shown = image_picture(image, None if np.isnan(cam).any() else cam, boxes)
        picture = embed(shown, f'{model.title}, image {index}')
        figures.append(
            f'<figure>{picture}<figcaption>{html.escape(model.title)}<br><span '
            f'class="{mark}">{mark}: {html.escape(classes[predicted])} '
            f'({confidence:.0%})</span>{in_box}</figcaption></figure>'
        )
    return f'<div class="card maps">{"".join(figures)}</div>'


def curve_cards(models: Sequence[Model]) -> str:
    """One plot for each logged loss, diagnostic and weight, with a line for each model that has it."""
    logged = dict.fromkeys(name for model in models for name in model.result.curves)
    others = [
        name for name in logged if name.startswith(('loss_', 'weight_')) and name not in CURVES
    ]
    cards = []
    for name in [*(name for name in CURVES if name in logged), *others]:
        lines = {model.title: model.result.curves.get(name, []) for model in models}
        title, text = CURVES.get(name, (name, 'As logged.'))
        plot = embed_both(functools.partial(curve_plot, lines), title)
        cards.append(
            f'<div class="card"><h3>{title}</h3>{plot}<p>{text} <code>{name}</code></p></div>'
        )
    return ''.join(cards)


def confusion_cards(models: Sequence[Model]) -> str:
    """One matrix a model."""
    cards = []
    for model in models:
        counts = confusion_matrix(model.evaluation)
        draw = functools.partial(confusion_plot, counts, model.evaluation.classes)
        plot = embed_both(draw, f'confusion matrix of {model.title}')
        cards.append(f'<div class="card"><h3>{html.escape(model.title)}</h3>{plot}</div>')
    return ''.join(cards)


def config_block(model: Model) -> str:
    """The text of a config, folded."""
    return (
        f'<details><summary>Config of {html.escape(model.title)}</summary>'
        f'<pre>{html.escape(model.config)}</pre></details>'
    )


def versions() -> str:
    """The versions that matter, for whoever wants to repeat the study."""
    names = ('torch', 'mmengine', 'mmcv', 'mmpretrain', 'numpy')
    packages = ', '.join(f'{name} {import_module(name).__version__}' for name in names)
    return (
        f'mmsemiloc {__version__}, Python {platform.python_version()}, {packages}; '
        f'{platform.platform()}'
    )


def page(title: str, introduction: str, sections: Sequence[tuple[str, str, str]]) -> str:
    """A page that needs no other file.

    Args:
        title: Its heading.
        introduction: Plain text.
        sections: Heading, explanation (HTML) and content (HTML) of each.
    """
    body = ''.join(
        f'<h2>{heading}</h2><p>{text}</p>{content}' for heading, text, content in sections
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{html.escape(title)}</title><style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>'
        f'<p>{html.escape(introduction)}</p>{body}</body></html>'
    )


def make_report(
    title: str,
    introduction: str,
    table: Table,
    models: Sequence[Model],
    more: Sequence[tuple[str, str, str]] = (),
) -> str:
    """The page.

    Args:
        title: Its heading.
        introduction: What was done, plain text.
        table: The results.
        models: The trained models; all evaluations are of the same images.
        more: Further sections as for :func:`page`, after the images.
    """
    examples = ''.join(
        example_card(models, index) for index in range(len(models[0].evaluation.examples.images))
    )
    sections = (
        ('Results', RESULTS, table_html(table)),
        ('The same images, all maps', EXAMPLES, f'<div class="grid">{examples}</div>'),
        (
            'Which classes are mixed up',
            CONFUSION,
            f'<div class="grid">{confusion_cards(models)}</div>',
        ),
        ('Training', TRAINING, f'<div class="grid">{curve_cards(models)}</div>'),
        ('To repeat it', html.escape(versions()), ''.join(config_block(model) for model in models)),
    )
    numbers = dict(
        split=models[0].result.split,
        images=len(models[0].evaluation.labels),
        examples=len(models[0].evaluation.examples.images),
    )
    written = [(heading, text.format(**numbers), content) for heading, text, content in sections]
    return page(title, introduction, [*written[:2], *more, *written[2:]])

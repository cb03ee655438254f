"""A report of a study on one self-contained HTML page."""

import functools
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmsemiloc.study.evaluate import Evaluation, confusion_matrix
from mmsemiloc.study.page import Section, embed, embed_both, page, table_html, versions
from mmsemiloc.study.results import Result
from mmsemiloc.study.tables import Table
from mmsemiloc.visualization.pictures import image_picture
from mmsemiloc.visualization.plots import confusion_plot, curve_plot

# Title and explanation of what is logged during training, in the order of the page.
CURVES = {
    'loss_ce': (
        'Cross-entropy (labelled images)',
        'How far the predictions are from the known labels. Lower is better.',
    ),
    'acc_labeled': (
        'Accuracy on labelled images, %',
        'On the training images with a label. If it is near 100 and the accuracy above is much '
        'lower, the labels are learnt by heart.',
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
        'The logarithm of the number of classes if all are used alike; 0 if all images get the '
        'same class.',
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

RESULTS = """Measured on the {images} images of the {split} split, which no training has seen.
<b>Accuracy</b>: share of correctly classified images. <b>Classes used</b>: classes that at least
one image was given to. Few of them mean that the predictions have collapsed. A class activation map
(CAM) shows where the network saw the class that it predicts. <b>MaxBoxAccV2</b>: share of images
for which a box around the map fits the true box. The box encloses the map above some share of its
maximum. The value is a mean over three demands on the fit (IoU 0.3, 0.5, 0.7), each with the share
that is best on this split. <b>CAM in box</b>: mean share of the map's positive values inside the
true box. <b>CAM area</b>: mean share of the map above half of its maximum. A small area alone is
not good: the map may cover one part of the object. The last two rows are uninformed baselines. A
uniform map has in the box what the box covers of the image. A map that falls off from the centre
has centred boxes of all sizes."""
EXAMPLES = """{examples} images of the {split} split, evenly from all classes, not picked by hand.
Green: the true box, which no training has seen. Bright yellow: where the map of the predicted
class is strongest. Each map is scaled to its own largest value. Below: the predicted class, its
probability, and the share of the map inside the box."""
CONFUSION = """One row per true class, in % of its images on the {split} split. A perfect classifier
has 100 on the diagonal."""
TRAINING = """What was logged during training, over optimizer steps. Losses are shown with their
weight, as they were minimised, so the size of a penalty grows while its weight is switched on. A
model that is trained without a term has no line."""


@dataclass(frozen=True)
class Model:
    """One trained model on the page: its name there, result, predictions and config text."""

    title: str
    result: Result
    evaluation: Evaluation
    config: str


def example_card(models: Sequence[Model], index: int) -> str:
    """One image with its true box, and the map and prediction of each model."""
    first = models[0].evaluation
    image, boxes = first.examples.images[index], first.examples.boxes[index]
    true_class = html.escape(first.classes[first.labels[index]])

    picture = embed(image_picture(image, boxes=boxes), f'image {index}')
    caption = f'image {index}<br>true class {true_class}'
    figures = [f'<figure>{picture}<figcaption>{caption}</figcaption></figure>']
    figures += [example_figure(model, image, boxes, index) for model in models]
    return f'<div class="card maps">{"".join(figures)}</div>'


def example_figure(model: Model, image: np.ndarray, boxes: np.ndarray, index: int) -> str:
    """The map and prediction of a model for an image (H, W, 3) with its true boxes (M, 4)."""
    evaluation = model.evaluation
    cam = evaluation.examples.cams[index]
    shown = image_picture(image, None if np.isnan(cam).any() else cam, boxes)
    picture = embed(shown, f'{model.title}, image {index}')

    predicted = evaluation.predicted[index]
    mark = 'correct' if predicted == evaluation.labels[index] else 'wrong'
    confidence = evaluation.probabilities[index].max()
    name = html.escape(evaluation.classes[predicted])

    # An image without a box has no share.
    share = evaluation.cam_in_box[index]
    in_box = '' if math.isnan(share) else f'<br>{share:.0%} in box'
    return (
        f'<figure>{picture}<figcaption>{html.escape(model.title)}<br>'
        f'<span class="{mark}">{mark}: {name} ({confidence:.0%})</span>{in_box}'
        '</figcaption></figure>'
    )


def curve_cards(models: Sequence[Model]) -> str:
    """One plot per logged loss, diagnostic and weight, with a line per model that has it."""
    logged = dict.fromkeys(name for model in models for name in model.result.curves)
    others = [
        name for name in logged if name.startswith(('loss_', 'weight_')) and name not in CURVES
    ]

    # What the page can explain comes first.
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
    """One matrix per model."""
    cards = []
    for model in models:
        counts = confusion_matrix(model.evaluation)
        draw = functools.partial(confusion_plot, counts, model.evaluation.classes)
        plot = embed_both(draw, f'confusion matrix of {model.title}')
        cards.append(f'<div class="card"><h3>{html.escape(model.title)}</h3>{plot}</div>')
    return ''.join(cards)


def grid(cards: str) -> str:
    """Cards side by side."""
    return f'<div class="grid">{cards}</div>'


def config_block(model: Model) -> str:
    """The text of a config, folded."""
    return (
        f'<details><summary>Config of {html.escape(model.title)}</summary>'
        f'<pre>{html.escape(model.config)}</pre></details>'
    )


def make_report(
    title: str,
    introduction: str,
    table: Table,
    models: Sequence[Model],
    more: Sequence[Section] = (),
) -> str:
    """The page.

    Args:
        title: Its heading.
        introduction: What was done, plain text.
        table: The results.
        models: The trained models; all evaluations are of the same images.
        more: Further sections as for :func:`page`, after the images.
    """
    images = range(len(models[0].evaluation.examples.images))
    numbers = dict(
        split=models[0].result.split, images=len(models[0].evaluation.labels), examples=len(images)
    )

    # Heading, explanation with numbers to fill in, and content.
    examples = grid(''.join(example_card(models, index) for index in images))
    configs = ''.join(config_block(model) for model in models)
    sections = (
        ('Results', RESULTS, table_html(table)),
        ('The same images, all maps', EXAMPLES, examples),
        ('Which classes are mixed up', CONFUSION, grid(confusion_cards(models))),
        ('Training', TRAINING, grid(curve_cards(models))),
        ('To repeat it', html.escape(versions()), configs),
    )
    written = [(heading, text.format(**numbers), content) for heading, text, content in sections]
    return page(title, introduction, [*written[:2], *more, *written[2:]])

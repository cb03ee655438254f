"""The sections of the page about what `fit` found out."""

import functools
import html
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mmsemiloc.few_labels.label_next import in_turn, most_useful
from mmsemiloc.few_labels.outcome import Outcome
from mmsemiloc.few_labels.thumbnails import Thumbnails, in_text, thumbs
from mmsemiloc.study.page import Section, embed_both, table_html, versions
from mmsemiloc.study.tables import Table
from mmsemiloc.visualization.plots import confusion_plot

LARGE, SMALL = 160, 112  # pixels of the long side of a picture
ASK = 20  # images whose label would help most
MAPS = 12  # images with their map
MISTAKES = 40  # misclassified labelled images
EACH = 6  # most and least confident images of a class
SORTED = 200  # pictures of unlabelled images, of all classes together
PAIRS = 10  # rows of the table of confusions
FAULTS = 200  # files that could not be read
SPACE = '\N{NO-BREAK SPACE}'

MATRIX = """One row per label, in % of the labelled images that have it. Each image was classified
without the use of its label. A perfect classifier has 100 on the diagonal."""
WRONG = """{shown} The most confident ones come first: if the classifier is sure and wrong, look
whether the label is right."""
MAPPED = """Bright yellow: where the classifier saw its class. Each map is scaled to its own largest
value. The classes take turns; the pictures are not picked by hand."""
UNLABELED = """{count} images, sorted by predicted class. Of each class the most and the least
confident ones are shown; all are in <code>predictions.csv</code>. Confidence: the probability of
the predicted class. The top of this page says how often a prediction is right."""
HELPFUL = """If you label some more images, take these: of each predicted class in turn, those whose
two most probable classes, which are named, differ least in probability. They are in
<code>label_next.csv</code>."""
COMPARED = """Accuracy of each setting in cross-validation on the labelled images alone. The first
one was chosen. The best of several looks a little better than it is. The figure on top does not: no
image took part in the choice that it judges."""

TUNED = """Both on the same {count} labelled images, whose labels neither knew, after {steps} steps
of training the whole network. The fine-tuned one alone is right {more} times, the frozen one alone
{less} times. {verdict} The frozen one is <code>classifier.pth</code>; the fine-tuned one, trained
with all labels, is <code>finetuned.pth</code>."""


def confusions(outcome: Outcome) -> list[Section]:
    """Which class is taken for which: in words, as a matrix and as a table."""
    count = len(outcome.classes)
    counts = np.zeros((count, count), np.int64)
    np.add.at(counts, (outcome.labels, outcome.held_out.argmax(1)), 1)

    # The most frequent confusions; of equal ones that of the larger share of a class.
    totals = counts.sum(1)
    pairs = [(int(a), int(b)) for a, b in np.argwhere(counts) if a != b]
    pairs.sort(key=lambda pair: (-counts[pair], totals[pair[0]], pair))
    rows = [
        [outcome.classes[a], outcome.classes[b], f'{counts[a, b]} of {totals[a]}']
        for a, b in pairs[:PAIRS]
    ]

    if pairs:
        a, b = pairs[0]
        words = (
            f'Most often, {html.escape(outcome.classes[a])} is taken for '
            f'{html.escape(outcome.classes[b])}: {counts[a, b]} of {totals[a]} images. '
        )
    else:
        words = 'No labelled image is misclassified. '

    draw = functools.partial(confusion_plot, counts, [plot_name(name) for name in outcome.classes])
    content = (
        f'<div class="card">{embed_both(draw, "confusion matrix of the labelled images")}</div>'
    )
    if rows:
        columns = ['label', 'taken for', 'images']
        content += f'<div class="card">{table_html(Table("", columns, rows))}</div>'
    return [('What is taken for what', words + MATRIX, f'<div class="two">{content}</div>')]


def fine_tuned(outcome: Outcome) -> list[Section]:
    """Whether training the backbone helped."""
    compared = outcome.finetuned
    if compared is None:
        return []
    more, less = compared.gained()
    text = TUNED.format(
        count=len(compared.frozen),
        steps=compared.steps,
        more=more,
        less=less,
        verdict=compared.verdict(),
    )
    rows = [
        [name, f'{accuracy:.1f}', f'{low:.1f} to {high:.1f}']
        for name, accuracy, (low, high) in compared.accuracies()
    ]
    table = table_html(Table('', ['backbone', 'accuracy, %', '95 % interval, %'], rows))
    return [('Does training the backbone help?', text, table)]


def mistakes(outcome: Outcome, pictures: Thumbnails) -> list[Section]:
    """The labelled images that are misclassified, the most confident ones first."""
    predicted, confidence = decided(outcome.held_out)
    wrong = np.flatnonzero(predicted != outcome.labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind='stable')]
    if not len(wrong):
        return []

    figures = []
    for place in wrong[:MISTAKES]:
        label, name = outcome.classes[outcome.labels[place]], outcome.classes[predicted[place]]
        said = f'labelled {label}, classified as {name} ({share(confidence[place])})'
        figures.append(pictures.one(outcome.labeled[place], said, LARGE))

    shown = f'{len(wrong):,} of {len(outcome.labels):,} labelled images.'
    if len(wrong) > MISTAKES:
        shown += f' {MISTAKES} of them are shown.'
    return [('Misclassified, or wrongly labelled', WRONG.format(shown=shown), thumbs(figures))]


def maps(outcome: Outcome, pictures: Thumbnails) -> list[Section]:
    """Some images with their map, evenly from all classes."""
    names = class_names(outcome)
    files = list(outcome.maps)
    if not files:
        return []

    # The predicted class of an unlabelled image, the label of another one.
    groups = np.unique([names.get(file, '') for file in files], return_inverse=True)[1]
    figures = []
    for place in in_turn(groups, np.arange(len(files)), MAPS):
        file = files[place]
        said = names.get(file, 'neither labelled nor predicted')
        figures.append(pictures.with_map(file, outcome.maps[file], said, LARGE))
    return [('Where the classifier looks', MAPPED, thumbs(figures, 'thumbs pairs'))]


def class_names(outcome: Outcome) -> dict[Path, str]:
    """What is known of each file, in words: its label, or its predicted class."""
    predicted, _ = decided(outcome.probabilities)
    names = {
        file: f'predicted {outcome.classes[which]}'
        for file, which in zip(outcome.unlabeled, predicted, strict=True)
    }
    names |= {
        file: f'labelled {outcome.classes[label]}'
        for file, label in zip(outcome.labeled, outcome.labels, strict=True)
    }
    return names


def unlabeled_images(outcome: Outcome, pictures: Thumbnails) -> list[Section]:
    """How many images each class was given to, and its most and least confident ones."""
    heading = 'The unlabelled images'
    if not len(outcome.unlabeled):
        return [(heading, 'There are none, so the classifier learnt from the labels alone.', '')]

    predicted, confidence = decided(outcome.probabilities)
    counts = np.bincount(predicted, minlength=len(outcome.classes))
    rows = [
        [
            name,
            f'{counts[which]:,}',
            share(counts[which] / len(predicted)),
            share(confidence[predicted == which].mean()) if counts[which] else '–',
        ]
        for which, name in enumerate(outcome.classes)
    ]
    columns = ['predicted class', 'images', 'share', 'mean confidence']
    content = table_html(Table('', columns, rows))

    # Many classes have fewer pictures each; of very many the largest have some.
    used = np.argsort(-counts, kind='stable')[: min(np.count_nonzero(counts), SORTED // 2)]
    each = min(EACH, SORTED // (2 * len(used)))
    for which in sorted(used):
        members = np.flatnonzero(predicted == which)
        members = members[np.argsort(-confidence[members], kind='stable')]
        content += class_pictures(outcome, pictures, members, confidence, each)

    text = UNLABELED.format(count=f'{len(predicted):,}')
    if len(used) < np.count_nonzero(counts):
        text += f' The {len(used)} largest classes have pictures.'
    return [(heading, text, content)]


def class_pictures(
    outcome: Outcome, pictures: Thumbnails, members: np.ndarray, confidence: np.ndarray, each: int
) -> str:
    """Pictures of the images that one class was given to.

    Args:
        outcome: What was found out.
        pictures: Makes them.
        members: Places of the images, the most confident one first.
        confidence: Of all unlabelled images (U,).
        each: How many of the most confident and of the least confident ones.
    """
    name = outcome.classes[outcome.probabilities[members[0]].argmax()]

    def figures(places: Iterable[int]) -> str:
        before = f'predicted {name}, '
        return thumbs(
            pictures.one(outcome.unlabeled[i], share(confidence[i]), SMALL, before) for i in places
        )

    images = f'{len(members):,} image' + 's' * (len(members) > 1)
    heading = f'<h3>{html.escape(name)}: {images}</h3>'
    if len(members) <= 2 * each:
        return heading + figures(members)
    return (
        f'{heading}<p>Most confident</p>{figures(members[:each])}'
        f'<p>Least confident</p>{figures(members[-each:])}'
    )


def label_next(outcome: Outcome, pictures: Thumbnails) -> list[Section]:
    """The images whose label would help most."""
    chosen = most_useful(outcome.probabilities, ASK)
    if not len(chosen):
        return []

    figures = []
    for place in chosen:
        first, second = np.argsort(-outcome.probabilities[place], kind='stable')[:2]
        said = ' or '.join(
            f'{outcome.classes[which]} ({share(outcome.probabilities[place, which])})'
            for which in (first, second)
        )
        figures.append(pictures.one(outcome.unlabeled[place], said, LARGE))
    images = f'The {len(chosen)} images' if len(chosen) > 1 else 'The image'
    return [(f'{images} whose label would help most', HELPFUL, thumbs(figures))]


def compared(outcome: Outcome) -> list[Section]:
    """Which settings there were, and their accuracy."""
    if not outcome.settings:
        return []
    rows = [[name, f'{accuracy:.1f}'] for name, accuracy in outcome.settings]
    rows[0][0] += ' (chosen)'
    table = table_html(Table('', ['setting', 'accuracy, %'], rows))
    return [('What was compared', COMPARED, table)]


def unreadable(outcome: Outcome) -> list[Section]:
    """The files that could not be read, with reasons."""
    if not outcome.faults:
        return []
    lines = ''.join(
        f'<li><code>{html.escape(in_text(file))}</code>: {html.escape(reason)}</li>'
        for file, reason in list(outcome.faults.items())[:FAULTS]
    )
    count = len(outcome.faults)
    text = f'{count:,} file' + 's' * (count > 1) + ', left out.'
    if count > FAULTS:
        text += f' The first {FAULTS} are listed.'
    return [('Images that could not be read', text, f'<ul>{lines}</ul>')]


def done(outcome: Outcome) -> list[Section]:
    """What was done, and with which versions."""
    lines = ''.join(f'<li>{html.escape(line)}</li>' for line in outcome.plan)
    return [('What was done', html.escape(versions()), f'<ul>{lines}</ul>' if lines else '')]


def decided(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predicted class (N,) and its probability (N,), of probabilities (N, C)."""
    return probabilities.argmax(1), probabilities.max(1)


def share(value: float) -> str:
    """A share in whole %; nearly all is not all, and hardly any is not none."""
    if 0.995 <= value < 1:
        return f'over{SPACE}99{SPACE}%'
    return f'under{SPACE}1{SPACE}%' if 0 < value < 0.005 else f'{100 * value:.0f}{SPACE}%'


def plot_name(name: str) -> str:
    """The name of a class as matplotlib takes it: a dollar is not a formula, a long name is cut."""
    short = name if len(name) <= 14 else f'{name[:13]}…'
    return short.replace('$', r'\$')

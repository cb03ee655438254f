"""What `fit` found out, on one self-contained page and in two tables."""

from pathlib import Path

import numpy as np

from mmsemiloc.few_labels import report_sections as parts
from mmsemiloc.few_labels.label_next import most_useful
from mmsemiloc.few_labels.outcome import Outcome, check_outcome
from mmsemiloc.few_labels.thumbnails import Thumbnails, in_text
from mmsemiloc.files import write_csv, write_whole
from mmsemiloc.study.page import page

ANSWER = """\
A new photo of these kinds is classified correctly in about {accuracy:.0f} % of cases (95 % interval
{low:.0f} to {high:.0f} %), measured on {count} labelled images whose label the classifier did not
know. This holds for photos like the labelled ones, with as many of each kind."""


def make_fit_report(outcome: Outcome, title: str) -> str:
    """A page (HTML) that needs no other file, the answer first.

    Args:
        outcome: What was found out; images that cannot be read any more have no picture.
        title: Heading of the page.

    Raises:
        ValueError: If the parts of the outcome do not fit together.
    """
    check_outcome(outcome)
    low, high = outcome.interval
    answer = ANSWER.format(
        accuracy=outcome.accuracy, low=low, high=high, count=f'{len(outcome.labels):,}'
    )
    pictures = Thumbnails.of([*outcome.labeled, *outcome.unlabeled])
    sections = [
        *parts.fine_tuned(outcome),
        *parts.confusions(outcome),
        *parts.mistakes(outcome, pictures),
        *parts.maps(outcome, pictures),
        *parts.unlabeled_images(outcome, pictures),
        *parts.label_next(outcome, pictures),
        *parts.compared(outcome),
        *parts.unreadable(outcome),
        *parts.done(outcome),
    ]
    return page(title, answer, sections)


def tables(outcome: Outcome) -> dict[str, list[dict[str, object]]]:
    """Rows of the csv files, by file.

    ``predictions.csv`` has all unlabelled images by predicted class, the most confident ones first,
    ``label_next.csv`` the choice of :func:`most_useful`.

    Raises:
        ValueError: If the parts of the outcome do not fit together.
    """
    check_outcome(outcome)
    predicted, confidence = parts.decided(outcome.probabilities)

    def rows(places: np.ndarray, column: str) -> list[dict[str, object]]:
        return [
            {
                'file': in_text(outcome.unlabeled[place]),
                column: outcome.classes[predicted[place]],
                'confidence': round(float(confidence[place]), 6),
            }
            for place in places
        ]

    return {
        'predictions.csv': rows(np.lexsort((-confidence, predicted)), 'class'),
        'label_next.csv': rows(most_useful(outcome.probabilities, parts.ASK), 'predicted class'),
    }


def write_results(outcome: Outcome, folder: Path, title: str = 'What was learnt') -> None:
    """Write ``report.html``, ``predictions.csv`` and ``label_next.csv``, each of them whole.

    Args:
        outcome: What was found out.
        folder: Where to; it is made.
        title: Heading of the page.

    Raises:
        ValueError: If the parts of the outcome do not fit together; nothing is written then.
    """
    report, csv = make_fit_report(outcome, title), tables(outcome)
    folder.mkdir(parents=True, exist_ok=True)

    second = {'predictions.csv': 'class', 'label_next.csv': 'predicted class'}
    for name, rows in csv.items():
        write_csv(folder / name, rows, ['file', second[name], 'confidence'])
    write_whole(folder / 'report.html', report)

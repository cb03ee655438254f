"""What the report shows of what was learned."""

from collections.abc import Sequence

import numpy as np

from mmsemiloc.few_labels.classifier import Classifier
from mmsemiloc.few_labels.learning import Learned
from mmsemiloc.few_labels.outcome import Outcome
from mmsemiloc.few_labels.photo_maps import evenly, over_photo
from mmsemiloc.few_labels.photos import Photos
from mmsemiloc.few_labels.readable import Readable
from mmsemiloc.models.cam import NoMapsError

MAPS = 24  # images whose map the report shows


def make_outcome(
    photos: Photos, found: Readable, learned: Learned, classifier: Classifier, plan: Sequence[str]
) -> Outcome:
    """What the report shows.

    Args:
        photos: All files.
        found: Those that could be read.
        learned: What was learned from them.
        classifier: The final one, for maps.
        plan: What was done.
    """
    choice, probabilities = learned.choice, learned.probabilities
    accuracy, interval = choice.accuracy(found.labels)
    others = sorted(set(choice.accuracies) - {choice.name}, key=list(choice.accuracies).index)
    unlabeled = found.files[len(found.labels) :]

    # Maps of as many images of each predicted class as there are, the unlabelled ones first.
    shown = evenly(probabilities.argmax(1), MAPS) if unlabeled else np.arange(0)
    files = [unlabeled[place] for place in shown] or found.files[:MAPS]
    try:
        maps = {file: over_photo(classifier, file) for file in files}
    except NoMapsError:
        maps = {}
    return Outcome(
        classes=photos.classes,
        labeled=found.files[: len(found.labels)],
        labels=found.labels,
        held_out=choice.held_out,
        accuracy=accuracy,
        interval=interval,
        settings=[(name, choice.accuracies[name]) for name in (choice.name, *others)],
        unlabeled=unlabeled,
        probabilities=probabilities,
        faults=found.faults,
        maps=maps,
        plan=plan,
    )

"""Features of the photographs of a folder."""

import os
import re
from pathlib import Path

import numpy as np

from mmsemiloc.datasets.listing.class_names import listed
from mmsemiloc.few_labels.backbones import Backbone
from mmsemiloc.few_labels.features import FeatureExtractor, Views
from mmsemiloc.few_labels.photos import Photos
from mmsemiloc.few_labels.progress import Progress, duration
from mmsemiloc.few_labels.readable import Readable, readable
from mmsemiloc.inference.photos import file_pipeline

NOT_FETCHED = re.compile('cannot load checkpoint [a-z]+://')
MOST_WORKERS = 8  # processes that read images


def make_extractor(
    backbone: Backbone, num_classes: int, views: int, seed: int, cache: str | Path | None
) -> FeatureExtractor:
    """What computes the features, with a whole classifier around the backbone.

    Raises:
        ValueError: If its weights cannot be loaded, or do not fit.
    """
    cfg = backbone.config()
    for part in (cfg.model.head, cfg.model.data_preprocessor):
        part.num_classes = num_classes

    strong = [cfg.view_pipeline[0], *cfg.strong_transforms, dict(type='PackInputs')]
    how = Views(file_pipeline(cfg.test_pipeline), strong, views, seed)
    try:
        return FeatureExtractor(cfg.model.to_dict(), how, cache)
    except (ValueError, OSError) as error:
        fetched = isinstance(error, ValueError) and not NOT_FETCHED.match(str(error))
        if fetched:
            raise
        said = str(error).strip().splitlines()[0]
        raise ValueError(
            f'the weights of backbone {backbone.name}: {said}; fetch them where there is a '
            'connection, and give --weights FILE'
        ) from error


def find_features(photos: Photos, extractor: FeatureExtractor, progress: Progress) -> Readable:
    """Compute the features that are not on the disk yet; the images that have some.

    Raises:
        ValueError: As :func:`readable`, or if a class has one labelled image without its copies.
    """
    files = [*photos.labeled, *photos.unlabeled]
    views = 1 + extractor.views.number
    progress.tell(
        f'{len(photos.labeled)} labelled images of {len(photos.classes)} classes, and '
        f'{len(photos.unlabeled)} unlabelled ones.'
    )
    progress.tell(
        f'A pretrained, frozen backbone computes features of {len(files)} images'
        f'{f", {views} views of each" if views > 1 else ""}: about '
        f'{duration(extractor.seconds_per_image() * len(files) * views)}, minus what is in '
        f'{extractor.folder} already.'
    )

    extraction = extractor.extract(
        [dict(img_path=str(file)) for file in files],
        workers=min(MOST_WORKERS, (os.cpu_count() or 1) - 1),
        done=lambda number: progress.advance('features', len(files), number),
    )
    found = readable(photos, extraction.keys, extraction.faults)
    known = sum(file in set(photos.labeled) for file in found.copies)
    for text, number in (
        ('unlabelled, cannot be read', len(found.faults)),
        ('labelled, a copy of another labelled one', known),
        ('unlabelled, a copy of another one', len(found.copies) - known),
    ):
        if number:
            progress.tell(f'Left out: {number} {"file" if number == 1 else "files"} ({text}).')

    # Copies of a labelled image are one image.
    counts = np.bincount(found.labels, minlength=len(photos.classes))
    alone = [name for name, count in zip(photos.classes, counts, strict=True) if count < 2]
    if alone:
        raise ValueError(
            f'all labelled images of {listed(alone)} are copies of one image: cross-validation '
            'needs two of each class'
        )
    return found

"""Photos as a config's test pipeline gives them to the model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from torch import Tensor

from mmsemiloc.datasets.images.errors import (
    cannot_be_read,
    in_words,
    transform_error,
    transform_name,
)
from mmsemiloc.datasets.images.loading import ours
from mmsemiloc.inference.photo_boxes import ToPhoto, measure

LOADER = 'LoadImageFromFile'


@dataclass(frozen=True)
class Photo:
    """A file that has been read.

    Attributes:
        path: The file.
        image: As the pipeline gives it (3, H, W) or (1, H, W).
        places: Where its places lie in the photo; None if that cannot be told.
    """

    path: Path
    image: Tensor
    places: ToPhoto | None = None


def file_pipeline(pipeline: Sequence[dict]) -> list[dict]:
    """A test pipeline for image files: the file is read first, labels and boxes are not loaded."""

    def name(transform: dict) -> str:
        return str(transform['type']).rpartition('.')[2]

    kept = [
        transform
        for transform in pipeline
        if name(transform) == LOADER or not name(transform).startswith('Load')
    ]
    return kept if LOADER in map(name, kept) else [dict(type=LOADER), *kept]


def pipeline_of(dataset: dict) -> list[dict] | None:
    """The transforms in the config of a dataset, or of the first one that it is made of."""
    if 'pipeline' in dataset:
        return dataset['pipeline']
    inner = dataset.get('dataset') or next(iter(dataset.get('datasets') or ()), None)
    return pipeline_of(inner) if isinstance(inner, dict) else None


def image_pipeline(cfg: Config) -> Compose:
    """The transforms of a config's test images, for image files; see :func:`file_pipeline`.

    Raises:
        ValueError: If the config has none.
    """
    pipeline = pipeline_of((cfg.get('test_dataloader') or {}).get('dataset') or {})
    if pipeline is None:
        raise ValueError('the config has no test_dataloader.dataset.pipeline')
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    composed = Compose(file_pipeline(pipeline))
    composed.transforms[:] = [ours(transform) for transform in composed.transforms]
    return composed


class PhotoReader:
    """Reads image files and finds out where the places of the result lie in the photo.

    Args:
        pipeline: See :func:`image_pipeline`.
    """

    def __init__(self, pipeline: Compose) -> None:
        names = [transform_name(transform) for transform in pipeline.transforms]
        first = names.index(LOADER) + 1 if LOADER in names else 0
        self.load = Compose(pipeline.transforms[:first])
        self.rest = Compose(pipeline.transforms[first:])
        # Photos of one size have them in common.
        self._places: dict[tuple, ToPhoto | None] = {}

    def read(self, path: Path) -> Photo:
        """Read a file."""
        results = self.load(dict(img_path=str(path)))
        image = results.get('img')
        places = self.places(results) if isinstance(image, np.ndarray) else None
        return Photo(path, self.rest(results)['inputs'], places)

    def places(self, results: dict) -> ToPhoto | None:
        """Where the places of the result lie."""
        key = (results['img'].shape, results['img'].dtype.str)
        if key not in self._places:
            self._places[key] = measure(self.rest, results)
        return self._places[key]


def read_images(
    paths: Iterable[Path], pipeline: Compose | PhotoReader
) -> tuple[list[Photo], dict[Path, str]]:
    """Images as the pipeline gives them, and for each unreadable file the reason.

    Raises:
        TransformError: If a transform other than the loading one fails.
    """
    reader = pipeline if isinstance(pipeline, PhotoReader) else PhotoReader(pipeline)
    images, faults = [], {}

    for path in paths:
        try:
            images.append(reader.read(path))
        except Exception as error:
            if not cannot_be_read(error):
                raise transform_error(error, str(path)) from error
            faults[path] = in_words(error)

    return images, faults

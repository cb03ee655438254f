"""Views of images, each a function of seed and content."""

import copy
import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose
from torch import Tensor
from torch.utils.data import Dataset

from mmsemiloc.datasets.images.errors import (
    cannot_be_read,
    in_words,
    transform_error,
    transform_name,
)
from mmsemiloc.datasets.images.loading import ours

LOADER = 'LoadImageFromFile'


def content_key(info: Mapping) -> bytes:
    """SHA-256 of an image: of the bytes of its file ``img_path``, or of the array ``img``.

    Raises:
        OSError: If the file cannot be read.
    """
    image = info.get('img')
    if image is None:
        return hashlib.sha256(Path(info['img_path']).read_bytes()).digest()
    array = np.ascontiguousarray(image)
    return hashlib.sha256(f'{array.shape} {array.dtype}'.encode() + array.tobytes()).digest()


def seed_view(seed: int, key: bytes, view: int) -> None:
    """Seed Python, NumPy and torch for one view of an image.

    A view is a function of the seed, the content of the image and the number of the view, whatever
    was computed before it and by which process.
    """
    text = f'{seed} {view} '.encode() + key
    number = int.from_bytes(hashlib.sha256(text).digest()[:4], 'little')
    random.seed(number)
    np.random.seed(number)
    torch.default_generator.manual_seed(number)


@dataclass(frozen=True)
class Views:
    """How the views of an image are made.

    Attributes:
        weak: Transforms of view 0, with the one that reads the file if there are files.
        strong: Transforms of the further views; empty if there are none.
        number: How many strong views.
        seed: Seed of the strong views.
    """

    weak: Sequence[dict]
    strong: Sequence[dict] = ()
    number: int = 0
    seed: int = 0

    def pipelines(self) -> tuple[Compose, list[Compose]]:
        """What reads an image, and the rest of the transforms of each view."""
        composed = [self._compose(self.weak), *[self._compose(self.strong)] * self.number]
        first = composed[0]
        reads = bool(first) and transform_name(first[0]) == LOADER
        load = Compose(first[:1] if reads else [])
        rest = [
            Compose(steps[1:] if steps and transform_name(steps[0]) == LOADER else steps)
            for steps in composed
        ]
        return load, rest

    @staticmethod
    def _compose(transforms: Sequence[dict]) -> list[Callable]:
        """The transforms, with our way of reading files."""
        found: list[Any] = [ours(transform) for transform in Compose(transforms).transforms]
        return found

    def name(self, view: int) -> str:
        """Text that tells a view from all others, for the name of its store."""
        if view == 0:
            return f'weak {list(self.weak)}'
        return f'strong {view} {self.seed} {list(self.weak)[:1]} {list(self.strong)}'


class MissingViews(Dataset):
    """The views of images whose features are not there yet.

    Args:
        infos: What is known of each image: ``img_path`` or ``img``.
        views: How views are made.
        there: For each view, the contents that have features.
    """

    def __init__(
        self, infos: Sequence[Mapping], views: Views, there: Sequence[frozenset[bytes]]
    ) -> None:
        self.infos, self.views, self.there = infos, views, there
        self.load, self.rest = views.pipelines()

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, place: int) -> tuple[int, bytes | None, dict[int, Tensor], str]:
        """Place, content, missing views (C, H, W), and what is wrong with the image."""
        info = self.infos[place]
        shown = str(info.get('img_path', f'image {place}'))
        try:
            key = content_key(info)
            missing = [view for view, there in enumerate(self.there) if key not in there]
            loaded = self.load(copy.deepcopy(dict(info))) if missing else {}
        except Exception as error:
            if not cannot_be_read(error):
                raise
            return place, None, {}, in_words(error)

        images = {}
        for view in missing:
            seed_view(self.views.seed, key, view)
            try:
                images[view] = self.rest[view](copy.deepcopy(loaded))['inputs']
            except Exception as error:
                raise transform_error(error, shown) from error
        return place, key, images, ''

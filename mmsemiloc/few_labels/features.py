"""Features of images from a frozen backbone, computed once and kept on disk."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.utils.data import DataLoader

from mmsemiloc.few_labels.feature_store import FeatureStore
from mmsemiloc.few_labels.fused_backbone import faster
from mmsemiloc.few_labels.image_views import MissingViews, Views
from mmsemiloc.few_labels.quiet import quiet
from mmsemiloc.registry import MODELS

CACHE = '~/.cache/mmsemiloc/features'
BATCH = 64  # images whose features are written at once
# Images that run through the backbone at once, always as many: with another number the last digits
# of their features would be others.
TOGETHER = 16


def cache_folder(cache: str | Path | None = None) -> Path:
    """Where features are kept: ``cache``, else ``MMSEMILOC_CACHE``, else ``CACHE``."""
    return Path(cache or os.environ.get('MMSEMILOC_CACHE') or CACHE).expanduser()


@dataclass
class Extraction:
    """What was computed for some images.

    Attributes:
        keys: Content of each image; None for one that cannot be read.
        faults: Reason for each image that cannot be read, by its place.
        computed: How many views were computed now, and not found on the disk.
    """

    keys: list[bytes | None]
    faults: dict[int, str] = field(default_factory=dict)
    computed: int = 0


class FeatureExtractor:
    """Pooled features of images, from the backbone of a classifier; see :meth:`extract`.

    Args:
        model: Config of the classifier, whose head pools maps: a ``CAMClsHead``.
        views: How views are made.
        cache: Folder that features are kept in, see :func:`cache_folder`. There is one below it for
            each backbone, by a hash of its config and weights.
        maps: Whether features are maps (D, H, W) in half precision instead of pooled ones (D,).

    Raises:
        ValueError: If the weights of the backbone cannot be loaded.
    """

    def __init__(
        self, model: dict, views: Views, cache: str | Path | None = None, maps: bool = False
    ) -> None:
        init_default_scope('mmsemiloc')
        with quiet():
            built = MODELS.build(model)
            built.init_weights()
        self.model = built.to(get_device()).eval()
        self.views, self.maps = views, maps

        # What the features depend on gives the folder its name: the weights, the normalisation
        # and the transforms.
        digest = hashlib.sha256(f'{model["backbone"]} {model.get("data_preprocessor")}'.encode())
        for name, value in self.model.backbone.state_dict().items():
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
        self.folder = cache_folder(cache) / digest.hexdigest()[:16]
        generator = torch.Generator().manual_seed(0)
        image = torch.randn(1, 3, *self.image_size(), generator=generator).to(get_device())
        self.fast = faster(self.model.backbone, image)

        with torch.inference_mode():
            self.shape = self._shape()
        self.stores = [self._store(view) for view in range(1 + views.number)]

    def image_size(self) -> tuple[int, int]:
        """Height and width of a weak view."""
        sizes = [step.get('crop_size', step.get('scale')) for step in self.views.weak]
        size = next((size for size in reversed(sizes) if size is not None), 224)
        return (size, size) if isinstance(size, int) else (int(size[1]), int(size[0]))

    def _shape(self) -> tuple[int, ...]:
        """Shape of a row, from the features of an empty image."""
        image = torch.zeros(1, 3, *self.image_size(), dtype=torch.uint8)
        return tuple(self.forward(image).shape[1:])

    def _store(self, view: int) -> FeatureStore:
        """The features of a view on disk."""
        name = hashlib.sha256(self.views.name(view).encode()).hexdigest()[:16]
        folder = self.folder / f'{name}{"-maps" if self.maps else ""}'
        return FeatureStore(folder, self.shape, 'float16' if self.maps else 'float32')

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, D), or maps (N, D, H, W), of images (N, C, H, W), 0 to 255."""
        inputs = self.model.data_preprocessor(dict(inputs=images))['inputs']
        features = self.fast(inputs.contiguous(memory_format=torch.channels_last))
        if self.maps:
            return features[-1].float()
        return self.model.head.pre_logits(features).float()

    def seconds_per_image(self) -> float:
        """Time for one image with what the backbone runs on, from a batch of empty ones."""
        size = self.image_size()
        images = torch.zeros(16, 3, *size, dtype=torch.uint8)
        with torch.inference_mode():
            self.forward(images)
            start = time.perf_counter()
            self.forward(images)
        return (time.perf_counter() - start) / len(images)

    def extract(
        self,
        infos: Sequence[Mapping],
        workers: int = 0,
        done: Callable[[int], None] = lambda images: None,
    ) -> Extraction:
        """Compute the features of images that are not on the disk yet, and keep them there.

        What is computed is on the disk after each batch, so an extraction that was killed goes on
        from there.

        Args:
            infos: ``img_path`` or ``img`` (H, W, 3), BGR uint8, of each image.
            workers: Processes that read images.
            done: Called now and then with the number of images that have been dealt with since.

        Raises:
            TransformError: If a transform other than the loading one fails.
        """
        for store in self.stores:
            store.refresh()
        there = [frozenset(store.places) for store in self.stores]
        missing = MissingViews(infos, self.views, there)
        result = Extraction([None] * len(infos))

        loader = DataLoader(missing, batch_size=None, num_workers=workers)
        for part in batches(iter(loader), BATCH):
            for place, key, _, fault in part:
                result.keys[place] = key
                if key is None:
                    result.faults[place] = fault
            result.computed += self._compute(part)
            done(len(part))
        return result

    @torch.inference_mode()
    def _compute(self, part: Sequence[tuple]) -> int:
        """Compute and keep the missing views of some images."""
        groups: dict[tuple, list[tuple[int, bytes, Tensor]]] = {}
        for _, key, images, _ in part:
            for view, image in images.items():
                groups.setdefault(tuple(image.shape), []).append((view, key, image))

        # Images of one size run together.
        count = 0
        for group in groups.values():
            features = self._rows([image for *_, image in group])
            for view in sorted({view for view, *_ in group}):
                chosen = [place for place, (number, *_) in enumerate(group) if number == view]
                self.stores[view].append([group[place][1] for place in chosen], features[chosen])
            count += len(group)
        return count

    def _rows(self, images: Sequence[Tensor]) -> np.ndarray:
        """Features of images of one size; they do not depend on the images beside them."""
        empty = [torch.zeros_like(images[0])] * (-len(images) % TOGETHER)
        full = [*images, *empty]
        parts = [
            self.forward(torch.stack(full[start : start + TOGETHER]))
            for start in range(0, len(full), TOGETHER)
        ]
        rows = torch.cat(parts)[: len(images)]
        if rows.shape[1:] != self.shape:
            raise ValueError(
                f'the maps of a view of {tuple(images[0].shape)} have shape '
                f'{tuple(rows.shape[1:])}, not {self.shape}: let the transforms of all views give '
                f'{self.image_size()} pixels (Resize, CenterCrop)'
            )
        return rows.cpu().numpy()

    def features(self, keys: Sequence[bytes], views: int | None = None) -> np.ndarray:
        """Features (V, N, ...) of images that have been extracted, of the first ``views`` views.

        By default those of all views.
        """
        return np.stack([np.array(store.read(keys)) for store in self.stores[:views]])


def batches(items: Iterator[tuple], size: int) -> Iterator[list[tuple]]:
    """Lists of ``size`` items; the last one may be shorter."""
    part: list[tuple] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part

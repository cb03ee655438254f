"""A dataset of frozen features, for the runner, the sampler and the terms of the loss."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset as EngineDataset
from mmengine.device import get_device
from mmengine.logging import print_log
from mmpretrain.datasets import BaseDataset
from mmpretrain.structures import DataSample
from torch import Tensor

from mmsemiloc.datasets.contents import describe
from mmsemiloc.datasets.images.errors import UnreadableImageError
from mmsemiloc.datasets.random_state import RandomState
from mmsemiloc.few_labels.features import FeatureExtractor
from mmsemiloc.few_labels.image_views import Views
from mmsemiloc.models.numerics import check_number
from mmsemiloc.models.views import MAX_VIEWS
from mmsemiloc.registry import DATASETS

KEPT = ('img_path', 'gt_label', 'gt_score')  # what samples know beside their features


@dataclass(frozen=True)
class Rows:
    """Features (1 + V, N, ...): the weak view of each image, then V strong ones.

    Copies of a dataset share them.
    """

    values: np.ndarray

    def __deepcopy__(self, memo: dict) -> 'Rows':
        return self


def read_rows(
    dataset: EngineDataset,
    model: dict,
    views: Views,
    maps: bool = False,
    cache: str | Path | None = None,
    workers: int = 0,
) -> Rows:
    """Features of all images of a dataset; those that are not on the disk are computed.

    A model without a checkpoint has the same random weights every time. Random numbers of the run
    go on as if nothing had happened, so it does not matter what was on the disk.

    Args:
        dataset: Images, by ``img_path`` or ``img``.
        model: Config of the classifier whose backbone computes them.
        views: How views are made.
        maps: Whether features are maps.
        cache: Folder that they are kept in; see :class:`FeatureExtractor`.
        workers: Processes that read images.

    Raises:
        UnreadableImageError: With the first image that cannot be read.
        ValueError: If an image is neither a file nor an array, or the features differ in shape.
    """
    infos = [dataset.get_data_info(place) for place in range(len(dataset))]
    for place, info in enumerate(infos):
        if info.get('img') is None and not info.get('img_path'):
            raise ValueError(
                f'CachedFeatures: {describe(dataset, place, type(dataset).__name__)} has neither '
                f'img_path nor img, but {", ".join(sorted(info))}: take a data set of image files '
                'or of arrays'
            )

    # A view seeds the generators of the process that makes it.
    random = RandomState(torch.device(get_device()))
    try:
        torch.manual_seed(0)
        extractor = FeatureExtractor(model, views, cache, maps)
        found = extractor.extract(infos, workers)
    finally:
        random.restore()

    if found.faults:
        place = min(found.faults)
        raise UnreadableImageError(
            f'cannot read {describe(dataset, place, type(dataset).__name__)}: '
            f'{found.faults[place]} ({len(found.faults)} such images): leave it out of the data '
            'set, or replace the file'
        )
    print_log(
        f'features of {len(infos):,} images in {extractor.folder}, {found.computed:,} of them '
        'computed now' + (f', {1 + views.number} views each' if views.number else ''),
        logger='current',
        level=logging.INFO,
    )
    return Rows(extractor.features([key for key in found.keys if key is not None]))


def pack_features(info: dict) -> dict:
    """The sample of an image, as ``PackInputs`` makes it.

    ``inputs`` are maps (D, H, W), (D, 1, 1) for pooled features; a list of them for several views,
    as ``MultiView`` makes it.
    """
    views = [as_map(features) for features in info['features']]
    known = {key: info[key] for key in ('sample_idx', 'img_path') if key in info}
    sample = DataSample(metainfo=known)
    if 'gt_label' in info:
        sample.set_gt_label(info['gt_label'])
    if 'gt_score' in info:
        sample.set_gt_score(info['gt_score'])
    return dict(inputs=views if len(views) > 1 else views[0], data_samples=sample)


def as_map(features: np.ndarray) -> Tensor:
    """A map (D, H, W) of features (D,) or (D, H, W)."""
    values = torch.from_numpy(np.array(features, np.float32))
    return values[:, None, None] if values.dim() == 1 else values


@DATASETS.register_module()
class CachedFeatures(BaseDataset):
    """Features of the images of any dataset, from a frozen backbone, in the place of the images.

    They are computed once, when the dataset is built, and kept on disk by the content of the image:
    see :class:`FeatureExtractor`. A strong view is a function of ``seed`` and the content of the
    image, and every access gives the same views. So results depend neither on workers, nor on the
    order of images, nor on what was on the disk before. ``CachedMaps`` is the backbone for it.
    Labels and names of classes are those of the images.

    Args:
        images: Config of the dataset with the images, or the dataset; without a pipeline of its
            own.
        model: Config of the classifier whose backbone computes the features, with its
            ``data_preprocessor`` and a head that pools maps. Without a checkpoint its weights are
            random, and always the same.
        pipeline: Transforms of the weak view, up to ``PackInputs``; nothing random.
        strong: Those of a strong view.
        views: Strong views of each image, 0 to 15; every batch has all of them.
        seed: Of the strong views.
        maps: Whether samples have the maps that the backbone gives, in half precision, instead of
            their means. The locality penalty needs them.
        cache: Folder of the features; by default ``MMSEMILOC_CACHE``, or
            ``~/.cache/mmsemiloc/features``.
        workers: Processes that read images while features are computed.
        **kwargs: For mmpretrain's ``BaseDataset`` (``indices``, ``test_mode`` ...).

    Raises:
        ValueError: If an argument is out of range, the images have a pipeline or are of no use
            here, or their features differ in shape.
        UnreadableImageError: If an image cannot be read.
    """

    def __init__(
        self,
        images: dict | EngineDataset,
        model: dict,
        pipeline: Sequence[dict],
        strong: Sequence[dict] = (),
        views: int = 0,
        seed: int = 0,
        maps: bool = False,
        cache: str | None = None,
        workers: int = 0,
        **kwargs: Any,
    ) -> None:
        for name, value in (('views', views), ('seed', seed), ('workers', workers)):
            check_number(f'CachedFeatures: {name}', value, 0, whole=True)
        if views and not strong:
            raise ValueError(f'CachedFeatures: views={views} needs the transforms of them: strong')
        if views >= MAX_VIEWS:
            raise ValueError(f'CachedFeatures: views must be below {MAX_VIEWS}, got {views}')
        if isinstance(images, dict) and images.get('pipeline'):
            raise ValueError(
                'CachedFeatures: images has a pipeline, which would have no effect: give its '
                'transforms to CachedFeatures(pipeline=...)'
            )

        # Plain dicts, whose text names the folder of the features.
        self.model = ConfigDict(model).to_dict()
        self.views = Views(plain(pipeline), plain(strong), views, seed)
        self.maps, self.cache, self.workers = maps, cache, workers
        built = DATASETS.build(images) if isinstance(images, dict) else images
        self.images: EngineDataset | None = built
        names = built.metainfo.get('classes')
        metainfo = dict(classes=names) if names else None
        super().__init__('', metainfo=metainfo, pipeline=[pack_features], **kwargs)

    def load_data_list(self) -> list[dict]:
        """What is known of each image, and the place of its features."""
        images, self.images = self.images, None  # copies of this dataset do without them
        assert images is not None  # this is called once
        images.full_init()
        self.rows = read_rows(images, self.model, self.views, self.maps, self.cache, self.workers)
        return [
            {'row': place, **{key: info[key] for key in KEPT if key in info}}
            for place in range(len(images))
            for info in (images.get_data_info(place),)
        ]

    def get_data_info(self, idx: int) -> dict:
        """What is known of an image, and its ``features`` (1 + V, ...)."""
        info = super().get_data_info(idx)
        info['features'] = self.rows.values[:, info['row']]
        return info

    def weak_features(self) -> Tensor:
        """Pooled features (N, D) of the weak views, in the order of the images."""
        infos = [self.get_data_info(place) for place in range(len(self))]
        return torch.stack([as_map(info['features'][0]).mean((1, 2)) for info in infos])


def plain(transforms: Sequence[dict]) -> list[dict]:
    """Configs of transforms as plain dicts."""
    return ConfigDict(transforms=list(transforms)).to_dict()['transforms']

"""Features of the images of a data set, for a comparison of methods on a frozen backbone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

import mmsemiloc
from mmsemiloc.few_labels.features import FeatureExtractor
from mmsemiloc.few_labels.image_views import Views
from mmsemiloc.registry import DATASETS

VIEWS = 2  # strong views of each training image
TRAIN, TEST = 'training images', 'test images'
Done = Callable[[str, int, int], None]
CONFIGS = Path(mmsemiloc.__file__).parent / '.mim' / 'configs' / 'few_labels'


@dataclass(frozen=True)
class ImageSet:
    """Where images come from, and how they are compared.

    Attributes:
        config: Config of ``configs/few_labels`` with the model, the data and the transforms.
        size: Height and width of what the backbone sees.
        pool: Training images that draws take theirs from; None for all.
        images: Training images of a draw, labelled and unlabelled; None for the whole pool.
        per_class: Numbers of labels per class.
        metric: 'accuracy', or 'mean_recall' where classes differ in size.
        balanced: Whether each class has the same number of labels. Otherwise labels are drawn at
            random, as many in all.
    """

    config: str
    size: int
    pool: int | None
    images: int | None
    per_class: tuple[int, ...]
    metric: str
    balanced: bool = True


SETS = {
    'fashion_mnist': ImageSet(
        'fashion_finetune_ce.py', 128, 6000, 1500, (1, 2, 4, 8, 16), 'accuracy'
    ),
    'elpv': ImageSet(
        'elpv_finetune_ce.py', 224, None, None, (2, 5, 10, 25), 'mean_recall'
    ),
    'elpv_random': ImageSet(
        'elpv_finetune_ce.py', 224, None, None, (5, 10, 25), 'mean_recall', balanced=False
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """The images of a comparison on this machine.

    Attributes:
        name: One of ``SETS``.
        data_root: Folder of the images; None for that of their package.
        cache: Folder of the features; None for the usual one.
    """

    name: str
    data_root: str | None = None
    cache: Path | None = None

    @property
    def images(self) -> ImageSet:
        """What is compared on them."""
        return SETS[self.name]

    def config(self) -> Config:
        """Its config."""
        return Config.fromfile(CONFIGS / self.images.config)

    def records(self) -> dict[str, list[dict]]:
        """What is known of each training image of the pool, and of each test image.

        Raises:
            ValueError: If the images are not there, with the way to get them.
        """
        init_default_scope('mmsemiloc')
        cfg = self.config()
        root = {} if self.data_root is None else {'data_root': self.data_root}
        train, test = (
            DATASETS.build({**dataset, 'per_class': None, **root})
            for dataset in (cfg.train_dataloader.dataset.labeled, cfg.test_dataloader.dataset)
        )
        places = np.arange(len(train))
        if self.images.pool is not None:
            places = np.sort(np.random.default_rng(0).permutation(places)[: self.images.pool])
        return {
            TRAIN: [train.get_data_info(int(place)) for place in places],
            TEST: [test.get_data_info(place) for place in range(len(test))],
        }


def labels_of(records: Sequence[Mapping]) -> np.ndarray:
    """Classes (N,) of images."""
    return np.array([record['gt_label'] for record in records])


@dataclass(frozen=True)
class Features:
    """Features of the images of a data set.

    Attributes:
        train: Training images (1 + V, N, D), the weak view first.
        train_labels: Their classes (N,), for the draws.
        test: Test images (T, D).
        test_labels: Their classes (T,).
        maps: Maps (N, D, H, W) of the training images, whose means are their features.
    """

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    maps: np.ndarray

    @property
    def num_classes(self) -> int:
        """C."""
        return int(self.train_labels.max()) + 1


def resized(transforms: Sequence[Mapping], size: int) -> list[dict]:
    """The transforms with another size in every ``Resize``."""
    return [
        {**step, 'scale': (size, size)} if step['type'] == 'Resize' else dict(step)
        for step in transforms
    ]


def make_views(cfg: Config, size: int, number: int) -> Views:
    """The weak view is that of a test, strong ones are those of the config's ``MultiView``."""
    strong: list[Mapping] = []
    for step in cfg.view_pipeline:
        strong += step['transforms'][1] if step['type'] == 'MultiView' else [step]
    return Views(resized(cfg.test_pipeline, size), resized(strong, size), number)


def read_rows(source: Source, part: str, views: int, done: Done, maps: bool = False) -> np.ndarray:
    """Features (1 + views, N, ...) of a part, of which those that are missing are computed.

    Args:
        source: The images.
        part: ``TRAIN`` or ``TEST``.
        views: Strong views.
        done: See :func:`load_features`.
        maps: Whether to read maps instead.
    """
    cfg, infos = source.config(), source.records()[part]
    how = make_views(cfg, source.images.size, views)
    extractor = FeatureExtractor(cfg.model.to_dict(), how, source.cache, maps=maps)
    stage = f'maps of {part}' if maps else part
    result = extractor.extract(infos, done=lambda count: done(stage, count, len(infos)))
    for place, fault in result.faults.items():
        raise ValueError(f'{source.name}, {part}, {infos[place].get("img_path")}: {fault}')
    return extractor.features([key for key in result.keys if key is not None])


def load_features(source: Source, done: Done = lambda part, number, total: None) -> Features:
    """Compute the features that are not on the disk yet, and read all.

    Args:
        source: The images.
        done: Called with what is computed, how many images have been dealt with since, and of how
            many.

    Raises:
        ValueError: If the images or the weights are not there, with the way to get them.
    """
    records = source.records()
    return Features(
        read_rows(source, TRAIN, VIEWS, done),
        labels_of(records[TRAIN]),
        read_rows(source, TEST, 0, done)[0],
        labels_of(records[TEST]),
        read_rows(source, TRAIN, 0, done, maps=True)[0],
    )

"""Folders of images with lists, sound or broken, and the loading of all of them with worker
processes.
"""

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmpretrain.datasets import CustomDataset
from PIL import Image
from torch.utils.data import DataLoader

from mmsemiloc.datasets import SemiSupDataset
from mmsemiloc.datasets.images.errors import DataError

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
GOOD = 6
POLICIES = {'raise': dict(), 'skip': dict(action='skip', budget=100)}


def save_image(path, size=(20, 20), seed=0):
    """A picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)).save(
        path
    )


class Sources:
    """6 labelled images of classes a and b, and 6 unlabelled ones, whose names have spaces and
    letters beyond ASCII.
    """

    def __init__(self, root):
        self.root = root
        self.lists = {
            'labeled': [f'ø {i}.jpg {i % 2}' for i in range(GOOD)],
            'unlabeled': [f'ø {i}.jpg' for i in range(GOOD)],
            'val': [],
        }
        for part in ('labeled', 'unlabeled'):
            for i in range(GOOD):
                save_image(root / part / f'ø {i}.jpg', seed=i)

    def config(self, part, **kwargs):
        """Config of one source, from its list with Windows line ends."""
        (self.root / f'{part}.txt').write_bytes(
            ''.join(f'{line}\r\n' for line in self.lists[part]).encode()
        )
        classes = {} if part == 'unlabeled' else dict(metainfo=dict(classes=('a', 'b')))
        return dict(
            type='mmpretrain.CustomDataset',
            data_root=str(self.root),
            data_prefix=part,
            ann_file=f'{part}.txt',
            with_label=part != 'unlabeled',
            pipeline=PIPELINE,
            serialize_data=False,  # it collects garbage, which takes half a second
            **classes,
            **kwargs,
        )

    def build(self, **kwargs):
        """The labelled and unlabelled images."""
        return SemiSupDataset(self.config('labeled'), self.config('unlabeled'), **kwargs)

    def validation(self):
        """The images for validation."""
        return CustomDataset(
            **{key: value for key, value in self.config('val').items() if key != 'type'}
        )


@pytest.fixture
def sources(tmp_path):
    return Sources(tmp_path)


def load_names(dataset, workers):
    """File names of all images in order, loaded with so many worker processes.

    Hangs for 30 seconds at most.
    """
    names = []
    try:
        for batch in DataLoader(
            dataset,
            batch_size=3,
            num_workers=workers,
            collate_fn=pseudo_collate,
            timeout=30 if workers else 0,
        ):
            names += [sample.img_path.rpartition('/')[2] for sample in batch['data_samples']]
    except DataError as error:
        # Its traceback holds the iterator, whose workers take seconds to end once the garbage
        # collector comes for them.
        raise error.with_traceback(None) from None
    return names

"""A folder of the shape of ImageNet."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope='session')
def imagenet_folder(tmp_path_factory):
    """A folder with the layout of ImageNet: 3 classes of 8 pictures of different sizes, lists in
    meta/.
    """
    root = tmp_path_factory.mktemp('imagenet')
    rng = np.random.default_rng(0)
    lists = {'labeled_64000': [], 'unlabeled_200000': [], 'val': []}
    for label, name in enumerate(['n01440764', 'n01443537', 'n01484850']):
        (root / 'train' / name).mkdir(parents=True)
        (root / 'val').mkdir(exist_ok=True)
        for i in range(8):
            size = (*rng.integers(230, 300, 2), 3)
            path = f'{name}/{name}_{i}.JPEG'
            Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(root / 'train' / path)
            lists['unlabeled_200000' if i % 2 else 'labeled_64000'].append(
                path if i % 2 else f'{path} {label}'
            )
        Image.fromarray(rng.integers(0, 256, (250, 250, 3), dtype=np.uint8)).save(
            root / 'val' / f'{name}.JPEG'
        )
        lists['val'].append(f'{name}.JPEG {label}')
    (root / 'meta').mkdir()
    lists |= dict.fromkeys(('train', 'labeled_128116', 'labeled_12811'), lists['labeled_64000'])
    for name, lines in lists.items():
        (root / 'meta' / f'{name}.txt').write_text('\n'.join(lines) + '\n')
    return root

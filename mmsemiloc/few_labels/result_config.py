"""The config of a fitted classifier, and the backbones that there are."""

import os
from pathlib import Path

import mmsemiloc
from mmsemiloc.datasets.listing.links import first_outside, real_roots
from mmsemiloc.datasets.listing.list_files import to_line
from mmsemiloc.few_labels.classifier import CHECKPOINT, CONFIG
from mmsemiloc.few_labels.photos import Photos
from mmsemiloc.few_labels.readable import Readable
from mmsemiloc.files import write_whole

BACKBONES = Path(mmsemiloc.__file__).parent / '.mim' / 'configs' / 'photos'
CONFIG_TEXT = '''\
"""The classifier that was fitted to {images} photographs, {labeled} of them with a label.

    tools/predict.py {here} {checkpoint} PHOTOS --out seen
    tools/train.py {here}    # goes on: trains the backbone too

Its accuracy is in report.html beside this file. Training has seen all labelled images, so
tools/test.py says nothing about new ones until test_dataloader lists others.
"""

_base_ = 'mmsemiloc::photos/photos_{backbone}.py'
classes = {classes!r}
num_classes = {num_classes}
load_from = {checkpoint!r}
own = dict(data_root={root!r}{links})
train_dataloader = dict(
    dataset=dict(
        labeled=dict(ann_file={labeled_list!r}, classes=classes, **own),
        unlabeled={unlabeled},
    )
)
val_dataloader = val_evaluator = val_cfg = None
test_dataloader = dict(
    dataset=dict(ann_file={labeled_list!r}, classes=classes, **own)
)
model = dict(
    data_preprocessor=dict(num_classes=num_classes), head=dict(num_classes=num_classes)
)
{more}'''


def backbone_names() -> list[str]:
    """Names of the pretrained backbones: ``configs/photos/photos_NAME.py``."""
    names = [file.stem.removeprefix('photos_') for file in BACKBONES.glob('photos_*.py')]
    return sorted(name for name in names if name != 'fixmatch')


def check_backbone(backbone: str) -> str:
    """``backbone`` itself.

    Raises:
        ValueError: If there is none of that name.
    """
    if not backbone_names():
        raise ValueError(
            f'{BACKBONES} has no configs: install mmsemiloc with pip (in a clone: pip install -e .)'
        )
    if backbone not in backbone_names():
        raise ValueError(f'no backbone {backbone!r}: there are {", ".join(backbone_names())}')
    return backbone


def write_config(photos: Photos, found: Readable, backbone: str, folder: Path) -> Path:
    """Write the lists of images and the config that the other tools take.

    Returns:
        The config file.
    """
    root = Path(os.path.commonpath([file.absolute().parent for file in found.files]))
    relative = [file.absolute().relative_to(root).as_posix() for file in found.files]
    count = len(found.labels)
    lists = {
        'labeled.txt': map(to_line, relative[:count], found.labels.tolist()),
        'unlabeled.txt': map(to_line, relative[count:]),
    }
    for name, lines in lists.items():
        write_whole(folder / name, '\n'.join(lines) + '\n')

    # Links that fit was allowed to follow, and named folders that are links.
    absolute = [str(file.absolute()) for file in found.files]
    linked = first_outside(absolute, real_roots(str(root))) is not None

    # Without unlabelled images a batch is labelled throughout.
    here = folder.absolute()
    some = len(relative) > count
    text = CONFIG_TEXT.format(
        images=len(relative),
        labeled=count,
        here=folder / CONFIG,
        checkpoint=str(here / CHECKPOINT),
        backbone=backbone,
        classes=photos.classes,
        num_classes=len(photos.classes),
        root=f'{root}/',
        links=', allow_links=True' if linked else '',
        labeled_list=str(here / 'labeled.txt'),
        unlabeled=f'dict(ann_file={str(here / "unlabeled.txt")!r}, **own)' if some else None,
        more='' if some else 'labeled_ratio = 1.0\n',
    )
    write_whole(folder / CONFIG, text)
    return folder / CONFIG

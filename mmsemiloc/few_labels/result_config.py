"""The configs of fitted classifiers."""

import os
import pprint
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmsemiloc.datasets.listing.links import first_outside, real_roots
from mmsemiloc.datasets.listing.list_files import to_line
from mmsemiloc.few_labels.backbones import Backbone
from mmsemiloc.few_labels.readable import Readable
from mmsemiloc.files import write_whole

WIDTH = 98
SECTIONS = ('model', 'optim_wrapper', 'train_dataloader', 'test_dataloader')
HEAD = '''\
"""The classifier that was fitted to {images} photographs, {labeled} of them with a label.

    tools/predict.py {config} {checkpoint} PHOTOS --out seen
    tools/train.py {config}    # goes on: trains the backbone too

Its accuracy is in report.html. Training has seen all labelled images, so tools/test.py says nothing
about new ones until test_dataloader lists others.
"""

_base_ = 'mmsemiloc::{base}'
'''


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values, those of the second before those of the first."""
    both = dict(first)
    for key, value in second.items():
        old = both.get(key)
        both[key] = (
            merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
        )
    return both


def write_lists(found: Readable, folder: Path) -> dict[str, Any]:
    """Write the lists of labelled and unlabelled images; the data sets that read them."""
    root = Path(os.path.commonpath([file.absolute().parent for file in found.files]))
    relative = [file.absolute().relative_to(root).as_posix() for file in found.files]
    count = len(found.labels)
    lists = {
        'labeled': map(to_line, relative[:count], found.labels.tolist()),
        'unlabeled': map(to_line, relative[count:]),
    }
    for name, lines in lists.items():
        write_whole(folder / f'{name}.txt', '\n'.join(lines) + '\n')

    # Links that fit was allowed to follow, and named folders that are links.
    absolute = [str(file.absolute()) for file in found.files]
    linked = first_outside(absolute, real_roots(str(root))) is not None
    links = dict(allow_links=True) if linked else {}
    return {
        name: dict(ann_file=str(folder.absolute() / f'{name}.txt'), data_root=f'{root}/', **links)
        for name in lists
    }


def write_config(
    classes: Sequence[str],
    found: Readable,
    backbone: Backbone,
    folder: Path,
    name: str = 'classifier',
    more: Mapping[str, Any] = {},
) -> Path:
    """Write the lists of images and the config that the other tools take.

    Args:
        classes: Names of the classes.
        found: The images.
        backbone: Its weights are those of the checkpoint ``folder/NAME.pth``.
        folder: Where to.
        name: Name of the file.
        more: Further values of the config.

    Returns:
        The config file.
    """
    sets = write_lists(found, folder)
    count, some = len(found.labels), len(found.files) > len(found.labels)
    labeled = dict(sets['labeled'], classes=tuple(classes))
    checkpoint = folder.absolute() / f'{name}.pth'

    # Without unlabelled images a batch is labelled throughout.
    train: dict[str, Any] = dict(
        dataset=dict(labeled=labeled, unlabeled=sets['unlabeled'] if some else None)
    )
    if not some:
        train['sampler'] = dict(labeled_ratio=1.0)
    size = dict(num_classes=len(classes))
    values = dict(
        load_from=str(checkpoint),
        model=dict(data_preprocessor=size, backbone=dict(init_cfg=None), head=size),
        train_dataloader=train,
        val_dataloader=None,
        val_evaluator=None,
        val_cfg=None,
        test_dataloader=dict(dataset=labeled),
    )
    own = {key: value for key, value in backbone.own.items() if key in SECTIONS}
    whole = merged(merged(own, values), more)

    config = folder / f'{name}.py'
    head = HEAD.format(
        images=len(found.files),
        labeled=count,
        config=config,
        checkpoint=folder / f'{name}.pth',
        base=backbone.base,
    )
    lines = [
        f'{key} = {pprint.pformat(value, width=WIDTH, sort_dicts=False)}'
        for key, value in whole.items()
    ]
    write_whole(config, head + '\n'.join(lines) + '\n')
    return config

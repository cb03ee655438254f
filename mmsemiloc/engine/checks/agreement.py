"""What of a run must agree: data sets, sampler, model and optimizer wrapper."""

import logging

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpretrain.models import MultiLabelClsHead
from torch import nn
from torch.utils.data import DataLoader

from mmsemiloc.datasets import SemiSupDataset, SemiSupSampler
from mmsemiloc.datasets.contents import class_names, labels_of
from mmsemiloc.registry import DATASETS


def number_of_classes(model: nn.Module) -> int | None:
    """C of a classifier that gives one class per image; None for other models."""
    head = getattr(model, 'head', None)
    return None if isinstance(head, MultiLabelClsHead) else getattr(head, 'num_classes', None)


def check_sampler(loader: DataLoader, optim_wrapper: object = None) -> None:
    """Refuse a sampler that does not plan the batches that are made of its order.

    The loader and the optimizer wrapper make them.

    Raises:
        ValueError: With both values and the name that sets both.
    """
    sampler = loader.sampler
    if not isinstance(sampler, SemiSupSampler):
        if isinstance(loader.dataset, SemiSupDataset) and loader.dataset.num_unlabeled:
            raise ValueError(
                f'train_dataloader.sampler is a {type(sampler).__name__}, which does not know '
                "labelled from unlabelled images: set type='mmsemiloc.SemiSupSampler'"
            )
        return

    if sampler.batch_size != loader.batch_size:
        raise ValueError(
            f"train_dataloader.batch_size={loader.batch_size} differs from its sampler's "
            f'batch_size={sampler.batch_size}; set both at once by batch_size={loader.batch_size}'
        )

    # A wrapper that runs the batch at once needs no plan.
    micro_batch_size = getattr(optim_wrapper, 'micro_batch_size', None)
    if (
        micro_batch_size not in (None, sampler.micro_batch_size)
        and micro_batch_size < sampler.batch_size
    ):
        raise ValueError(
            f'optim_wrapper.micro_batch_size={micro_batch_size} differs from micro_batch_size='
            f'{sampler.micro_batch_size} of train_dataloader.sampler, which plans the labelled '
            f'images of each micro-batch; set both at once by micro_batch_size={micro_batch_size}'
        )


def check_model(model: nn.Module) -> None:
    """Refuse a classifier whose head and preprocessor have different numbers of classes.

    Raises:
        ValueError: With both numbers and the name that sets both.
    """
    num_classes = number_of_classes(model)
    others = getattr(getattr(model, 'data_preprocessor', None), 'num_classes', None)
    if num_classes is not None and others not in (None, num_classes):
        raise ValueError(
            f'model.head.num_classes={num_classes} differs from num_classes={others} of '
            f'data_preprocessor; set both at once by num_classes={num_classes}'
        )


def test_set(runner: Runner) -> BaseDataset | None:
    """The test images of a config that are not its validation images.

    None if there are none, or if their files are not here.
    """
    test, validation = (
        bare_dataset(runner.cfg.get(f'{split}_dataloader') or {}) for split in ('test', 'val')
    )
    generated = test is not None and 'DigitScenes' in str(test.get('type'))
    if test is None or generated or test == validation:
        return None

    # Training does not need the test images: they may be on another machine.
    try:
        dataset = DATASETS.build(test)
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
    except OSError as error:
        print_log(
            f'the test images are not checked: {error}', logger='current', level=logging.WARNING
        )
        return None
    return dataset


def bare_dataset(loader: dict) -> dict | None:
    """The config of a dataloader's images without what treats unreadable ones."""
    dataset = loader.get('dataset')
    if dataset and 'TolerantDataset' in str(dataset.get('type')):
        return dataset['dataset']
    return dataset


def sources(dataset: BaseDataset) -> list[tuple[BaseDataset | None, str]]:
    """The sources of training images, and what they are called in messages."""
    if isinstance(dataset, SemiSupDataset):
        return [(dataset.labeled, 'labelled'), (dataset.unlabeled, 'unlabelled')]
    return [(dataset, 'training')]


def describe_data(dataset: BaseDataset, validation: BaseDataset | None) -> str:
    """The data of a run in one line."""
    text = f'{len(dataset):,} images'
    if isinstance(dataset, SemiSupDataset):
        text = f'{describe_labeled(dataset)}, {dataset.num_unlabeled:,} unlabelled'
    return text + ('' if validation is None else f', {len(validation):,} for validation')


def describe_labeled(dataset: SemiSupDataset) -> str:
    """How many labelled images there are, and of the first classes."""
    if dataset.labeled is None:
        return 'no labelled images'
    names, labels = class_names(dataset), labels_of(dataset.labeled)
    counts = np.zeros(0, int) if labels is None else np.bincount(labels, minlength=len(names))
    shown = [f'{names[i] if i < len(names) else i} {count}' for i, count in enumerate(counts[:5])]
    more = f', ... {len(counts)} classes' if len(counts) > 5 else ''
    return f'{dataset.num_labeled:,} labelled images ({", ".join(shown)}{more})'

"""All data sets of a run: their classes, and then every file."""

from collections.abc import Sequence

from mmengine.dataset import BaseDataset
from mmengine.runner import Runner

from mmsemiloc.datasets import SemiSupDataset
from mmsemiloc.datasets.checks.box_motion import check_moves_boxes
from mmsemiloc.datasets.checks.classes import check_classes
from mmsemiloc.datasets.checks.missing_images import check_images_exist
from mmsemiloc.datasets.checks.pipeline_trials import try_pipelines
from mmsemiloc.datasets.checks.same_folders import check_folder_names, check_same_folders
from mmsemiloc.datasets.contents import class_names
from mmsemiloc.datasets.images.fault_policy import FaultPolicy
from mmsemiloc.datasets.listing.class_names import check_same_classes
from mmsemiloc.engine.checks.agreement import sources, test_set


def check_training_data(
    runner: Runner, num_classes: int, resumed: Sequence[str] | None = None
) -> None:
    """Check images and classes of all data sets of a classifier before it is trained.

    Args:
        runner: With its training loop; of its test images, only those that are here are checked.
        num_classes: C of the model.
        resumed: Classes of the checkpoint that the run goes on from, if it tells them; without
            labelled images, of the one that it starts from.

    Raises:
        ValueError: With what does not fit.
    """
    dataset = runner.train_loop.dataloader.dataset
    validation = runner.val_loop.dataloader.dataset if runner.val_loop else None
    names: tuple[str, ...] | None = class_names(dataset)
    whose = 'the labelled images'

    # Classes first: what is wrong with them says most about a folder or list.
    if isinstance(dataset, SemiSupDataset):
        dataset.check(num_classes, validation)
    else:
        check_classes(dataset, num_classes, 'training')
    if resumed and names:
        check_same_classes(names, resumed, 'the labelled images', 'the checkpoint that is resumed')
    labeled, test = sources(dataset)[0][0], test_set(runner)
    if labeled is None:
        # Nothing else says what the numbers of classes mean.
        names, whose = tuple(resumed or ()) or None, 'the checkpoint'
    else:
        check_folder_names(labeled, 'labelled')
    others = [(validation, 'validation'), (test, 'test')]
    present = [(other, kind) for other, kind in others if other is not None]
    for other, kind in present:
        check_classes(other, num_classes, kind, names, whose)
        check_folder_names(other, kind)
        if labeled is not None:
            check_same_folders(labeled, other, kind)

    # Then every file, and every transform on one image of each source.
    policy = getattr(dataset, 'faults', None)
    for part, kind in (*sources(dataset), *present):
        if part is not None:
            check_files(part, kind, policy)


def check_files(dataset: BaseDataset, kind: str, policy: FaultPolicy | None) -> None:
    """Check that the images of a data set are there, and try its transforms.

    Args:
        dataset: The images.
        kind: What they are called in messages.
        policy: What is to be done about unreadable images; None to refuse them.

    Raises:
        ValueError: If an image is missing, or more than the policy tolerates, or a transform fails.
    """
    skip = policy is not None and policy.action == 'skip'
    missing = check_images_exist(dataset, kind, skip)
    if policy is not None and len(missing) > policy.budget:
        raise ValueError(
            f'{len(missing)} {kind} images are not there, the first is {missing[0]}, but '
            f'faults.budget tolerates {policy.budget}'
        )

    try_pipelines(dataset, kind, skip)
    check_moves_boxes(dataset, kind)

"""Whether two lists number the same folders alike: lists have numbers, and folders have names."""

from collections.abc import Sequence

from mmengine.dataset import BaseDataset

from mmsemiloc.datasets.checks.image_records import records, relative_path, source_of
from mmsemiloc.datasets.contents import leaves
from mmsemiloc.datasets.listing.class_names import same_name


def folder_classes(paths: Sequence[str], labels: Sequence[int]) -> dict[str, int]:
    """Label of each class folder, if folders are classes.

    They are on the first level of the paths on which there are several folders, all images of each
    have one label, and no two have the same.

    Args:
        paths: Of each image, with forward slashes; they may begin with the same folders.
        labels: Of each image.

    Returns:
        Label by name of the folder in Unicode form NFC; {} if folders are not classes.
    """
    folders = [path.split('/')[:-1] for path in paths]
    for level in range(max(map(len, folders), default=0)):
        names = [parts[level] if level < len(parts) else '' for parts in folders]
        pairs = set(zip(names, labels, strict=True))
        numbers = dict(pairs)
        if '' not in numbers and len(pairs) == len(numbers) == len(set(labels)) > 1:
            return {same_name(name): int(label) for name, label in sorted(pairs)}
    return {}


def labeled_paths(dataset: BaseDataset) -> tuple[list[str], list[int]]:
    """Path below its folder, and label, of each image of a dataset that has both as one number."""
    paths, labels = [], []
    for leaf in leaves(dataset):
        prefix = source_of(leaf).prefix
        for place, record in enumerate(records(leaf)):
            if not place and 'img_path' not in record:
                break  # images in memory
            path, label = record.get('img_path'), record.get('gt_label')
            if isinstance(path, str) and isinstance(label, int):
                paths.append(relative_path(path, prefix))
                labels.append(label)

    return paths, labels


def list_of(dataset: BaseDataset) -> str:
    """The list files of a dataset in words, with a colon; '' if there are none."""
    files = [source_of(leaf).list_file for leaf in leaves(dataset)]
    return ''.join(f'{file}: ' for file in dict.fromkeys(files) if file)


def check_folder_names(
    dataset: BaseDataset, kind: str, classes: Sequence[str] | None = None
) -> None:
    """Refuse a list in which a folder has the name of one class and the number of another.

    Args:
        dataset: The images.
        kind: What they are called in messages, e.g. 'labelled'.
        classes: Name of each class; by default those that the dataset knows.

    Raises:
        ValueError: With the first such folder.
    """
    given = classes if classes is not None else dataset.metainfo.get('classes')
    names = [same_name(str(name)) for name in given or ()]

    for folder, label in folder_classes(*labeled_paths(dataset)).items():
        if folder in names and names.index(folder) != label:
            other = f' ({names[label]})' if label < len(names) else ''
            raise ValueError(
                f'{list_of(dataset)}{kind} images in {folder}/ have label {label}'
                f'{other}, but class {folder} is number {names.index(folder)} in classes: '
                'set classes in the order of the labels, or correct the list'
            )


def check_same_folders(labeled: BaseDataset, other: BaseDataset, kind: str) -> None:
    """Refuse two sets in which folders of the same name have different labels.

    Only where the folders of the labelled images are classes; see :func:`folder_classes`. If each
    has several images, which is no chance, every single image of the other set is compared.

    Args:
        labeled: The labelled images.
        other: Those for validation or test.
        kind: What the others are called in messages, e.g. 'validation'.

    Raises:
        ValueError: With the first folder whose labels differ.
    """
    paths, labels = labeled_paths(labeled)
    known = folder_classes(paths, labels)
    other_paths, other_labels = labeled_paths(other)
    if not known or not other_paths:
        return

    # One wrong image is as telling as a folder of them if the labelled folders are beyond doubt.
    sure = len(paths) >= 2 * len(known)
    theirs = folder_classes(other_paths, other_labels)
    for path, label in zip(other_paths, other_labels, strict=True):
        name = next((part for part in map(same_name, path.split('/')[:-1]) if part in known), None)
        if name is not None and known[name] != label and (sure or name in theirs):
            shift = {theirs[one] - known[one] for one in theirs if one in known} == {1}
            raise ValueError(
                f'{list_of(other)}{kind} images in {name}/ have label {label}, but '
                f'label {known[name]} in the labelled set'
                + (' (does the list count from 1?)' if shift else '')
                + ': number the classes alike in both'
            )

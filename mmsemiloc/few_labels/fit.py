"""From a folder of photographs, few of them with labels, to a classifier and a report."""

from dataclasses import replace
from pathlib import Path

from mmsemiloc.few_labels.backbones import find_backbone
from mmsemiloc.few_labels.classifier import CHECKPOINT, Classifier, save_checkpoint, set_classifier
from mmsemiloc.few_labels.conclusion import make_outcome
from mmsemiloc.few_labels.extraction import find_features, make_extractor
from mmsemiloc.few_labels.fine_tuning import STEPS, fine_tune
from mmsemiloc.few_labels.learning import learn
from mmsemiloc.few_labels.photos import read_photos
from mmsemiloc.few_labels.progress import Done, Progress, Say
from mmsemiloc.few_labels.report import write_results
from mmsemiloc.few_labels.result_config import write_config


def check_numbers(views: int, folds: int, seed: int, finetune_steps: int) -> None:
    """Refuse numbers that cannot be."""
    if views < 0 or folds < 2 or seed < 0:
        raise ValueError(
            'views must be at least 0, folds at least 2 and seed at least 0, got '
            f'{views}, {folds} and {seed}'
        )
    if finetune_steps < 1:
        raise ValueError(f'finetune_steps must be at least 1, got {finetune_steps}')


def fit(
    photos: str | Path | None = None,
    labels: str | Path | None = None,
    *,
    labeled: str | Path | None = None,
    unlabeled: str | Path | None = None,
    backbone: str = 'efficientnet_lite0',
    weights: str | Path | None = None,
    work_dir: str | Path = 'work_dirs/fit',
    cache: str | Path | None = None,
    views: int = 0,
    folds: int = 5,
    seed: int = 0,
    finetune: bool = False,
    finetune_steps: int = STEPS,
    allow_links: bool = False,
    say: Say = print,
    done: Done = lambda stage, step, total: None,
) -> Classifier:
    """Train a classifier on photographs, few of which have a label.

    The backbone is pretrained and rests. Its features are computed once and kept on disk. A linear
    classifier learns from the labels with cross-entropy, and from all images with the penalties of
    equation (4). Their weights are chosen by cross-validation on the labelled images alone; the
    accuracy that is reported comes from a nested one.

    Args:
        photos: Folder of images: any with ``labels``, else with a folder per class, and images
            without a label beside them or in a folder ``unlabeled``.
        labels: csv file with the columns ``file`` (relative to ``photos``) and ``label``.
        labeled: Instead of both, a folder that has a folder per class.
        unlabeled: Folder of further images without a label.
        backbone: Name of a config ``configs/photos/photos_NAME.py``; or a model of
            ``mmpretrain.list_models()``, a config file of MMPretrain (``FILE.py`` or
            ``mmpretrain::FILE.py``), or ``timm:NAME``.
        weights: File or address of the backbone's weights, if they are not those that come with it.
        work_dir: Folder of the results: ``report.html``, ``predictions.csv``, ``label_next.csv``,
            ``classifier.py`` and ``classifier.pth``.
        cache: Folder of the features; ``~/.cache/mmsemiloc/features`` by default.
        views: Strong views per image, for FixMatch beside MEL and NBEL.
        folds: Folds of the cross-validation.
        seed: Of the folds and the views.
        finetune: Whether to train the backbone too, from the fitted classifier on. The result are
            ``finetuned.py`` and ``finetuned.pth`` beside the others, and its accuracy beside that
            of the frozen backbone on a fold of labelled images that neither knows.
        finetune_steps: Steps of that training, of 64 images each; there are two trainings.
        allow_links: Whether links in the folders of images may lead out of them.
        say: Called with each line about what is done.
        done: Called with a stage, how much of it is done, and how much there is.

    Returns:
        The classifier, with the frozen backbone.

    Raises:
        ValueError: If the files, the labels or an argument are wrong, in one line.

    Example:
        >>> import mmsemiloc
        >>> classifier = mmsemiloc.fit('photos', 'labels.csv', say=lambda line: None)
        >>> classifier.classes
        ('cat', 'dog', 'ferret')
        >>> [photo.label for photo in classifier.predict(['photos/0.png', 'photos/1.png'])]
        ['cat', 'dog']
    """
    check_numbers(views, folds, seed, finetune_steps)
    chosen = find_backbone(backbone, weights)
    folder = Path(work_dir)
    there = read_photos(
        *(None if p is None else Path(p) for p in (photos, labels, labeled, unlabeled, folder)),
        allow_links=allow_links,
    )
    extractor = make_extractor(chosen, len(there.classes), views, seed, cache)
    folder.mkdir(parents=True, exist_ok=True)

    # Features of all images, which no label has touched.
    progress = Progress(say, done)
    for note in there.notes:
        progress.tell(note)
    found = find_features(there, extractor, progress)

    # Settings by cross-validation, then a classifier of all labelled images.
    result = learn(found, len(there.classes), extractor, folds, seed, progress)

    # The same network as every other tool takes it.
    config = write_config(there.classes, found, chosen, folder)
    set_classifier(extractor.model, result.weight, result.bias)
    save_checkpoint(extractor.model, there.classes, folder / CHECKPOINT)
    classifier = Classifier(config, folder / CHECKPOINT)

    outcome = make_outcome(there, found, result, classifier, progress.lines)
    write_results(outcome, folder)
    low, high = outcome.interval
    say(
        f'Accuracy {outcome.accuracy:.1f} %, 95 % interval {low:.1f} to {high:.1f} %, on labelled '
        'images whose label was held out.'
    )

    # The backbone too; what is there already stays.
    if finetune:
        compared = fine_tune(
            there.classes, found, chosen, result, extractor, folder, finetune_steps, progress
        )
        write_results(replace(outcome, finetuned=compared, plan=progress.lines), folder)
    say(f'Report: {folder / "report.html"}')
    return classifier

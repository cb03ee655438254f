"""Training the backbone too, from the fitted classifier on, and whether it helps."""

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mmsemiloc.engine.build import build_runner, set_loader_defaults
from mmsemiloc.few_labels.backbones import Backbone
from mmsemiloc.few_labels.classifier import Classifier, save_checkpoint, set_classifier
from mmsemiloc.few_labels.features import FeatureExtractor
from mmsemiloc.few_labels.learning import Learned
from mmsemiloc.few_labels.outcome import Comparison
from mmsemiloc.few_labels.progress import Progress, duration
from mmsemiloc.few_labels.readable import Readable
from mmsemiloc.few_labels.result_config import merged, write_config
from mmsemiloc.few_labels.settings import Linear
from mmsemiloc.few_labels.whole_set_loss import Method
from mmsemiloc.models import inner_model

STEPS = 200
NAME = 'finetuned'
HELD_OUT = 0  # the fold whose labels tell whether it helps


def recipe(cfg: Config, method: Method, steps: int) -> dict[str, Any]:
    """What a config sets to train for some steps with the terms of a method.

    Learning rates, batches and transforms are those of ``configs/_base_/photos.py``.

    Args:
        cfg: A config of a backbone.
        method: Its terms take the place of the config's.
        steps: How many.
    """
    warm = max(1, steps // 20)
    values = dict(
        model=dict(
            head=dict(
                loss_mel=None,
                loss_nbel=None,
                loss_locality=None,
                terms={name: dict(term) for name, term in method.terms.items()},
            )
        ),
        train_dataloader=dict(sampler=dict(epoch_length=steps)),
        train_cfg=dict(max_iters=steps, val_interval=steps),
        param_scheduler=[
            dict(type='LinearLR', by_epoch=False, start_factor=0.01, begin=0, end=warm),
            dict(
                type='CosineAnnealingLR',
                by_epoch=False,
                begin=warm,
                end=max(steps, warm + 1),
                T_max=max(1, steps - warm),
            ),
        ],
        default_hooks=dict(checkpoint=dict(interval=steps)),
    )
    if not method.views:
        return values
    views = dict(pipeline=Config(dict(steps=cfg.view_pipeline)).to_dict()['steps'])
    return merged(values, dict(train_dataloader=dict(dataset=dict(unlabeled=views))))


def seconds_per_step(extractor: FeatureExtractor, cfg: Config, method: Method) -> float:
    """Time of a step with what the model runs on, from a batch of empty images.

    Reading photographs is not in it: it goes on beside.
    """
    model = copy.deepcopy(extractor.model)
    model.train()
    images = torch.zeros(8, 3, *extractor.image_size(), dtype=torch.uint8, device=get_device())
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        inputs = model.data_preprocessor(dict(inputs=images))['inputs']
        model.head(model.extract_feat(inputs)).sum().backward()
        seconds = (time.perf_counter() - start) / len(images)

    # NBEL reads the predictions of the whole batch first; FixMatch has a second view.
    size = cfg.train_dataloader.batch_size
    shown = size * (1.5 if method.views else 1.0)
    return shown * (seconds + (extractor.seconds_per_image() if 'nbel' in method.terms else 0.0))


class StepHook(Hook):
    """Tells each step.

    Args:
        progress: Who is told.
        stage: Name of the training.
        total: Steps of it.
    """

    def __init__(self, progress: Progress, stage: str, total: int) -> None:
        self.progress, self.stage, self.total = progress, stage, total

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """As MMEngine's."""
        self.progress.advance(self.stage, self.total)


def train(
    config: Path, start: Path, work_dir: Path, stage: str, steps: int, progress: Progress
) -> nn.Module:
    """The model of a config after its training.

    Args:
        config: A config with :func:`recipe`.
        start: The checkpoint that it starts from.
        work_dir: Folder of its logs.
        stage: Name of the training.
        steps: Steps of it.
        progress: Is told each step.
    """
    cfg = Config.fromfile(config)
    cfg.load_from, cfg.work_dir, cfg.launcher = str(start), str(work_dir), 'none'
    cfg.experiment_name = f'{stage} {time.time_ns()}'
    cfg.log_level = 'WARNING'  # progress is told in another way; losses are in the work dir
    cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    set_loader_defaults(cfg.train_dataloader)

    # The test images are those that it learns from.
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    cfg.default_hooks.checkpoint.update(interval=-1, save_last=False)
    runner = build_runner(cfg)
    runner.register_hook(StepHook(progress, stage, steps))
    runner.train()
    return inner_model(runner.model)


def without_labels(found: Readable, held: np.ndarray) -> Readable:
    """Images of which some labelled ones are unlabelled.

    Args:
        found: The images.
        held: Whether each labelled image loses its label (L,).
    """
    count = len(found.labels)
    order = [*np.flatnonzero(~held), *np.flatnonzero(held), *range(count, len(found.files))]
    return replace(
        found,
        files=[found.files[place] for place in order],
        keys=[found.keys[place] for place in order],
        labels=found.labels[~held],
    )


def fine_tune(
    classes: Sequence[str],
    found: Readable,
    backbone: Backbone,
    learned: Learned,
    extractor: FeatureExtractor,
    folder: Path,
    steps: int,
    progress: Progress,
) -> Comparison:
    """Train the backbone and the fitted classifier on, and measure whether that helps.

    One training leaves out the labels of a fold: on these images it is compared with the frozen
    classifier, which was trained, and whose setting was chosen, without them. The other training
    has all labels, and is written to ``finetuned.py`` and ``finetuned.pth``.

    Args:
        classes: Names of the classes.
        found: The images.
        backbone: What is trained.
        learned: The frozen classifier, and how it came about.
        extractor: The frozen backbone.
        folder: Where to write.
        steps: Steps of each training.
        progress: Is told what is done.
    """
    cfg, choice = backbone.config(), learned.choice
    held = choice.fold == HELD_OUT
    settings: Mapping[str, Linear] = learned.problem.settings
    once = seconds_per_step(extractor, cfg, settings[choice.name].method) * steps
    progress.tell(
        f'Fine-tuning: 2 trainings of {steps} steps of {cfg.train_dataloader.batch_size} images, '
        f'one without the {held.sum()} labels of a fold, which tell whether it helps: about '
        f'{duration(2 * once)}.'
    )

    def tuned(stage: str, images: Readable, setting: str, known: np.ndarray, where: Path) -> Path:
        """Train from the classifier of some labelled images on; the config beside the result."""
        where.mkdir(parents=True, exist_ok=True)
        more = recipe(cfg, settings[setting].method, steps)
        config = write_config(classes, images, backbone, where, NAME, more)
        start = where / 'start.pth'
        set_classifier(extractor.model, *learned.problem.classifier(setting, known))
        save_checkpoint(extractor.model, classes, start)
        model = train(config, start, folder / 'finetuning' / 'logs', stage, steps, progress)
        save_checkpoint(model, classes, config.with_suffix('.pth'))
        start.unlink()
        return config

    # Compared where neither knows the labels.
    some, places = without_labels(found, held), np.flatnonzero(held)
    setting, where = choice.chosen[HELD_OUT], folder / 'finetuning'
    config = tuned('fine-tuning without a fold', some, setting, np.flatnonzero(~held), where)
    predicted = Classifier(config, config.with_suffix('.pth')).predict(
        [found.files[place] for place in places]
    )
    names = np.array([list(classes).index(one.label) for one in predicted])
    right = choice.held_out[held].argmax(1) == found.labels[held]
    compared = Comparison(right, names == found.labels[held], steps)

    # The one to take along has all labels.
    tuned('fine-tuning', found, choice.name, np.arange(len(found.labels)), folder)
    for line in compared.lines():
        progress.tell(line)
    progress.tell(
        f'The frozen one is {folder / "classifier.pth"}, the fine-tuned one {folder / NAME}.pth.'
    )
    return compared

"""Hook that connects data and model before the first step, and refuses what does not fit together."""
import logging

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, Runner, find_latest_checkpoint
from torch import nn
from torch.utils.data import DataLoader

from mmsemiloc.datasets import SemiSupDataset, SemiSupSampler
from mmsemiloc.datasets.box_motion import check_moves_boxes
from mmsemiloc.datasets.checks import (
    check_against_checkpoint,
    check_classes,
    checkpoint_classes,
    class_names,
    labels_of,
)
from mmsemiloc.datasets.classes import check_same_classes, listed, same_name
from mmsemiloc.datasets.missing_images import check_images_exist
from mmsemiloc.datasets.pipeline_trials import try_pipelines
from mmsemiloc.datasets.same_classes import check_folder_names, check_same_folders
from mmsemiloc.engine.finite_hook import FiniteHook
from mmsemiloc.engine.never_begins import check_everything_begins
from mmsemiloc.engine.trial import check_topk, try_evaluation, try_loss
from mmsemiloc.models import SemiSupClassifier, fit_checkpoint, inner_model
from mmsemiloc.models.checkpoint_fit import Purpose, classifier_names
from mmsemiloc.registry import DATASETS, HOOKS


def number_of_classes(model: nn.Module) -> int | None:
    """C of a classifier; None for other models."""
    return getattr(getattr(model, 'head', None), 'num_classes', None)


def check_sampler(loader: DataLoader, optim_wrapper: object = None) -> None:
    """Refuse a sampler that does not plan the batches that the loader and the optimizer wrapper make of its order.

    Raises:
        ValueError: With both values and the name that sets both.
    """
    sampler = loader.sampler
    if not isinstance(sampler, SemiSupSampler):
        if isinstance(loader.dataset, SemiSupDataset) and loader.dataset.num_unlabeled:
            raise ValueError(f'train_dataloader.sampler is a {type(sampler).__name__}, which does not know labelled from '
                             "unlabelled images: set type='mmsemiloc.SemiSupSampler'")
        return
    if sampler.batch_size != loader.batch_size:
        raise ValueError(f'train_dataloader.batch_size={loader.batch_size} differs from its sampler\'s '
                         f'batch_size={sampler.batch_size}; set both at once by batch_size={loader.batch_size}')
    micro_batch_size = getattr(optim_wrapper, 'micro_batch_size', None)
    if micro_batch_size not in (None, sampler.micro_batch_size) and micro_batch_size < sampler.batch_size:
        raise ValueError(f'optim_wrapper.micro_batch_size={micro_batch_size} differs from micro_batch_size='
                         f'{sampler.micro_batch_size} of train_dataloader.sampler, which plans the labelled images of each '
                         f'micro-batch; set both at once by micro_batch_size={micro_batch_size}')


def check_model(model: nn.Module) -> None:
    """Refuse a classifier whose head and preprocessor have different numbers of classes.

    Raises:
        ValueError: With both numbers and the name that sets both.
    """
    num_classes = number_of_classes(model)
    others = getattr(getattr(model, 'data_preprocessor', None), 'num_classes', None)
    if num_classes is not None and others not in (None, num_classes):
        raise ValueError(f'model.head.num_classes={num_classes} differs from num_classes={others} of data_preprocessor; set '
                         f'both at once by num_classes={num_classes}')


def test_set(runner: Runner) -> BaseDataset | None:
    """The test images of a config that are not its validation images; None if there are none, or not here."""
    test, validation = (bare_dataset(runner.cfg.get(f'{split}_dataloader') or {}) for split in ('test', 'val'))
    made = test is not None and 'DigitScenes' in str(test.get('type'))  # nothing of it can be wrong
    if test is None or made or test == validation:
        return None
    try:
        dataset = DATASETS.build(test)
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
    except OSError as error:
        print_log(f'the test images are not checked: {error}', logger='current', level=logging.WARNING)
        return None
    return dataset


def bare_dataset(loader: dict) -> dict | None:
    """The config of a dataloader's images without what treats unreadable ones; None if there is none."""
    dataset = loader.get('dataset')
    return dataset['dataset'] if dataset and 'TolerantDataset' in str(dataset.get('type')) else dataset


def sources(dataset: BaseDataset) -> list[tuple[BaseDataset | None, str]]:
    """The sources of training images, and what they are called in messages."""
    if isinstance(dataset, SemiSupDataset):
        return [(dataset.labeled, 'labelled'), (dataset.unlabeled, 'unlabelled')]
    return [(dataset, 'training')]


def describe_data(dataset: BaseDataset, validation: BaseDataset | None) -> str:
    """The data of a run in one line."""
    if isinstance(dataset, SemiSupDataset):
        names, labels = class_names(dataset), labels_of(dataset.labeled)
        counts = np.bincount(labels, minlength=len(names)) if labels is not None else np.zeros(0, int)
        shown = ', '.join(f'{names[i] if i < len(names) else i} {count}' for i, count in enumerate(counts[:5]))
        more = f', ... {len(counts)} classes' if len(counts) > 5 else ''
        text = f'{dataset.num_labeled:,} labelled images ({shown}{more}), {dataset.num_unlabeled:,} unlabelled'
    else:
        text = f'{len(dataset):,} images'
    return text + ('' if validation is None else f', {len(validation):,} for validation')


def purpose_of(runner: Runner) -> Purpose:
    """What a runner loads a checkpoint for. Only in ``runner.train()`` its training loop is built before."""
    if runner._resume:
        return 'resume'
    return 'start' if isinstance(runner._train_loop, BaseLoop) else 'test'


def check_weights(runner: Runner, checkpoint: dict) -> None:
    """Replace the weights of a checkpoint that is being loaded by those that fit, see :func:`fit_checkpoint`."""
    source = str(runner._load_from or find_latest_checkpoint(runner.work_dir))
    fit_checkpoint(inner_model(runner.model), checkpoint, source, purpose_of(runner))
    if purpose_of(runner) == 'start':
        keep_new_head(runner, checkpoint)


def keep_new_head(runner: Runner, checkpoint: dict) -> None:
    """Where a training starts from a checkpoint of other classes, take all of it but the layer of class scores.

    Args:
        runner: That loads the checkpoint.
        checkpoint: With ``state_dict`` under the model's own names, changed in place.
    """
    model, theirs = inner_model(runner.model), checkpoint_classes(checkpoint.get('meta') or {})
    own = class_names(runner.train_loop.dataloader.dataset)
    if theirs and own and [*map(same_name, theirs)] != [*map(same_name, own)]:
        state = model.state_dict()
        means = checkpoint.get('ema_state_dict') or {}  # which a hook may exchange for the weights
        for name in classifier_names(model):
            checkpoint['state_dict'][name] = state[name]
            if f'module.{name}' in means:
                means[f'module.{name}'] = state[name]
        print_log(f'head left out: the checkpoint has other classes ({listed(theirs)}) than the labelled images '
                  f'({listed(own)})', logger='current', level=logging.INFO)


@HOOKS.register_module()
class SemiSupSetupHook(Hook):
    """Checks what must agree before the first step, hands the labelled class counts to ``prior='labeled'``, keeps the order.

    Checked are the classes of all data sets by name and number, the images (see :meth:`SemiSupDataset.check`), the
    sampler, the schedules, and by a trial on a few images every term of the loss and every metric. Before a test, the
    classes of the checkpoint too. A resumed run goes on with the sampler's seed of the run that it resumes, also if that
    was a random one.

    In our configs it is ``default_hooks.setup``, which an own list of ``custom_hooks`` leaves as it is.
    It brings the :class:`FiniteHook` along where a config does not list it.

    Raises:
        ValueError: Before the work starts, with what does not fit and the remedy.
    """

    priority = 'VERY_HIGH'  # before hooks that load weights, such as EMAHook
    saved_seed: int | None = None
    saved_meta: dict = {}

    def before_train(self, runner: Runner) -> None:
        """Run all checks once."""
        if not any(isinstance(hook, FiniteHook) for hook in runner.hooks):
            runner.register_hook(FiniteHook())  # of a lower priority: its own before_train comes later
        loader, model = runner.train_loop.dataloader, inner_model(runner.model)
        validation = runner.val_loop.dataloader.dataset if runner.val_loop else None
        check_sampler(loader, runner.optim_wrapper)
        if isinstance(loader.sampler, SemiSupSampler):
            self._restore_seed(runner, loader.sampler)

        check_model(model)
        self._check_data(runner, loader.dataset, validation, number_of_classes(model))
        self._set_priors(model, loader.dataset)
        terms = model.head.terms if isinstance(model, SemiSupClassifier) else {}
        check_everything_begins(runner, {name: term.loss_weight for name, term in terms.items()})

        # By a trial, what no rule foresees.
        if isinstance(model, SemiSupClassifier):
            try_loss(model, loader)
        if runner.val_loop:
            self._check_evaluation(runner.model, runner.val_loop.dataloader, runner.val_loop.evaluator, 'val')
        print_log(describe_data(loader.dataset, validation), logger='current', level=logging.INFO)

    def before_test(self, runner: Runner) -> None:
        """Check the test images and metrics."""
        model, loop = inner_model(runner.model), runner.test_loop
        num_classes = number_of_classes(model)
        if num_classes is not None:
            dataset = loop.dataloader.dataset
            check_against_checkpoint(dataset, num_classes, self.saved_meta, 'test')
            check_folder_names(dataset, 'test')
            skip = getattr(getattr(dataset, 'faults', None), 'action', None) == 'skip'
            check_images_exist(dataset, 'test', skip)
            try_pipelines(dataset, 'test', skip)
            check_moves_boxes(dataset, 'test')
        self._check_evaluation(runner.model, loop.dataloader, loop.evaluator, 'test')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the sampler's seed."""
        checkpoint['sampler_seed'] = getattr(runner.train_loop.dataloader.sampler, 'seed', None)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the weights before anything is loaded; remember the order of images and the names of classes."""
        check_weights(runner, checkpoint)
        self.saved_seed = checkpoint.get('sampler_seed')
        self.saved_meta = checkpoint.get('meta') or {}

    def _check_data(self, runner: Runner, dataset: BaseDataset, validation: BaseDataset | None,
                    num_classes: int | None) -> None:
        """Check images and classes of all data sets of a classifier."""
        if num_classes is None:
            return

        # Classes first: what is wrong with them says most about a folder or list.
        names = class_names(dataset)
        if isinstance(dataset, SemiSupDataset):
            dataset.check(num_classes, validation)
        else:
            check_classes(dataset, num_classes, 'training')
        saved = checkpoint_classes(self.saved_meta)
        if runner.iter and saved and names:  # a resumed run
            check_same_classes(names, saved, 'the labelled images', 'the checkpoint that is resumed')
        labeled, test = sources(dataset)[0][0], test_set(runner)
        check_folder_names(labeled, 'labelled')
        for other, kind in ((validation, 'validation'), (test, 'test')):
            if other is not None:
                check_classes(other, num_classes, kind, names)
                check_folder_names(other, kind)
                check_same_folders(labeled, other, kind)

        # Then every file, and every transform on one image of each source.
        faults = getattr(dataset, 'faults', None)
        skip = faults is not None and faults.action == 'skip'
        for part, kind in (*sources(dataset), (validation, 'validation'), (test, 'test')):
            if part is not None:
                missing = check_images_exist(part, kind, skip)
                if faults is not None and len(missing) > faults.budget:
                    raise ValueError(f'{len(missing)} {kind} images are not there, the first is {missing[0]}, but '
                                     f'faults.budget tolerates {faults.budget}')
                try_pipelines(part, kind, skip)
                check_moves_boxes(part, kind)

    def _check_evaluation(self, model: nn.Module, loader: DataLoader, evaluator: Evaluator, which: str) -> None:
        """Try the metrics of a classifier."""
        num_classes = number_of_classes(inner_model(model))
        if num_classes is not None:
            check_topk(evaluator, num_classes, which)
            try_evaluation(model, loader, evaluator, which)

    def _set_priors(self, model: nn.Module, dataset: BaseDataset) -> None:
        """Hand the class counts to terms that ask for them."""
        for module in model.modules():
            if getattr(module, 'prior', None) == 'labeled':
                if not isinstance(dataset, SemiSupDataset):
                    raise ValueError(f"prior='labeled' needs a SemiSupDataset, got {type(dataset).__name__}")
                module.set_prior(dataset.labeled_class_counts(number_of_classes(model) or 0))

    def _restore_seed(self, runner: Runner, sampler: SemiSupSampler) -> None:
        """Go on with the order of a resumed run: MMEngine restores a random seed after it has built the sampler."""
        if runner.iter and self.saved_seed not in (None, sampler.seed):
            print_log(f'the order of images goes on with seed {self.saved_seed} of the checkpoint, not {sampler.seed}',
                      logger='current', level=logging.INFO)
            sampler.seed = self.saved_seed

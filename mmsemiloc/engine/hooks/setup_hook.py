"""Hook that checks before the first step that data, model and schedules fit together."""

import logging

from mmengine.dataset import BaseDataset
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from mmsemiloc.datasets import SemiSupDataset, SemiSupSampler
from mmsemiloc.datasets.checks.box_motion import check_moves_boxes
from mmsemiloc.datasets.checks.classes import (
    check_against_checkpoint,
    check_classes,
    checkpoint_classes,
)
from mmsemiloc.datasets.checks.missing_images import check_images_exist
from mmsemiloc.datasets.checks.pipeline_trials import try_pipelines
from mmsemiloc.datasets.checks.same_folders import check_folder_names, check_same_folders
from mmsemiloc.datasets.contents import class_names
from mmsemiloc.datasets.listing.class_names import check_same_classes
from mmsemiloc.engine.checks.agreement import (
    check_model,
    check_sampler,
    describe_data,
    number_of_classes,
    sources,
    test_set,
)
from mmsemiloc.engine.checks.loaded_weights import check_weights
from mmsemiloc.engine.checks.never_begins import check_everything_begins
from mmsemiloc.engine.checks.trial import check_topk, try_evaluation, try_loss
from mmsemiloc.engine.hooks.finite_hook import FiniteHook
from mmsemiloc.engine.hooks.loss_schedule_hook import LossScheduleHook
from mmsemiloc.models import SemiSupClassifier, inner_model
from mmsemiloc.registry import HOOKS


@HOOKS.register_module()
class SemiSupSetupHook(Hook):
    """Checks what must agree before the first step.

    It also hands the labelled class counts to ``prior='labeled'``, and keeps the order of images of
    a resumed run.

    Checked are the classes of all data sets by name and number, the images (see
    :meth:`SemiSupDataset.check`), the sampler, the schedules, and by a trial on a few images every
    term of the loss and every metric. Before a test, the classes of the checkpoint too. A resumed
    run goes on with the sampler's seed of the run that it resumes, also if that was a random one.

    In our configs it is ``default_hooks.setup``, which an own list of ``custom_hooks`` leaves as it
    is. It brings :class:`FiniteHook` and :class:`LossScheduleHook` along where a config does not
    list them.

    Raises:
        ValueError: Before the work starts, with what does not fit and the remedy.
    """

    priority = 'VERY_HIGH'  # before hooks that load weights, such as EMAHook
    saved_seed: int | None = None
    saved_meta: dict = {}

    def before_train(self, runner: Runner) -> None:
        """Run all checks once."""
        for needed in (FiniteHook, LossScheduleHook):
            if not any(isinstance(hook, needed) for hook in runner.hooks):
                # Its priority is lower, so its own before_train comes after this one.
                runner.register_hook(needed())

        loader, model = runner.train_loop.dataloader, inner_model(runner.model)
        validation = runner.val_loop.dataloader.dataset if runner.val_loop else None
        check_sampler(loader, runner.optim_wrapper)
        if isinstance(loader.sampler, SemiSupSampler):
            self._restore_seed(runner, loader.sampler)

        check_model(model)
        self._check_data(runner, loader.dataset, validation, number_of_classes(model))
        self._set_priors(model, loader.dataset)
        terms = model.head.terms if isinstance(model, SemiSupClassifier) else {}
        check_everything_begins(runner, terms)

        # By a trial, what no rule foresees.
        if isinstance(model, SemiSupClassifier):
            try_loss(model, loader)
        if runner.val_loop:
            self._check_evaluation(
                runner.model, runner.val_loop.dataloader, runner.val_loop.evaluator, 'val'
            )
        print_log(describe_data(loader.dataset, validation), logger='current', level=logging.INFO)
        self.saved_meta = {}  # from here on the weights are those of this run, and of its classes

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
        """Check the weights before anything is loaded; remember what the run goes on with."""
        check_weights(runner, checkpoint)
        self.saved_seed = checkpoint.get('sampler_seed')
        self.saved_meta = checkpoint.get('meta') or {}

    def _check_data(
        self,
        runner: Runner,
        dataset: BaseDataset,
        validation: BaseDataset | None,
        num_classes: int | None,
    ) -> None:
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
            check_same_classes(
                names, saved, 'the labelled images', 'the checkpoint that is resumed'
            )
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
                    raise ValueError(
                        f'{len(missing)} {kind} images are not there, the first is {missing[0]}, '
                        f'but faults.budget tolerates {faults.budget}'
                    )
                try_pipelines(part, kind, skip)
                check_moves_boxes(part, kind)

    def _check_evaluation(
        self, model: nn.Module, loader: DataLoader, evaluator: Evaluator, which: str
    ) -> None:
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
                    raise ValueError(
                        f"prior='labeled' needs a SemiSupDataset, got {type(dataset).__name__}"
                    )
                module.set_prior(dataset.labeled_class_counts(number_of_classes(model) or 0))

    def _restore_seed(self, runner: Runner, sampler: SemiSupSampler) -> None:
        """Go on with the order of a resumed run.

        MMEngine restores a random seed only after it has built the sampler.
        """
        if runner.iter and self.saved_seed not in (None, sampler.seed):
            print_log(
                f'the order of images goes on with seed {self.saved_seed} of the checkpoint, not '
                f'{sampler.seed}',
                logger='current',
                level=logging.INFO,
            )
            sampler.seed = self.saved_seed

"""Hook that connects data and model before training starts."""
import logging

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmsemiloc.datasets import SemiSupDataset, SemiSupSampler
from mmsemiloc.registry import HOOKS


@HOOKS.register_module()
class SemiSupSetupHook(Hook):
    """Checks the images and their labels, hands the labelled class counts to ``prior='labeled'``, and keeps the order.

    A resumed run goes on with the sampler's seed of the run that it resumes, also if that was a random one.

    Raises:
        ValueError: Before training, if the dataloader's ``batch_size`` is not the sampler's, a label is out of range, an image
            is where it must not be (see :meth:`SemiSupDataset.check`), or a prior has no source.
    """

    saved_seed: int | None = None

    def before_train(self, runner: Runner) -> None:
        """Run the checks once."""
        loader = runner.train_loop.dataloader
        if isinstance(loader.sampler, SemiSupSampler):
            if loader.sampler.batch_size != loader.batch_size:
                raise ValueError(f'train_dataloader.batch_size={loader.batch_size} differs from its sampler\'s '
                                 f'batch_size={loader.sampler.batch_size}; set both')
            self._restore_seed(runner, loader.sampler)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if isinstance(loader.dataset, SemiSupDataset):
            loader.dataset.check(model.head.num_classes, runner.val_loop and runner.val_loop.dataloader.dataset)
        for module in model.head.modules():
            if getattr(module, 'prior', None) == 'labeled':
                if not isinstance(loader.dataset, SemiSupDataset):
                    raise ValueError(f"prior='labeled' needs a SemiSupDataset, got {type(loader.dataset).__name__}")
                module.set_prior(loader.dataset.labeled_class_counts())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the sampler's seed."""
        checkpoint['sampler_seed'] = getattr(runner.train_loop.dataloader.sampler, 'seed', None)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember the seed of a run that may be resumed."""
        self.saved_seed = checkpoint.get('sampler_seed')

    def _restore_seed(self, runner: Runner, sampler: SemiSupSampler) -> None:
        """Go on with the order of a resumed run: MMEngine restores a random seed after it has built the sampler."""
        if runner.iter and self.saved_seed not in (None, sampler.seed):
            print_log(f'the order of images goes on with seed {self.saved_seed} of the checkpoint, not {sampler.seed}',
                      logger='current', level=logging.INFO)
            sampler.seed = self.saved_seed

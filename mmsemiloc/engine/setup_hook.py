"""Hook that connects data and model before training starts."""
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmsemiloc.datasets import SemiSupDataset, SemiSupSampler
from mmsemiloc.registry import HOOKS


@HOOKS.register_module()
class SemiSupSetupHook(Hook):
    """Checks that sampler, dataloader and labels agree, and hands the labelled class counts to ``prior='labeled'``.

    Raises:
        ValueError: Before training, if the dataloader's ``batch_size`` is not the sampler's, a label is out of range, or a
            prior has no source.
    """

    def before_train(self, runner: Runner) -> None:
        """Run the checks once."""
        loader = runner.train_loop.dataloader
        if isinstance(loader.sampler, SemiSupSampler) and loader.sampler.batch_size != loader.batch_size:
            raise ValueError(f'train_dataloader.batch_size={loader.batch_size} differs from its sampler\'s '
                             f'batch_size={loader.sampler.batch_size}; set both')
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if isinstance(loader.dataset, SemiSupDataset):
            loader.dataset.check_labels(model.head.num_classes)
        for term in model.head.terms.values():
            if getattr(term, 'prior', None) == 'labeled':
                if not isinstance(loader.dataset, SemiSupDataset):
                    raise ValueError(f"prior='labeled' needs a SemiSupDataset, got {type(loader.dataset).__name__}")
                term.set_prior(loader.dataset.labeled_class_counts())

"""DDP wrapper for models whose optimizer wrapper runs the training step."""
from mmengine.model import MMDistributedDataParallel

from mmsemiloc.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class SemiSupDistributedDataParallel(MMDistributedDataParallel):
    """``MMDistributedDataParallel`` that leaves the training step to ``AccumOptimWrapper``.

    MMEngine's wrapper has a ``train_step`` of its own and never calls the model's.
    """

    def train_step(self, data: dict, optim_wrapper) -> dict:
        """One optimizer step; see ``SemiSupClassifier.train_step``."""
        if hasattr(optim_wrapper, 'train_batch'):
            return optim_wrapper.train_batch(self, data)
        return super().train_step(data, optim_wrapper)

"""DDP wrapper for models whose optimizer wrapper runs the training step."""

from typing import Any

from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmsemiloc.models.batch_norm import average_statistics
from mmsemiloc.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class SemiSupDistributedDataParallel(MMDistributedDataParallel):
    """``MMDistributedDataParallel`` that leaves the training step to ``AccumOptimWrapper``.

    MMEngine's wrapper has a ``train_step`` of its own and never calls the model's. After each step
    the running statistics of BatchNorm are averaged over ranks; see :func:`average_statistics`.

    Args:
        module: A ``SemiSupClassifier``.
        *args: For ``MMDistributedDataParallel``.
        broadcast_buffers: Whether each forward pass copies BatchNorm's statistics from rank 0; by
            default not, as in MMEngine.
        **kwargs: For ``MMDistributedDataParallel``.
    """

    def __init__(
        self, module: nn.Module, *args: Any, broadcast_buffers: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(module, *args, broadcast_buffers=broadcast_buffers, **kwargs)

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One optimizer step; see ``SemiSupClassifier.train_step``."""
        if hasattr(optim_wrapper, 'train_batch'):
            log = optim_wrapper.train_batch(self, data)
        else:
            log = super().train_step(data, optim_wrapper)

        # Before the hooks of this step: one of them may keep a teacher.
        average_statistics(self.module)
        return log

"""Image classifier whose batches mix labelled and unlabelled images."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmsemiloc.models.cam_cls_head import CAMClsHead
from mmsemiloc.models.checkpoints.backbone import pretrained_fits
from mmsemiloc.models.data_preprocessor import SemiSupDataPreprocessor
from mmsemiloc.models.freezing import freeze, keep_at_rest
from mmsemiloc.models.predictions import Predictions
from mmsemiloc.models.views import Views
from mmsemiloc.registry import MODELS


@MODELS.register_module()
class SemiSupClassifier(ImageClassifier):
    """``ImageClassifier`` with a ``CAMClsHead``, trained on labelled and unlabelled images.

    An image is labelled if its data sample has ``gt_label`` (or ``gt_score``). With
    ``AccumOptimWrapper`` the batch of the dataloader is the effective batch of one optimizer step,
    and is split into micro-batches.

    Args:
        data_preprocessor: Config of the preprocessor; its type is ``SemiSupDataPreprocessor`` if
            left out.
        frozen: Names of modules that keep their weights and BatchNorm's statistics, such as
            ``['backbone']``, ``['head']`` or ``['backbone.stages.0', 'head.fc']``; they stay in
            evaluation mode. Terms of the loss have no weights and are never frozen.
        trainable: Of the rest, 'all' parameters are trained, or those of 'norm': the scales and
            shifts of normalisation layers alone.
        **kwargs: For ``ImageClassifier``.

    Raises:
        ValueError: If the head is not a ``CAMClsHead``, or the preprocessor is not a
            ``SemiSupDataPreprocessor`` (another one would drop the further views of an image), a
            frozen name names no module, or nothing is left to train; in ``init_weights``, if a
            checkpoint of an ``init_cfg`` does not fit.
    """

    def __init__(
        self,
        *,
        data_preprocessor: dict | None = None,
        frozen: Sequence[str] = (),
        trainable: str = 'all',
        **kwargs: Any,
    ) -> None:
        # MMPretrain would take its own preprocessor, which needs a label for every image.
        if data_preprocessor is None or isinstance(data_preprocessor, dict):
            data_preprocessor = {
                'type': 'mmsemiloc.SemiSupDataPreprocessor',
                **(data_preprocessor or {}),
            }

        super().__init__(data_preprocessor=data_preprocessor, **kwargs)
        self.set_teacher(None)

        if not isinstance(self.head, CAMClsHead):
            raise ValueError(
                f'SemiSupClassifier needs a head of type CAMClsHead, got {type(self.head).__name__}'
            )
        if not isinstance(self.data_preprocessor, SemiSupDataPreprocessor):
            raise ValueError(
                'SemiSupClassifier needs a data_preprocessor of type SemiSupDataPreprocessor, got '
                f'{type(self.data_preprocessor).__name__}'
            )

        freeze(self, frozen, trainable)
        self.frozen = tuple(frozen)

    def train(self, mode: bool = True) -> 'SemiSupClassifier':
        """Set the mode of all that is not frozen."""
        super().train(mode)
        keep_at_rest(self, self.frozen)
        self.head.terms.train(mode)  # their running means are not weights
        return self

    def init_weights(self) -> None:
        """Initialise all parts as their ``init_cfg`` says, with checkpoints that have to fit."""
        with pretrained_fits(self):
            super().init_weights()

    def forward(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None, mode: str = 'tensor'
    ) -> Any:
        """As ``ImageClassifier.forward``; mode 'predictions' gives what the losses read."""
        if mode == 'predictions':
            return self.predictions(inputs, data_samples or [])
        return super().forward(inputs, data_samples, mode)

    def predictions(self, inputs: Tensor, data_samples: list[DataSample]) -> Predictions:
        """Predictions of views (N, 3, H, W), with a teacher's as targets if there is one."""
        views = Views.of(data_samples)
        predictions = self.head.predictions(self.extract_feat(inputs), views)
        places = views.taught()
        if self.teacher is None or not len(places):
            return predictions
        with torch.no_grad():
            return predictions.taught(places, self.teacher(inputs[places], mode='tensor'))

    def loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        """Losses of views (N, 3, H, W) that are the whole effective batch."""
        self.head.refuse_foreign_accumulation(self.parameters())
        return self.head.losses_alone(self.predictions(inputs, data_samples), data_samples)

    def set_teacher(self, teacher: nn.Module | None) -> None:
        """Take the targets of terms from ``teacher``; None to take them from this model.

        The teacher is not a submodule: it is not in the state dict nor in copies, and stays in the
        mode that it is in.
        """
        # nn.Module would register a module that is set as an attribute.
        object.__setattr__(self, 'teacher', teacher)

    def __getstate__(self) -> dict:
        """What copies and pickles hold: all but the teacher."""
        return {**self.__dict__, 'teacher': None}

    def predict(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None, **kwargs: Any
    ) -> list[DataSample]:
        """As ``ImageClassifier.predict``.

        Samples tell as ``batch_input_shape`` the size that maps of the batch have.
        """
        for sample in data_samples or []:
            sample.set_metainfo(dict(batch_input_shape=tuple(inputs.shape[-2:])))
        return super().predict(inputs, data_samples, **kwargs)

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One optimizer step; a wrapper that splits the batch into micro-batches runs it itself."""
        if hasattr(optim_wrapper, 'train_batch'):
            return optim_wrapper.train_batch(self, data)
        return super().train_step(data, optim_wrapper)

"""Image classifier whose batches mix labelled and unlabelled images."""

import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmsemiloc.models.cam_cls_head import CAMClsHead
from mmsemiloc.models.checkpoints.backbone import pretrained_fits
from mmsemiloc.models.data_preprocessor import SemiSupDataPreprocessor
from mmsemiloc.models.predictions import WholeBatch
from mmsemiloc.models.views import target_places, view_table
from mmsemiloc.registry import MODELS


@MODELS.register_module()
class SemiSupClassifier(ImageClassifier):
    """``ImageClassifier`` with a ``CAMClsHead``, trained on labelled and unlabelled images
    together.

    An image is labelled if its data sample has ``gt_label`` (or ``gt_score``). With
    ``AccumOptimWrapper`` the batch of the dataloader is the effective batch of one optimizer step,
    and is split into micro-batches.

    Args:
        data_preprocessor: Config of the preprocessor; its type is ``SemiSupDataPreprocessor`` if
            left out.
        **kwargs: For ``ImageClassifier``.

    Raises:
        ValueError: If the head is not a ``CAMClsHead``, or the preprocessor no
            ``SemiSupDataPreprocessor`` (another one would drop the further views of an image); in
            ``init_weights``, if a checkpoint of an ``init_cfg`` does not fit.
    """

    def __init__(self, *, data_preprocessor: dict | None = None, **kwargs) -> None:
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

    def init_weights(self) -> None:
        """Initialise all parts as their ``init_cfg`` says, with checkpoints that have to fit."""
        with pretrained_fits(self):
            super().init_weights()

    def forward(
        self,
        inputs: Tensor,
        data_samples: list[DataSample] | None = None,
        mode: str = 'tensor',
        whole: WholeBatch | None = None,
    ):
        """As ``ImageClassifier.forward``.

        ``whole`` tells mode 'loss' which effective batch the inputs are a part of.
        """
        if mode == 'loss' and data_samples is not None:
            return self.loss(inputs, data_samples, whole)
        return super().forward(inputs, data_samples, mode)

    def loss(
        self, inputs: Tensor, data_samples: list[DataSample], whole: WholeBatch | None = None
    ) -> dict:
        """Losses of images (N, 3, H, W); see ``CAMClsHead.loss``."""
        scores = None if self.teacher is None else self._teacher_scores(inputs, data_samples)
        return self.head.loss(self.extract_feat(inputs), data_samples, whole, scores)

    @torch.no_grad()
    def _teacher_scores(self, inputs: Tensor, data_samples: list[DataSample]) -> Tensor | None:
        """Class scores (P, C) of the teacher for the views at :func:`target_places`; None if there
        are none.
        """
        places = target_places(*view_table(data_samples))
        return self.teacher(inputs[places], mode='tensor') if len(places) else None

    def set_teacher(self, teacher: nn.Module | None) -> None:
        """Take the targets of terms from ``teacher``; None to take them from this model.

        The teacher is no submodule: it is not in the state dict nor in copies, and stays in the
        mode that it is in.
        """
        object.__setattr__(self, 'teacher', teacher)

    def __getstate__(self) -> dict:
        """What copies and pickles hold: all but the teacher."""
        return {**self.__dict__, 'teacher': None}

    def predict(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None, **kwargs
    ) -> list[DataSample]:
        """As ``ImageClassifier.predict``.

        Samples tell as ``batch_input_shape`` the size that maps of the batch have.
        """
        for sample in data_samples or []:
            sample.set_metainfo(dict(batch_input_shape=tuple(inputs.shape[-2:])))
        return super().predict(inputs, data_samples, **kwargs)

    def train_step(self, data: dict, optim_wrapper) -> dict:
        """One optimizer step; a wrapper that splits the batch into micro-batches runs it itself."""
        if hasattr(optim_wrapper, 'train_batch'):
            return optim_wrapper.train_batch(self, data)
        return super().train_step(data, optim_wrapper)

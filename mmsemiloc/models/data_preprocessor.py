"""Preprocessing of batches that mix labelled and unlabelled images."""
import torch
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.structures import batch_label_to_onehot
from torch import Tensor

from mmsemiloc.models.views import flatten_views, is_labeled
from mmsemiloc.registry import MODELS


@MODELS.register_module()
class SemiSupDataPreprocessor(ClsDataPreprocessor):
    """``ClsDataPreprocessor`` for batches in which any image may lack a label.

    Arguments are those of ``ClsDataPreprocessor``. Batch augmentations (Mixup, CutMix) mix labelled images among
    themselves and leave unlabelled ones as they are. Images in several views become one flat batch: see :func:`flatten_views`.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise and stack the images, and move the labels that exist to the device.

        Args:
            data: ``inputs``, T images (C, H, W), and optionally ``data_samples``, T samples.
            training: Whether to augment.

        Returns:
            ``inputs`` (N, C, H, W) and ``data_samples``, one a view.
        """
        samples = data.get('data_samples')
        inputs, samples = flatten_views(data['inputs'], samples) if samples else (data['inputs'], samples)
        inputs = super().forward(dict(inputs=inputs))['inputs']
        index = [i for i, sample in enumerate(samples) if is_labeled(sample)] if samples else []
        if samples and index:
            labeled = [samples[i] for i in index]
            if 'gt_label' in labeled[0]:
                for sample, label in zip(labeled, self._labels(labeled), strict=True):
                    sample.set_gt_label(label)
            if self.to_onehot or 'gt_score' in labeled[0]:
                scores = self._scores(labeled)
                if training and self.batch_augments is not None:
                    inputs[index], scores = self.batch_augments(inputs[index], scores)
                for sample, score in zip(labeled, scores, strict=True):
                    sample.set_gt_score(score)
        return dict(inputs=inputs, data_samples=samples)

    def _labels(self, labeled: list) -> Tensor:
        """Labels (R, 1) on the device, in one copy.

        Raises:
            ValueError: If an image has several labels.
        """
        for sample in labeled:
            if sample.gt_label.numel() != 1:
                raise ValueError(f'SemiSupDataPreprocessor needs one label an image, got {sample.gt_label.tolist()} for '
                                 f'{sample.get("img_path", "an image without a path")}')
        return torch.stack([sample.gt_label for sample in labeled]).to(self.device)

    def _scores(self, labeled: list) -> Tensor:
        """Soft labels (R, C): the given ones, or one-hot labels."""
        if 'gt_score' in labeled[0]:
            return torch.stack([sample.gt_score for sample in labeled]).to(self.device)
        if self.num_classes is None:
            raise ValueError('SemiSupDataPreprocessor needs num_classes to make one-hot labels, got None')
        labels = torch.cat([sample.gt_label for sample in labeled])
        return batch_label_to_onehot(labels, list(range(1, len(labeled))), self.num_classes)

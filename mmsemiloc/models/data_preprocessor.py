"""Preprocessing of batches that mix labelled and unlabelled images."""

from collections.abc import Sequence
from typing import Any

import torch
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.structures import batch_label_to_onehot
from torch import Tensor

from mmsemiloc.models.numerics import check_number
from mmsemiloc.models.views import flatten_views, is_labeled
from mmsemiloc.registry import MODELS

Numbers = float | Sequence[float] | None


def check_normalisation(mean: Numbers, std: Numbers) -> None:
    """Check that images can be normalised: ``(image - mean) / std`` for each channel.

    Raises:
        ValueError: If one of them is left out, a number is not finite, one of ``std`` is not above
            0, or they are not equally long.
    """
    if mean is None and std is None:
        return
    if mean is None or std is None:
        raise ValueError(
            f'data_preprocessor needs mean and std, or neither, got mean={mean} and std={std}'
        )

    # A single number is that of the one channel of grey images.
    means, stds = (
        [values] if isinstance(values, float | int) else list(values) for values in (mean, std)
    )
    for value in means:
        check_number(f'each number of data_preprocessor.mean={means}', value)
    for value in stds:
        check_number(f'each number of data_preprocessor.std={stds}', value, above=0)

    if len(means) != len(stds) or not means:
        raise ValueError(
            'data_preprocessor.mean and std need a number for each channel, got '
            f'{len(means)} and {len(stds)}: mean={mean}, std={std}'
        )


@MODELS.register_module()
class SemiSupDataPreprocessor(ClsDataPreprocessor):
    """``ClsDataPreprocessor`` for batches in which any image may lack a label.

    Arguments are those of ``ClsDataPreprocessor``; ``mean`` and ``std`` have one number for each
    channel, or one for all. Batch augmentations (Mixup, CutMix) mix labelled images among
    themselves and leave unlabelled ones as they are. Images in several views become one flat batch:
    see :func:`flatten_views`.

    Raises:
        ValueError: If a number is not finite, ``std`` has one that is not above 0, or ``mean`` and
            ``std`` are not equally long; on use, if they do not fit the channels of the images.
    """

    def __init__(
        self,
        mean: Numbers = None,
        std: Numbers = None,
        pad_size_divisor: int = 1,
        pad_value: float = 0,
        **kwargs: Any,
    ) -> None:
        check_normalisation(mean, std)
        check_number('data_preprocessor.pad_size_divisor', pad_size_divisor, 1, whole=True)
        check_number('data_preprocessor.pad_value', pad_value)
        super().__init__(mean, std, pad_size_divisor, pad_value, **kwargs)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise and stack the images, and move the labels that exist to the device.

        Args:
            data: ``inputs``, T images (C, H, W), and optionally ``data_samples``, T samples.
            training: Whether to augment.

        Returns:
            ``inputs`` (N, C, H, W) and ``data_samples``, one per view.
        """
        inputs, samples = data['inputs'], data.get('data_samples')
        if samples:
            inputs, samples = flatten_views(inputs, samples)
        self._check_channels(inputs)
        inputs = super().forward(dict(inputs=inputs))['inputs']

        # Labelled images are mixed among themselves alone.
        index = [i for i, sample in enumerate(samples or []) if is_labeled(sample)]
        labeled = [sample for sample in samples or [] if is_labeled(sample)]
        if not labeled:
            return dict(inputs=inputs, data_samples=samples)
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

    def _check_channels(self, inputs: Tensor | Sequence[Tensor]) -> None:
        """Refuse images that do not fit ``mean``; grey ones may become several channels."""
        mean = getattr(self, 'mean', None)  # there is none without normalisation
        numbers = 1 if mean is None else mean.numel()
        images = inputs[:1] if isinstance(inputs, Tensor) else inputs
        shapes = {image.shape for image in images}

        for shape in shapes:
            if len(shape) == 3 and 1 not in (numbers, shape[0]) and shape[0] != numbers:
                raise ValueError(
                    f'data_preprocessor.mean and std have {numbers} numbers, but an image has '
                    f'{shape[0]} channels, shape {tuple(shape)}: give a number for each channel'
                )

    def _labels(self, labeled: list) -> Tensor:
        """Labels (R, 1) on the device, in one copy.

        Raises:
            ValueError: If an image has several labels.
        """
        for sample in labeled:
            if sample.gt_label.numel() != 1:
                raise ValueError(
                    'SemiSupDataPreprocessor needs one label per image, got '
                    f'{sample.gt_label.tolist()} for '
                    f'{sample.get("img_path", "an image without a path")}'
                )
        return torch.stack([sample.gt_label for sample in labeled]).to(self.device)

    def _scores(self, labeled: list) -> Tensor:
        """Soft labels (R, C): the given ones, or one-hot labels."""
        if 'gt_score' in labeled[0]:
            return torch.stack([sample.gt_score for sample in labeled]).to(self.device)
        if self.num_classes is None:
            raise ValueError(
                'SemiSupDataPreprocessor needs num_classes to make one-hot labels, got None'
            )
        labels = torch.cat([sample.gt_label for sample in labeled])
        return batch_label_to_onehot(labels, list(range(1, len(labeled))), self.num_classes)

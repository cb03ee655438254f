"""Linear classifier over pooled maps, with the paper's penalties as terms."""

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from mmengine.logging import print_log
from mmpretrain.models import LinearClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn import functional as F

from mmsemiloc.models.cam import class_activation_maps, relative_weight
from mmsemiloc.models.effective_batch import EffectiveBatch
from mmsemiloc.models.losses.term import WeightedTerm
from mmsemiloc.models.numerics import at_least_float32, check_number
from mmsemiloc.models.prediction_sum import PredictionSum
from mmsemiloc.models.predictions import Predictions
from mmsemiloc.models.views import Selection, Views
from mmsemiloc.registry import MODELS

CAM_TARGETS = ('top1', 'prob')


@functools.cache
def warn_once(message: str) -> None:
    """Log a warning the first time that it comes up in this process."""
    print_log(message, logger='current', level=logging.WARNING)


def build_term(name: str, cfg: dict) -> WeightedTerm:
    """A term of the loss.

    Raises:
        ValueError: If the module is not derived from :class:`Term` or :class:`PairTerm`, or its
            weight is not a number of at least 0.
    """
    term = MODELS.build(cfg)
    if not isinstance(term, WeightedTerm):
        raise ValueError(
            f'term {name!r} of CAMClsHead is a {type(term).__name__}, which is not a term of the '
            'loss: derive it from mmsemiloc.models.Term and give it a method '
            'compute(predictions), as docs/terms.md shows'
        )

    check_number(f'loss_weight of term {name!r}', term.loss_weight, 0)
    return term


@MODELS.register_module()
class CAMClsHead(LinearClsHead):
    """Linear classifier over average-pooled maps, whose predictions and maps carry penalties.

    ``L = J_C + alpha J_M + beta J_B + gamma J_L``, equation (8). J_C is divided by R, the number of
    labelled images; the other terms run over all images. alpha, beta and gamma are the
    ``loss_weight`` of the terms; a term whose weight is 0 at the moment is not computed. Parameters
    are those of ``LinearClsHead``; the model needs no neck.

    Args:
        num_classes: C.
        in_channels: Channels D of the backbone's last map.
        loss: Config of J_C.
        loss_mel: Config of J_M, for example ``dict(type='mmsemiloc.MeanEntropyLoss',
            loss_weight=0.8)``.
        loss_nbel: Config of J_B.
        loss_locality: Config of J_L.
        terms: Configs of further terms by their names, for example
            ``dict(fixmatch=dict(type='mmsemiloc.FixMatchLoss'))``; see :class:`Term`. The three
            above are the terms ``mel``, ``nbel`` and ``locality``. Where several terms return a
            value of the same name (two of a type, say), that of a later one ends with the term's:
            ``loss_mel_strong``.
        cam_target: Map that J_L reads: 'top1', that of the most probable class, or 'prob', those of
            all classes weighted by their probability.
        cam_relative: Whether maps are those of :func:`relative_weight`, in the penalty and in
            predictions. Class scores do not change.
        predict_cam: Whether predictions carry the maps ``cam_top1`` of the most probable class and,
            for images with a ``gt_label``, ``cam_gt`` of the true one, (H, W) as the backbone has
            them; ``CAMLocalization`` reads them.
        **kwargs: For ``LinearClsHead``.

    Raises:
        ValueError: If ``cam_target`` is unknown, a weight of a loss is not finite or below 0, or a
            term is not derived from :class:`Term` or comes twice.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss: dict = dict(type='mmpretrain.CrossEntropyLoss', loss_weight=1.0),
        loss_mel: dict | None = None,
        loss_nbel: dict | None = None,
        loss_locality: dict | None = None,
        terms: dict[str, dict] | None = None,
        cam_target: str = 'top1',
        cam_relative: bool = False,
        predict_cam: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, **kwargs)
        if cam_target not in CAM_TARGETS:
            raise ValueError(f'cam_target must be one of {CAM_TARGETS}, got {cam_target!r}')
        check_number('loss.loss_weight', getattr(self.loss_module, 'loss_weight', 1.0), 0)
        for value in getattr(self.loss_module, 'class_weight', None) or []:
            check_number('each number of loss.class_weight', value, 0)
        self.cam_target = cam_target
        self.cam_relative, self.predict_cam = cam_relative, predict_cam

        # The paper's penalties are terms like any other.
        paper = {'mel': loss_mel, 'nbel': loss_nbel, 'locality': loss_locality}
        twice = sorted(name for name in terms or {} if paper.get(name) is not None)
        if twice:
            raise ValueError(
                f'terms {twice} of CAMClsHead are given twice, as loss_... and in terms'
            )
        self.terms = nn.ModuleDict(
            {
                name: build_term(name, cfg)
                for name, cfg in {**paper, **(terms or {})}.items()
                if cfg is not None
            }
        )

    def pre_logits(self, feats: Sequence[Tensor]) -> Tensor:
        """Pooled features (T, D) of the last stage's maps (T, D, H, W).

        Raises:
            ValueError: If D is not ``in_channels``.
        """
        features = feats[-1]
        if features.size(1) != self.in_channels:
            raise ValueError(
                f'model.head.in_channels={self.in_channels}, but the backbone gives '
                f'{features.size(1)} channels: set model.head.in_channels={features.size(1)}'
            )
        return F.adaptive_avg_pool2d(features, 1).flatten(1) if features.dim() == 4 else features

    def cam(self, feats: Sequence[Tensor], labels: Tensor) -> Tensor:
        """Maps (T, H, W) of the classes ``labels`` (T,); see :func:`class_activation_maps`."""
        return class_activation_maps(feats[-1], self.cam_weight(), labels)

    def cam_weight(self) -> Tensor:
        """Weight (C, D) that the maps are made with."""
        return relative_weight(self.fc.weight) if self.cam_relative else self.fc.weight

    def predict(
        self, feats: Sequence[Tensor], data_samples: list[DataSample] | None = None
    ) -> list[DataSample]:
        """As ``ClsHead.predict``, and with ``predict_cam`` the maps."""
        samples = super().predict(feats, data_samples)
        if not self.predict_cam:
            return samples

        # Maps of the most probable class, and of the true one where it is known.
        top1 = torch.cat([sample.pred_label for sample in samples])
        true = torch.cat([sample.get('gt_label', sample.pred_label) for sample in samples])
        top1_maps, true_maps = self.cam(feats, top1), self.cam(feats, true)
        for sample, cam_top1, cam_gt in zip(samples, top1_maps, true_maps, strict=True):
            sample.set_field(cam_top1, 'cam_top1')
            if 'gt_label' in sample:
                sample.set_field(cam_gt, 'cam_gt')
        return samples

    def active_terms(self) -> dict[str, WeightedTerm]:
        """The terms whose weight is not 0 at the moment."""
        terms = cast(Mapping[str, WeightedTerm], self.terms)
        return {name: term for name, term in terms.items() if term.loss_weight != 0}

    def mean_selections(self) -> list[Selection]:
        """The views whose mean prediction over the effective batch some active term reads."""
        read = [term.mean_selection() for term in self.active_terms().values()]
        return list(dict.fromkeys(selection for selection in read if selection is not None))

    def prediction_sums(self, logits: Tensor, views: Views) -> dict[Selection, PredictionSum]:
        """Sums of a micro-batch's predictions (N, C), for the means that the active terms read."""
        return {
            selection: PredictionSum.of(logits[views.choose(selection)])
            for selection in self.mean_selections()
        }

    def predictions(self, feats: Sequence[Tensor], views: Views) -> Predictions:
        """What the terms of the loss read.

        Args:
            feats: Maps of the backbone's stages, each (N, D, H, W).
            views: Which view of which image each of the N is.
        """
        logits = self(feats)
        return Predictions(
            logits=logits,
            targets=logits.detach(),
            features=feats[-1],
            fc_weight=self.cam_weight(),
            views=views,
            cam_target=self.cam_target,
        )

    def losses(
        self, predictions: Predictions, data_samples: list[DataSample], batch: EffectiveBatch
    ) -> dict[str, Tensor]:
        """Losses of a micro-batch, as parts of those of the effective batch.

        Parts add up over micro-batches and average over ranks (which DDP does with their
        gradients).

        Args:
            predictions: Those of N views.
            data_samples: N samples; those of labelled images have ``gt_label`` or ``gt_score``.
            batch: The effective batch, with the means of :meth:`mean_selections`.

        Returns:
            ``loss_ce``, the losses of the active terms, and ``acc_labeled``, the share (%) of the
            labelled images that are correctly classified (NaN if the effective batch has none).
        """
        places = predictions.views.labeled.nonzero().flatten()
        labeled = [data_samples[place] for place in places.tolist()]
        losses = self._labeled_losses(predictions.logits[places], labeled, batch)
        for name, term in self.active_terms().items():
            for key, value in term.losses(predictions, batch).items():
                losses[f'{key}_{name}' if key in losses else key] = value
        return losses

    def losses_alone(
        self, predictions: Predictions, data_samples: list[DataSample]
    ) -> dict[str, Tensor]:
        """:meth:`losses` of views that are the whole effective batch."""
        views, logits = predictions.views, predictions.logits
        batch = EffectiveBatch.of(views, logits.device)
        batch = batch.with_means([self.prediction_sums(logits, views)])
        return self.losses(predictions, data_samples, batch)

    def loss(
        self, feats: Sequence[Tensor], data_samples: list[DataSample], **kwargs: object
    ) -> dict[str, Tensor]:
        """:meth:`losses_alone` of the backbone's maps, as MMPretrain calls it.

        Raises:
            ValueError: See :meth:`refuse_foreign_accumulation`.
        """
        self.refuse_foreign_accumulation(self.parameters())
        return self.losses_alone(self.predictions(feats, Views.of(data_samples)), data_samples)

    def _labeled_losses(
        self, logits: Tensor, samples: list[DataSample], batch: EffectiveBatch
    ) -> dict[str, Tensor]:
        """J_C and accuracy on the labelled images; without any, a loss and a gradient of 0."""
        logits = at_least_float32(logits)
        labeled = batch.labeled.to(logits)
        if not samples:
            warn_once(
                'CAMClsHead: a batch without a labelled image; its cross-entropy is 0. Intended '
                'only when training without labels: otherwise look at labeled_ratio of '
                'SemiSupSampler.'
            )
            # 0 of the labelled images of the effective batch, and NaN if that has none.
            return dict(loss_ce=logits.sum(), acc_labeled=torch.zeros_like(labeled) / labeled)

        soft = 'gt_score' in samples[0]
        if soft:
            target = torch.stack([sample.gt_score for sample in samples])
        else:
            target = torch.cat([sample.gt_label for sample in samples])
        label = target.argmax(1) if soft else target
        correct = (logits.detach().argmax(1) == label).sum()
        return dict(
            loss_ce=self.loss_module(logits, target, avg_factor=labeled),
            acc_labeled=100 * correct / labeled,
        )

    def refuse_foreign_accumulation(self, parameters: Iterable[nn.Parameter]) -> None:
        """NBEL is not additive: a mean of small-batch NBELs is another objective.

        Args:
            parameters: Of the model; some of them may be frozen.

        Raises:
            ValueError: If NBEL is on and gradients of other batches wait for the same optimizer
                step.
        """
        if not self.mean_selections() or not torch.is_grad_enabled():
            return
        if any(p.grad is not None and bool(p.grad.any()) for p in parameters):
            raise ValueError(
                'NegativeBatchEntropyLoss: gradients of an earlier batch are waiting for the same '
                'optimizer step. NBEL does not add up over batches, so accumulating it this way '
                '(accumulative_counts > 1?) trains something else; use '
                "optim_wrapper=dict(type='mmsemiloc.AccumOptimWrapper', micro_batch_size=...) "
                "instead, or loss_nbel=dict(estimator='ema')."
            )

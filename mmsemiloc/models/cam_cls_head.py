"""Linear classifier over pooled maps, with the paper's penalties as terms."""

import functools
import logging
from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from mmpretrain.models import LinearClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn import functional as F

from mmsemiloc.models.cam import class_activation_maps, relative_weight
from mmsemiloc.models.numerics import at_least_float32, check_number
from mmsemiloc.models.predictions import Predictions, WholeBatch
from mmsemiloc.models.views import choose_views, target_places, view_table
from mmsemiloc.registry import MODELS

CAM_TARGETS = ('top1', 'prob')


@functools.cache
def warn_once(message: str) -> None:
    """Log a warning the first time that it comes up in this process."""
    print_log(message, logger='current', level=logging.WARNING)


def build_term(name: str, cfg: dict) -> nn.Module:
    """A term of the loss.

    Raises:
        ValueError: If the module has no ``loss_weight`` of at least 0 or no method ``term``.
    """
    term = MODELS.build(cfg)
    if not hasattr(term, 'loss_weight') or not callable(getattr(term, 'term', None)):
        raise ValueError(
            f'term {name!r} of CAMClsHead needs a loss_weight and a method term(predictions), but '
            f'{type(term).__name__} is no such module'
        )
    check_number(f'loss_weight of term {name!r}', term.loss_weight, 0)
    return term


@MODELS.register_module()
class CAMClsHead(LinearClsHead):
    """Global average pooling and a linear classifier whose class activation maps and predictions
    carry penalties.

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
            ``dict(fixmatch=dict(type='mmsemiloc.FixMatchLoss'))``; see :class:`Predictions`. The
            three above are the terms ``mel``, ``nbel`` and ``locality``. Where several terms return
            a value of the same name (two of a type, say), that of a later one ends with the term's:
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
            term is none (it needs ``loss_weight`` and ``term``) or comes twice.
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
        **kwargs,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, **kwargs)
        if cam_target not in CAM_TARGETS:
            raise ValueError(f'cam_target must be one of {CAM_TARGETS}, got {cam_target!r}')
        check_number('loss.loss_weight', getattr(self.loss_module, 'loss_weight', 1.0), 0)
        for value in getattr(self.loss_module, 'class_weight', None) or []:
            check_number('each number of loss.class_weight', value, 0)
        self.cam_target = cam_target
        self.cam_relative, self.predict_cam = cam_relative, predict_cam
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
        if self.predict_cam:
            top1 = torch.cat([sample.pred_label for sample in samples])
            true = torch.cat([sample.get('gt_label', sample.pred_label) for sample in samples])
            for sample, cam_top1, cam_gt in zip(
                samples, self.cam(feats, top1), self.cam(feats, true), strict=True
            ):
                sample.set_field(cam_top1, 'cam_top1')
                if 'gt_label' in sample:
                    sample.set_field(cam_gt, 'cam_gt')
        return samples

    def active_terms(self) -> dict[str, nn.Module]:
        """The penalties whose weight is not 0 at the moment."""
        return {name: term for name, term in self.terms.items() if term.loss_weight != 0}

    def whole_batch_views(self) -> set[str]:
        """The views whose mean prediction over all micro-batches of the effective batch some active
        term reads.
        """
        terms = self.active_terms().values()
        return {
            getattr(term, 'views', 'all')
            for term in terms
            if getattr(term, 'needs_whole_batch', False)
        }

    def needs_whole_batch(self) -> bool:
        """Whether an active term reads the predictions of all micro-batches of the effective batch."""
        return bool(self.whole_batch_views())

    def add_predictions(
        self, logits: Tensor, data_samples: list[DataSample], whole: WholeBatch
    ) -> None:
        """Add the predictions (N, C) of a micro-batch to the means of the effective batch that the
        active terms read.
        """
        view, labeled, _ = view_table(data_samples)
        for views in self.whole_batch_views():
            whole.add(logits[choose_views(view, labeled, views)], views)

    def loss(
        self,
        feats: Sequence[Tensor],
        data_samples: list[DataSample],
        whole: WholeBatch | None = None,
        teacher_scores: Tensor | None = None,
    ) -> dict:
        """Losses of one (micro-)batch, as its part in those of the effective batch.

        Parts add up over micro-batches and average over ranks (which DDP does with their
        gradients).

        Args:
            feats: Maps of the backbone's stages, each (N, D, H, W).
            data_samples: One a view; it has ``gt_label`` or ``gt_score`` if the image is labelled.
            whole: The effective batch that this one is a part of; by default it is the whole.
            teacher_scores: Class scores (P, C) of a teacher for the views at :func:`target_places`,
                the targets there; see :class:`Predictions`.

        Returns:
            ``loss_ce``, the losses of the active terms, and ``acc_labeled``, the share (%) of the
            labelled images that are classified right (NaN if the effective batch has none).

        Raises:
            ValueError: If NBEL is on and gradients of other batches wait for the same optimizer
                step.
        """
        logits = self(feats)
        if whole is None:
            self._refuse_foreign_accumulation()
            whole = WholeBatch.of_samples(data_samples, logits.device)
        view, labeled, image = view_table(data_samples)
        places = labeled.nonzero().flatten()
        losses = self._labeled_losses(logits[places], [data_samples[i] for i in places], whole)
        predictions = Predictions(
            logits=logits,
            targets=logits.detach()
            if teacher_scores is None
            else logits.detach().index_copy(
                0, target_places(view, labeled, image).to(logits.device), teacher_scores.to(logits)
            ),
            features=feats[-1],
            fc_weight=self.cam_weight(),
            labeled=labeled,
            view=view,
            image=image,
            cam_target=self.cam_target,
            whole=whole,
            share=len(logits) / whole.count(),
        )
        for name, term in self.active_terms().items():
            for key, value in term.term(predictions).items():
                losses[f'{key}_{name}' if key in losses else key] = value
        return losses

    def _labeled_losses(self, logits: Tensor, samples: list[DataSample], whole: WholeBatch) -> dict:
        """J_C and accuracy on the labelled images; without any, a loss of exactly 0 with a gradient
        of 0.
        """
        logits = at_least_float32(logits)
        labeled = whole.labeled.to(logits)
        if not samples:
            warn_once(
                'CAMClsHead: a batch without a labelled image; its cross-entropy is 0. Intended '
                'only when training without labels: otherwise look at labeled_ratio of '
                'SemiSupSampler.'
            )
            return dict(loss_ce=logits.sum(), acc_labeled=0 / labeled)
        soft = 'gt_score' in samples[0]
        target = (
            torch.stack([s.gt_score for s in samples])
            if soft
            else torch.cat([s.gt_label for s in samples])
        )
        correct = (logits.detach().argmax(1) == (target.argmax(1) if soft else target)).sum()
        return dict(
            loss_ce=self.loss_module(logits, target, avg_factor=labeled),
            acc_labeled=100 * correct / labeled,
        )

    def _refuse_foreign_accumulation(self) -> None:
        """NBEL is not additive: a mean of small-batch NBELs is another objective."""
        pending = self.fc.weight.grad
        if (
            self.needs_whole_batch()
            and torch.is_grad_enabled()
            and pending is not None
            and bool(pending.any())
        ):
            raise ValueError(
                'NegativeBatchEntropyLoss: gradients of an earlier batch are waiting for the same '
                'optimizer step. NBEL does not add up over batches, so accumulating it this way '
                '(accumulative_counts > 1?) trains something else; use '
                "optim_wrapper=dict(type='mmsemiloc.AccumOptimWrapper', micro_batch_size=...) "
                "instead, or loss_nbel=dict(estimator='ema')."
            )

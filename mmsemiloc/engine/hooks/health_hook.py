"""Hook that watches the predictions during training and warns when they collapse."""

import logging
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor, nn

from mmsemiloc.engine.checks.collapse import Predicted, has_collapsed
from mmsemiloc.engine.hooks.step_arguments import StepArguments
from mmsemiloc.models import inner_model
from mmsemiloc.models.losses.locality import direction_penalties, unit_norm
from mmsemiloc.models.numerics import at_least_float32, check_number
from mmsemiloc.models.views import is_labeled
from mmsemiloc.registry import HOOKS

LOCALITY = {
    'raw': direction_penalties,
    'scale_free': lambda cam: direction_penalties(unit_norm(cam)),
}
SIDES = ('left', 'right', 'top', 'bottom')
FIRST_REPORTS = (10, 20, 50)  # iterations
BEGIN_SHARE = 4  # `begin` is at most this part of a run


def cam_area(cam: Tensor, threshold: float = 0.2) -> Tensor:
    """Share (0 to 1) of each map (T, H, W), scaled to 0..1, that lies above ``threshold``.

    0 for a constant map.
    """
    low, high = cam.amin((1, 2), keepdim=True), cam.amax((1, 2), keepdim=True)
    return ((cam - low) > threshold * (high - low)).float().mean((1, 2))


def prediction_sums(q: Tensor, confidence: Tensor, top1: Tensor) -> Tensor:
    """Sums (2 C + 1,) over T images: of q (T, C), images of each class, and of confidence."""
    # Unlike torch.bincount this does not wait for the device.
    counts = q.new_zeros(q.size(1)).index_add_(0, top1, q.new_ones(len(q)))
    return torch.cat([q.sum(0), counts, confidence.sum()[None]])


def split_sums(sums: Tensor) -> Predicted:
    """What :func:`prediction_sums` added up, on the CPU."""
    num_classes = len(sums) // 2
    return Predicted(sums[:num_classes], sums[num_classes:-1], float(sums[-1]))


def expected_shares(runner: Runner, head: Any) -> Tensor:
    """Share (C,) of each class: NBEL's prior, else that of the labelled set, else uniform."""
    num_classes = head.num_classes
    log_prior = getattr(head.terms['nbel'], 'log_prior', None) if 'nbel' in head.terms else None
    if log_prior is not None and len(log_prior) == num_classes:
        return log_prior.exp().float().cpu()

    loader = getattr(getattr(runner, 'train_loop', None), 'dataloader', None)
    count = getattr(getattr(loader, 'dataset', None), 'labeled_class_counts', None)
    counts = count(num_classes) if count else []
    known = len(counts) == num_classes and sum(counts) > 0

    shares = torch.tensor(counts if known else [1] * num_classes).float()
    return shares / shares.sum()


@HOOKS.register_module()
class HealthHook(Hook):
    """Logs how the predictions on the training images are doing.

    Each report is about the window since the last one.
    ``confidence`` is the mean largest probability, ``batch_entropy`` the entropy in nats of the
    mean prediction (log C if all classes are used alike, 0 if one is), ``classes_used`` the number
    of classes that some image was given to, ``cam_area`` the mean share of the map of the most
    probable class above 20 % of its range. All images of all ranks count, labelled or not; models
    without a ``CAMClsHead`` are not watched. The first three of unlabelled images alone are
    ``confidence_unlabeled``, ``batch_entropy_unlabeled`` and ``classes_used_unlabeled``, if there
    are any. Sums stay on the device between reports.

    A line at iterations 10, 20 and 50 and at the end of a run tells how things are in an unfinished
    window. A resumed run goes on with the window that was open.

    There is a warning when the predictions of all images, or of the unlabelled ones, collapse: see
    :func:`has_collapsed`. The shares of classes that it expects are NBEL's prior, else those of the
    labelled set.

    With ``locality`` also ``cam_left``, ``cam_right``, ``cam_top`` and ``cam_bottom``: the mean
    locality penalty of that map in each direction (:func:`direction_penalties`), whose sum is J_L
    for ``cam_target='top1'``, whether it is trained or not. A map that leans to one side has a
    larger value there.

    Args:
        interval: Iterations per window; best that of the logger.
        locality: None, or the form of the penalty to report: 'raw', in the unit of the map, or
            'scale_free'.
        min_class_share: Warn if fewer than this share of the classes is used that so many images
            should have, from 0 (never) to 1.
        begin: Iteration before which it takes two collapsed reports in a row for a warning, since a
            new network predicts few classes; at most a quarter of the run.

    Raises:
        ValueError: If ``interval`` is less than 1, ``begin`` less than 0, ``min_class_share`` is
            not a share, or ``locality`` is unknown.
    """

    step_arguments: ClassVar[StepArguments] = dict(interval=50, begin=200)

    def __init__(
        self,
        interval: int = 50,
        min_class_share: float = 0.3,
        begin: int = 200,
        locality: str | None = None,
    ) -> None:
        check_number('interval of HealthHook', interval, 1, whole=True)
        check_number('min_class_share of HealthHook', min_class_share, 0, 1)
        check_number('begin of HealthHook', begin, 0)
        if locality not in (None, *LOCALITY):
            raise ValueError(f'locality must be None or one of {tuple(LOCALITY)}, got {locality!r}')
        self.interval, self.min_class_share, self.begin = interval, min_class_share, begin
        self.locality = locality
        self._resumed: dict | None = None  # the window of a checkpoint
        self._collapsed = self._warned = False

    def before_train(self, runner: Runner) -> None:
        """Listen to the model, which is given the samples, and to the head."""
        model = inner_model(runner.model)
        self.head: Any = getattr(model, 'head', None)
        self._listeners: list = []
        self._watches = hasattr(self.head, 'cam') and hasattr(self.head, 'terms')
        if not self._watches:
            return

        self._reset()
        self._labeled: Tensor | None = None
        self._reported = -1  # iteration of the last report
        if runner.iter and self._resumed is not None:
            self._continue(self._resumed)
        self._listeners = [
            model.register_forward_pre_hook(self._remember_labels, with_kwargs=True),
            self.head.register_forward_hook(self._listen),
        ]

    def after_train(self, runner: Runner) -> None:
        """Report on the rest of the run, and stop listening."""
        if self._watches and self._steps and self._reported != runner.iter:
            self._report(runner, runner.iter, logged=False)
        for listener in self._listeners:
            listener.remove()

    def before_saving(self, runner: Runner) -> None:
        """Collect the open window of all ranks, on all of them: one rank alone saves it."""
        self._windows = dist.all_gather(self._sums) if self._watches else []

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the open window."""
        if not self._watches:
            return
        windows = [self._sums] if dist.get_world_size() == 1 else self._windows
        checkpoint['health'] = dict(
            windows=[window.cpu() for window in windows],
            steps=self._steps,
            reported=self._reported,
            collapsed=self._collapsed,
            warned=self._warned,
        )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember the window of the checkpoint."""
        self._resumed = checkpoint.get('health')

    def _continue(self, saved: dict) -> None:
        """Go on with a window that another process has begun."""
        windows = saved['windows']
        if dist.get_world_size() != len(windows):
            # The sum over ranks is what counts.
            total = torch.stack(windows).sum(0) if windows else torch.zeros(0)
            windows = [total, *[torch.zeros_like(total)] * (dist.get_world_size() - 1)]

        window = windows[dist.get_rank()]
        if window.shape == self._sums.shape:  # another one is of other settings
            self._sums.copy_(window)
            self._steps, self._reported = saved['steps'], saved['reported']
            self._collapsed, self._warned = saved['collapsed'], saved['warned']

    def _reset(self) -> None:
        """Begin a window: sums of predictions of all and of unlabelled images, and of maps."""
        self._means = ['cam_area', *(f'cam_{side}' for side in SIDES if self.locality)]
        self._size = 2 * self.head.num_classes + 1
        self._sums = torch.zeros(
            2 * self._size + len(self._means),
            dtype=torch.float32,
            device=self.head.fc.weight.device,
        )
        self._steps = 0

    def _remember_labels(self, model: nn.Module, args: tuple, kwargs: dict) -> None:
        """Which images of the next batch are labelled, bool (N,); on the CPU it does not wait."""
        samples = kwargs.get('data_samples')
        labeled = [is_labeled(sample) for sample in samples or []]
        self._labeled = torch.tensor(labeled, dtype=torch.bool) if labeled else None

    @torch.no_grad()
    def _listen(self, head: nn.Module, args: tuple, logits: Tensor) -> None:
        """Add a training batch; validation, and forwards without a graph, do not count."""
        if not (head.training and logits.requires_grad):
            return

        q = at_least_float32(logits.detach()).softmax(1)
        confidence, top1 = q.max(1)
        sums = prediction_sums(q, confidence, top1)

        # Samples tell which images are labelled, if the model was called with them.
        known = self._labeled is not None and len(self._labeled) == len(q)
        if known and not self._labeled.all():
            unlabeled = ~self._labeled
            others = prediction_sums(q[unlabeled], confidence[unlabeled], top1[unlabeled])
        else:
            others = torch.zeros_like(sums)
        self._sums += torch.cat([sums, others, self._map_sums(args[0], top1)])

    def _map_sums(self, feats: Sequence[Tensor], labels: Tensor) -> Tensor:
        """Sums over images of the values that are read off the maps of the classes ``labels``.

        NaN without maps.
        """
        if feats[-1].dim() != 4:
            return feats[-1].new_full((len(self._means),), math.nan, dtype=torch.float32)
        cam = self.head.cam(feats, labels)
        values = [
            cam_area(cam)[:, None],
            *([LOCALITY[self.locality](cam)] if self.locality else []),
        ]
        return torch.cat(values, 1).sum(0)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Report at the end of a window, and early in a run."""
        if not self._watches:
            return
        self._steps += 1
        if self.every_n_train_iters(runner, self.interval):
            self._report(runner, runner.iter + 1)
            self._reset()
        elif runner.iter + 1 < self.interval and runner.iter + 1 in FIRST_REPORTS:
            self._report(runner, runner.iter + 1, logged=False)

    def _report(self, runner: Runner, iteration: int, logged: bool = True) -> None:
        """Report on the images since the window began, as logged values or as a line; and warn."""
        self._reported = iteration
        sums = self._sums.clone()
        dist.all_reduce(sums, 'sum')
        everything, others, maps = sums.cpu().split([self._size, self._size, len(self._means)])
        every, unlabeled = split_sums(everything), split_sums(others)
        if not every.images:
            return

        # All images, then the unlabelled ones alone.
        means = (maps / every.images).tolist()
        report = {**every.report(), **dict(zip(self._means, means, strict=True))}
        if unlabeled.images:
            report |= {f'{name}_unlabeled': value for name, value in unlabeled.report().items()}

        if logged:
            for name, value in report.items():
                runner.message_hub.update_scalar(f'train/{name}', value)
        else:
            print_log(self._line(report, iteration), logger='current', level=logging.INFO)
        self._watch(runner, iteration, every, unlabeled)

    def _line(self, report: dict, iteration: int) -> str:
        """A report in words."""

        def words(ending: str) -> str:
            used, confidence = report[f'classes_used{ending}'], report[f'confidence{ending}']
            classes = f'{used} of {self.head.num_classes} classes used'
            return f'{classes}, mean confidence {confidence:.2f}'

        others = ''
        if 'classes_used_unlabeled' in report:
            others = f'; unlabelled images: {words("_unlabeled")}'
        return f'Predictions up to iteration {iteration}: {words("")}{others}'

    def _watch(
        self, runner: Runner, iteration: int, every: Predicted, unlabeled: Predicted
    ) -> None:
        """Warn once when a collapse is certain."""
        expected = expected_shares(runner, self.head)
        groups = (('', every), ('unlabelled ', unlabeled))
        found = next(
            (group for group in groups if has_collapsed(group[1], expected, self.min_class_share)),
            None,
        )

        # A new network predicts few classes: it takes two reports in a row at first.
        begin = min(self.begin, getattr(runner, 'max_iters', math.inf) // BEGIN_SHARE)
        certain = found is not None and (self._collapsed or iteration >= begin)
        if found is not None and certain and not self._warned:
            print_log(self._warning(*found, expected), logger='current', level=logging.WARNING)
        self._collapsed, self._warned = found is not None, certain

    def _warning(self, kind: str, predicted: Predicted, expected: Tensor) -> str:
        """What happened and which weight to change."""
        # NBEL spreads predictions over classes; MEL, which sharpens them, can be too strong for it.
        weights = {name: term.loss_weight for name, term in self.head.terms.items()}
        if 'nbel' in weights:
            advice = f'raise head.loss_nbel.loss_weight (now {weights["nbel"]:g})'
        else:
            advice = 'add head.loss_nbel'

        if weights.get('mel'):
            advice += (
                f', or lower head.loss_mel.loss_weight (now {weights["mel"]:g}) or begin it later'
            )

        used, confidence = predicted.used(expected), predicted.report()['confidence']
        return (
            f'Predictions have collapsed: {used} of {self.head.num_classes} classes used by the '
            f'last {predicted.images} {kind}images, mean confidence {confidence:.2f}. To spread '
            f'them out, {advice}.'
        )

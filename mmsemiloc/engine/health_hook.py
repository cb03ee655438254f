"""Hook that watches the predictions during training and warns when they collapse."""
import logging
import math
from collections.abc import Sequence

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from mmsemiloc.models.locality_loss import direction_penalties, unit_norm
from mmsemiloc.models.numerics import at_least_float32
from mmsemiloc.registry import HOOKS

LOCALITY = {'raw': direction_penalties, 'scale_free': lambda cam: direction_penalties(unit_norm(cam))}
SIDES = ('left', 'right', 'top', 'bottom')


def cam_area(cam: Tensor, threshold: float = 0.2) -> Tensor:
    """Share (0 to 1) of each map (T, H, W), scaled to 0..1, that lies above ``threshold``; 0 for a constant map."""
    low, high = cam.amin((1, 2), keepdim=True), cam.amax((1, 2), keepdim=True)
    return ((cam - low) > threshold * (high - low)).float().mean((1, 2))


@HOOKS.register_module()
class HealthHook(Hook):
    """Logs how the predictions on the training images are doing, over the window since the last report.

    ``confidence`` is the mean largest probability, ``batch_entropy`` the entropy in nats of the mean prediction (log C if all
    classes are used alike, 0 if one is), ``classes_used`` the number of classes that some image was given to, ``cam_area``
    the mean share of the map of the most probable class above 20 % of its range. All images of all ranks count, labelled
    or not. Sums stay on the device between reports.

    With ``locality`` also ``cam_left``, ``cam_right``, ``cam_top`` and ``cam_bottom``: the mean locality penalty of that map in
    each direction (:func:`direction_penalties`), whose sum is J_L for ``cam_target='top1'``, whether it is trained or not.
    A map that leans to one side has a larger value there.

    Args:
        interval: Iterations a window; best that of the logger.
        locality: None, or the form of the penalty to report: 'raw', in the unit of the map, or 'scale_free'.
        min_class_share: Warn if fewer than this share of min(C, images in the window) classes is used.
        begin: Iteration before which there is no warning, since a new network predicts few classes.

    Raises:
        ValueError: If ``interval`` is less than 1, ``min_class_share`` is no share, or ``locality`` is unknown.
    """

    def __init__(self, interval: int = 50, min_class_share: float = 0.3, begin: int = 200, locality: str | None = None) -> None:
        if interval < 1 or not 0 <= min_class_share <= 1:
            raise ValueError('HealthHook needs interval >= 1 and 0 <= min_class_share <= 1, got '
                             f'{interval}, {min_class_share}')
        if locality not in (None, *LOCALITY):
            raise ValueError(f'locality must be None or one of {tuple(LOCALITY)}, got {locality!r}')
        self.interval, self.min_class_share, self.begin, self.locality = interval, min_class_share, begin, locality
        self._warned = False

    def before_train(self, runner: Runner) -> None:
        """Listen to the head."""
        self.head = (runner.model.module if is_model_wrapper(runner.model) else runner.model).head
        self._reset()
        self._listener = self.head.register_forward_hook(self._listen)

    def after_train(self, runner: Runner) -> None:
        """Stop listening."""
        self._listener.remove()

    def _reset(self) -> None:
        """Begin a window; sums are (C,) probabilities, (C,) counts, and those of the values that are means over images."""
        self._means = ['confidence', 'cam_area', *(f'cam_{side}' for side in SIDES if self.locality)]
        num_classes, device = self.head.num_classes, self.head.fc.weight.device
        self._sums = torch.zeros(2 * num_classes + len(self._means), device=device, dtype=torch.float32)

    @torch.no_grad()
    def _listen(self, head: nn.Module, args: tuple, logits: Tensor) -> None:
        """Add a training batch; validation, and forwards without a graph, do not count."""
        if not (head.training and logits.requires_grad):
            return
        q = at_least_float32(logits.detach()).softmax(1)
        confidence, top1 = q.max(1)
        counts = torch.bincount(top1, minlength=q.size(1)).to(q)
        self._sums += torch.cat([q.sum(0), counts, confidence.sum()[None], self._map_sums(args[0], top1)])

    def _map_sums(self, feats: Sequence[Tensor], labels: Tensor) -> Tensor:
        """Sums over images of the values that are read off the maps of the classes ``labels``; NaN without maps."""
        if feats[-1].dim() != 4:
            return feats[-1].new_full((len(self._means) - 1, ), math.nan, dtype=torch.float32)
        cam = self.head.cam(feats, labels)
        values = [cam_area(cam)[:, None], *([LOCALITY[self.locality](cam)] if self.locality else [])]
        return torch.cat(values, 1).sum(0)

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Report at the end of a window."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        dist.all_reduce(self._sums, 'sum')
        q, counts, means = self._sums.cpu().split([self.head.num_classes, self.head.num_classes, len(self._means)])
        images = int(counts.sum())
        mean = q / images
        used = int((counts > 0).sum())
        report = dict(zip(self._means, (means / images).tolist(), strict=True),
                      batch_entropy=float(-torch.special.xlogy(mean, mean).sum()), classes_used=used)
        for name, value in report.items():
            runner.message_hub.update_scalar(f'train/{name}', value)
        collapsed = used < self.min_class_share * min(len(counts), images)
        if collapsed and not self._warned and runner.iter + 1 >= self.begin:
            print_log(self._warning(report, images), logger='current', level=logging.WARNING)
        self._warned = collapsed and runner.iter + 1 >= self.begin
        self._reset()

    def _warning(self, report: dict, images: int) -> str:
        """What happened and which weight to change."""
        weights = {name: term.loss_weight for name, term in self.head.terms.items()}
        if 'nbel' in weights:
            advice = f'raise head.loss_nbel.loss_weight (now {weights["nbel"]:g})'
        else:
            advice = 'add head.loss_nbel'
        if weights.get('mel'):
            advice += f', or lower head.loss_mel.loss_weight (now {weights["mel"]:g}) or begin it later'
        return (f'Predictions have collapsed: {report["classes_used"]} of {self.head.num_classes} classes used by the last '
                f'{images} images, mean confidence {report["confidence"]:.2f}. To spread them out, {advice}.')

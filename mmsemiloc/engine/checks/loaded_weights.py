"""The weights of a checkpoint that a runner loads: all of them fit, for what they are loaded."""

import logging

from mmengine.logging import print_log
from mmengine.runner import BaseLoop, Runner, find_latest_checkpoint

from mmsemiloc.datasets.checks.classes import checkpoint_classes
from mmsemiloc.datasets.contents import class_names
from mmsemiloc.datasets.listing.class_names import listed, same_name
from mmsemiloc.models import fit_checkpoint, inner_model
from mmsemiloc.models.checkpoints.fit import Purpose, classifier_names


def purpose_of(runner: Runner) -> Purpose:
    """What a runner loads a checkpoint for.

    Only in ``runner.train()`` its training loop is built before.
    """
    if runner._resume:
        return 'resume'
    return 'start' if isinstance(runner._train_loop, BaseLoop) else 'test'


def check_weights(runner: Runner, checkpoint: dict) -> None:
    """Replace the weights of a checkpoint that is being loaded by those that fit.

    See :func:`fit_checkpoint`.
    """
    source = str(runner._load_from or find_latest_checkpoint(runner.work_dir))
    fit_checkpoint(inner_model(runner.model), checkpoint, source, purpose_of(runner))
    if purpose_of(runner) == 'start':
        keep_new_head(runner, checkpoint)


def keep_new_head(runner: Runner, checkpoint: dict) -> None:
    """Take all of a checkpoint of other classes but the layer of class scores, to start from.

    Args:
        runner: That loads the checkpoint.
        checkpoint: With ``state_dict`` under the model's own names, changed in place.
    """
    model, theirs = inner_model(runner.model), checkpoint_classes(checkpoint.get('meta') or {})
    own = class_names(runner.train_loop.dataloader.dataset)
    if theirs and own and [*map(same_name, theirs)] != [*map(same_name, own)]:
        state = model.state_dict()

        # A hook may exchange the running means for the weights.
        means = checkpoint.get('ema_state_dict') or {}
        for name in classifier_names(model):
            checkpoint['state_dict'][name] = state[name]
            if f'module.{name}' in means:
                means[f'module.{name}'] = state[name]
        print_log(
            f'head left out: the checkpoint has other classes ({listed(theirs)}) than the labelled '
            f'images ({listed(own)})',
            logger='current',
            level=logging.INFO,
        )

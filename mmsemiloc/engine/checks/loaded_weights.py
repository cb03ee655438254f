"""The weights of a checkpoint that a runner loads: all of them fit, for what they are loaded."""

import logging

from mmengine.logging import print_log
from mmengine.runner import BaseLoop, Runner, find_latest_checkpoint
from torch import nn

from mmsemiloc.datasets.checks.classes import checkpoint_classes
from mmsemiloc.datasets.contents import class_names
from mmsemiloc.datasets.listing.class_names import listed, same_name
from mmsemiloc.models import fit_checkpoint, inner_model
from mmsemiloc.models.checkpoints.backbone import is_pretrained
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

    Raises:
        ValueError: If they do not fit, or a run starts with a classifier that is frozen and not the
            checkpoint's.
    """
    model, purpose = inner_model(runner.model), purpose_of(runner)
    source = str(runner._load_from or find_latest_checkpoint(runner.work_dir))
    new = fit_checkpoint(model, checkpoint, source, purpose).kept
    if purpose == 'start':
        new = keep_new_head(runner, checkpoint) or new

    frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
    if frozen & set(new):
        raise ValueError(
            f'{source} has another head or other classes, so {", ".join(new)} would start anew, '
            'but model.frozen keeps it as it is: take a checkpoint of the same classes, or leave '
            'the head out of model.frozen'
        )


def own_init_cfgs(module: nn.Module) -> list[dict]:
    """The initialisations that a module declares for itself and what is inside of it."""
    given = getattr(module, 'init_cfg', None) or []
    return [given] if isinstance(given, dict) else list(given)


def check_frozen_is_trained(model: nn.Module, loaded: bool) -> None:
    """Refuse frozen parts whose weights are those of their initialisation.

    Args:
        model: Not wrapped.
        loaded: Whether a checkpoint has been loaded into it.

    Raises:
        ValueError: With the first such part, and what to do.
    """
    modules = dict(model.named_modules())
    for name in () if loaded else getattr(model, 'frozen', ()):
        # Weights may be those of the part, of what it is a part of, or of its own parts.
        parts = name.split('.')
        above = [modules['.'.join(parts[:depth])] for depth in range(len(parts))]
        near = [*above, *modules[name].modules()]
        if not any(is_pretrained(cfg) for module in near for cfg in own_init_cfgs(module)):
            raise ValueError(
                f'model.frozen keeps {name!r} as it is, but nothing has trained it: name the '
                'checkpoint that it comes from by load_from=FILE'
            )


def keep_new_head(runner: Runner, checkpoint: dict) -> list[str]:
    """Take all of a checkpoint of other classes but the layer of class scores, to start from.

    Args:
        runner: That loads the checkpoint.
        checkpoint: With ``state_dict`` under the model's own names, changed in place.

    Returns:
        Names of the tensors that are left out, none if the classes are the same.
    """
    model, theirs = inner_model(runner.model), checkpoint_classes(checkpoint.get('meta') or {})
    own = class_names(runner.train_loop.dataloader.dataset)
    if not theirs or not own or [*map(same_name, theirs)] == [*map(same_name, own)]:
        return []

    # A hook may exchange the running means for the weights.
    state, names = model.state_dict(), classifier_names(model)
    means = checkpoint.get('ema_state_dict') or {}
    for name in names:
        checkpoint['state_dict'][name] = state[name]
        if f'module.{name}' in means:
            means[f'module.{name}'] = state[name]

    print_log(
        f'head left out: the checkpoint has other classes ({listed(theirs)}) than the labelled '
        f'images ({listed(own)})',
        logger='current',
        level=logging.INFO,
    )
    return names

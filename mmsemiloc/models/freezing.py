"""Parts of a model that keep what they have learned: their weights and running statistics."""

from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)
TRAINABLE = ('all', 'norm')
SHOWN = 12  # names to give


def named_module(model: nn.Module, name: str) -> nn.Module:
    """The module of a model with a dotted name.

    Raises:
        ValueError: If there is none, with the modules beside the place where the name leads.
    """
    module, path = model, type(model).__name__
    for part in name.split('.'):
        children = dict(module.named_children())
        if part not in children:
            beside = ', '.join([*children][:SHOWN]) + (', ...' if len(children) > SHOWN else '')
            raise ValueError(
                f'frozen: {name!r} names no module of the model; {path} has {beside or "no parts"}'
            )
        module, path = children[part], f'{path}.{part}'
    return module


def freeze(model: nn.Module, frozen: Sequence[str], trainable: str = 'all') -> None:
    """Let gradients reach only what is to be trained.

    Args:
        model: Changed in place: parameters that are not trained need no gradient.
        frozen: Names of modules, as ``model.named_modules()`` has them; all that is inside of them
            is frozen.
        trainable: Of the rest, 'all' parameters or those of 'norm', the scales and shifts of
            normalisation layers.

    Raises:
        ValueError: If a name names no module, ``trainable`` is unknown, or nothing is left to
            train.
    """
    if isinstance(frozen, str):
        raise ValueError(f'frozen must be a list of names of modules, got {frozen!r}')
    if trainable not in TRAINABLE:
        raise ValueError(f'trainable must be one of {TRAINABLE}, got {trainable!r}')

    for name in frozen:
        named_module(model, name).requires_grad_(False)

    # A parameter of a normalisation layer is a direct one: such layers have no parts.
    if trainable == 'norm':
        norms = [module for module in model.modules() if isinstance(module, NORMS)]
        kept = {id(parameter) for norm in norms for parameter in norm.parameters()}
        for parameter in model.parameters():
            if id(parameter) not in kept:
                parameter.requires_grad_(False)

    if (frozen or trainable != 'all') and not any(p.requires_grad for p in model.parameters()):
        raise ValueError(
            f'frozen={list(frozen)} with trainable={trainable!r} leaves no parameter to train: '
            'take a name out of frozen'
        )


def keep_at_rest(model: nn.Module, frozen: Sequence[str]) -> None:
    """Put frozen modules into evaluation mode, in which BatchNorm and dropout are at rest.

    By name at each call, since a module may have been replaced (by SyncBatchNorm, say).
    """
    for name in frozen:
        named_module(model, name).eval()

"""Load a backbone from a checkpoint: everything fits and is reported, or it is an error that names the first keys."""
from dataclasses import dataclass

from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from mmsemiloc.models.densenet_keys import torchvision_name

SHOWN = 3  # keys to name


@dataclass(frozen=True)
class BackboneState:
    """The tensors of a checkpoint under the backbone's own names, and the checkpoint's names of those that are not its own."""
    tensors: dict[str, Tensor]
    unused: list[str]


def some(names: list[str]) -> str:
    """The first names of a list, and how many there are if it is longer."""
    return ', '.join(names[:SHOWN]) + (f', ... ({len(names)})' if len(names) > SHOWN else '')


def backbone_state(backbone: nn.Module, state: dict[str, Tensor], prefix: str | None = None) -> BackboneState:
    """Find the tensors of a backbone in the state of a model.

    Args:
        backbone: Whose names and shapes are wanted.
        state: Of a classifier or self-supervised model of mmpretrain (``backbone.``), of a bare backbone, or of torchvision's
            or timm's DenseNet (``features.``).
        prefix: What the names of the backbone begin with, e.g. 'target_net.0.'. Default: one of those above.
    """
    if prefix is None:
        prefix = 'backbone.' if any(name.startswith('backbone.') for name in state) else ''
    names = {prefix + name: name for name in backbone.state_dict()}
    if prefix == '' and 'features.conv0.weight' in state:
        names = {torchvision_name(name): name for name in backbone.state_dict()}
    inside = {name: tensor for name, tensor in state.items() if name in names or (prefix and name.startswith(prefix))}
    return BackboneState({names.get(name, name.removeprefix(prefix)): tensor for name, tensor in inside.items()},
                         [name for name in state if name not in inside])


def check_fit(backbone: nn.Module, tensors: dict[str, Tensor], source: str) -> None:
    """Check that the tensors are those of the backbone. BatchNorm's counts, which old checkpoints lack, may be missing.

    Raises:
        ValueError: If tensors are missing, of another shape, or too many.
    """
    own = backbone.state_dict()
    missing = [name for name in own if name not in tensors and not name.endswith('num_batches_tracked')]
    shapes = [f'{name} is {tuple(tensors[name].shape)}, expected {tuple(own[name].shape)}' for name in own
              if name in tensors and tensors[name].shape != own[name].shape]
    surplus = [name for name in tensors if name not in own]
    faults = [f'{what}: {some(names)}' for what, names in (
        ('missing', missing), ('of another shape', shapes), ('not in the backbone', surplus)) if names]
    if faults:
        raise ValueError(f'{source} does not fit {type(backbone).__name__}; {"; ".join(faults)}')


def load_backbone(backbone: nn.Module, path: str, prefix: str | None = None) -> BackboneState:
    """Load a backbone from a checkpoint and log which keys were used and which were not.

    Args:
        backbone: Changed in place.
        path: File or address of a checkpoint, see :func:`backbone_state`.
        prefix: See :func:`backbone_state`.

    Raises:
        ValueError: If the checkpoint does not fit, naming the first keys.
    """
    checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='current')
    found = backbone_state(backbone, checkpoint.get('state_dict', checkpoint), prefix)
    check_fit(backbone, found.tensors, path)
    backbone.load_state_dict(found.tensors, strict=False)
    rest = f'; not used: {some(found.unused)}' if found.unused else ''
    print_log(f'{len(found.tensors)} tensors of {path} loaded into {type(backbone).__name__}{rest}', logger='current')
    return found

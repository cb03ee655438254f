"""What loading a state dict into a model would leave, told without changing the model."""

import copy
import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _IncompatibleKeys

COUNT = 'num_batches_tracked'  # BatchNorm's count of batches, which old checkpoints lack
MISMATCH = re.compile(
    r'size mismatch for (\S+): copying a param with shape (?:torch\.Size)?(.+?) from checkpoint, '
    r'the shape in current model is (?:torch\.Size)?(.+?)\.$'
)


@dataclass
class Report:
    """What loading a state dict would leave.

    Attributes:
        missing: The model's names that it lacks, but for BatchNorm's counts and what modules
            compute themselves.
        shapes: For each of the model's names that is of another shape, both shapes in words.
        unknown: Names that the model does not have.
        other: Whatever else the model's modules said.
    """

    missing: list[str] = field(default_factory=list)
    shapes: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """For each kind of fault, how many there are and the first."""
        kinds = (
            ('missing', self.missing),
            ('of another shape', list(self.shapes.values())),
            ('unknown', self.unknown),
            ('refused', self.other),
        )
        return [f'{len(names)} {kind}, first {names[0]}' for kind, names in kinds if names]

    def without(self, names: list[str]) -> 'Report':
        """The report if ``names`` were not wanted."""
        return Report(
            [name for name in self.missing if name not in names],
            {name: text for name, text in self.shapes.items() if name not in names},
            self.unknown,
            self.other,
        )


def without_values(tensor: Tensor) -> Tensor:
    """A tensor or parameter of the same shape that takes no memory."""
    empty = torch.empty_like(tensor, device='meta', requires_grad=False)
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


def skeleton(model: nn.Module) -> nn.Module:
    """A copy of a model whose parameters and buffers have no values, and without forward hooks.

    These may hold a whole training.
    """
    tensors = (*model.parameters(), *model.buffers())
    memo: dict[int, Any] = {id(tensor): without_values(tensor) for tensor in tensors}
    for module in model.modules():
        memo |= {
            id(hooks): OrderedDict() for hooks in (module._forward_hooks, module._forward_pre_hooks)
        }
    return copy.deepcopy(model, memo)


def dry_load(model: nn.Module, state: Mapping[str, Tensor], metadata: Mapping[str, dict]) -> Report:
    """What loading a state dict would leave.

    The model's modules take part as in loading: those that rename tensors, or resize position
    embeddings, do so.

    Args:
        model: It is not changed.
        state: Tensors by name.
        metadata: What PyTorch keeps for each module, by the module's name.
    """
    missing: list[str] = []
    unknown: list[str] = []
    errors: list[str] = []

    def load(module: nn.Module, part: dict[str, Tensor], prefix: str) -> None:
        module._load_from_state_dict(
            part, prefix, metadata.get(prefix[:-1], {}), True, missing, unknown, errors
        )
        for name, child in module._modules.items():
            if child is not None:
                begin = f'{prefix}{name}.'
                inside = {key: value for key, value in part.items() if key.startswith(begin)}
                load(child, inside, begin)

        for hook in module._load_state_dict_post_hooks.values():
            hook(module, _IncompatibleKeys(missing, unknown))

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter('ignore')  # of copying to tensors without values
        try:
            load(skeleton(model), dict(state), '')
        except Exception as error:  # of a module that cannot convert what it is given
            errors.append(f'{type(error).__name__}: {error}'.splitlines()[0])

    # Names that the file has can only be missing because a module computes these tensors itself.
    report = Report(unknown=unknown)
    report.missing = [name for name in missing if name not in state and not name.endswith(COUNT)]
    for message in errors:
        if found := MISMATCH.search(message):
            name, theirs, own = (re.sub(r'[][]', '', text) for text in found.groups())
            report.shapes[name] = f'{name} is {theirs}, expected {own}'
        else:
            report.other.append(message)
    return report

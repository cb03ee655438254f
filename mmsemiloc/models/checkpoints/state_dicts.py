"""The state dicts that a file offers, with plain names."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from mmsemiloc.models.checkpoints.densenet_keys import old_spelling_mended

# What DataParallel, DDP, torch.compile, FSDP and checkpointing put into names.
WRAPPERS = ('module', '_orig_mod', '_fsdp_wrapped_module', '_checkpoint_wrapped_module')
# Parts of a name that tell a copy of the weights, such as a running mean, from these themselves.
COPY = re.compile(
    r'(?:^|[._])(?:ema|swa|teacher|momentum|target|shadow|averaged?|encoder_k|key)'
    r'(?:[._]|$)'
)


@dataclass(frozen=True)
class StateDict:
    """A mapping of names to tensors in a file.

    Attributes:
        place: Its dotted place in the file's content, e.g. 'state_dict'; '' if it is the content.
        tensors: By name.
        metadata: What PyTorch keeps for each module (version numbers, say), by the module's name.
    """

    place: str
    tensors: dict[str, Tensor]
    metadata: dict[str, dict]


def below(names: Mapping, prefix: str) -> dict:
    """The items of a mapping whose names begin with ``prefix``, without it."""
    return {
        name.removeprefix(prefix): value for name, value in names.items() if name.startswith(prefix)
    }


def state_dicts(content: object, place: str = '', depth: int = 3) -> Iterator[StateDict]:
    """The mappings of names to tensors in what ``torch.load`` returned, outermost first."""
    if not isinstance(content, Mapping):
        return

    inside = {name: value for name, value in content.items() if isinstance(name, str)}
    tensors = {name: value for name, value in inside.items() if isinstance(value, Tensor)}
    if tensors:
        yield StateDict(place, tensors, dict(getattr(content, '_metadata', None) or {}))

    for key, value in inside.items():
        if depth:
            yield from state_dicts(value, f'{place}.{key}' if place else key, depth - 1)


def candidates(content: object, source: str) -> list[StateDict]:
    """The state dicts that a file offers; only 'state_dict', as in MMEngine, where there is one.

    Raises:
        ValueError: If there is none.
    """
    found = list(state_dicts(content))
    if not found:
        what = f'a {type(content).__name__}'
        if isinstance(content, nn.Module):
            what = f'a pickled model ({type(content).__name__})'
        elif isinstance(content, Mapping):
            keys = ', '.join(map(str, list(content)[:5]))
            what += f' with the keys {keys}' if keys else ' without entries'
        raise ValueError(f'{source} has no weights by name, it is {what}; save model.state_dict()')

    return [state for state in found if state.place.split('.')[0] == 'state_dict'] or found


def main_state(content: object, source: str) -> StateDict:
    """The state dict of a file when there is no model to compare with: the largest, no copy.

    Raises:
        ValueError: If there is none.
    """
    return max(
        candidates(content, source),
        key=lambda state: (not COPY.search(state.place), len(state.tensors)),
    )


def without_wrappers(state: StateDict, own: Collection[str]) -> StateDict:
    """A state dict without what wrappers put into names, and with DenseNet's layers as spelt today.

    Parts that occur in the model's own names stay, and all do if two names would become one.
    """
    present = {part for name in own for part in name.split('.')}

    def plain(name: str) -> str:
        kept = (part for part in name.split('.') if part not in WRAPPERS or part in present)
        return old_spelling_mended('.'.join(kept))

    tensors = {plain(name): value for name, value in state.tensors.items()}
    if len(tensors) < len(state.tensors):
        return state
    metadata = {plain(name): value for name, value in state.metadata.items()}
    return StateDict(state.place, tensors, metadata)


def part_of(state: StateDict, prefix: str) -> StateDict | None:
    """The part of a state dict whose names, or whose place, begin with ``prefix``; None if none."""
    prefix = prefix.rstrip('.') + '.'
    if f'.{state.place}.'.endswith(f'.{prefix}'):
        return state
    tensors, place = below(state.tensors, prefix), f'{state.place}.{prefix[:-1]}'.lstrip('.')
    return StateDict(place, tensors, below(state.metadata, prefix)) if tensors else None

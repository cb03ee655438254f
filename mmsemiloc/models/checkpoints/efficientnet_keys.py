"""Names of an EfficientNet's tensors in MMPretrain, from those of other PyTorch ports."""

from collections.abc import Iterable, Mapping

from torch import Tensor

OUTSIDE = {
    '_conv_stem': 'layers.0.conv',
    '_bn0': 'layers.0.bn',
    '_conv_head': 'layers.6.conv',
    '_bn1': 'layers.6.bn',
    '_fc': 'fc',
}
INSIDE = {  # parts of a block
    '_expand_conv': 'expand_conv.conv',
    '_bn0': 'expand_conv.bn',
    '_depthwise_conv': 'depthwise_conv.conv',
    '_bn1': 'depthwise_conv.bn',
    '_project_conv': 'linear_conv.conv',
    '_bn2': 'linear_conv.bn',
}
# MMPretrain's stage of each run of blocks with as many channels: two runs do not halve the map.
STAGES = (1, 2, 3, 4, 4, 5, 5)


def block_places(channels: Iterable[int]) -> list[tuple[int, int]]:
    """Where MMPretrain has each block: its stage, and its number there.

    Args:
        channels: Those that each block gives, in the order of the network.

    Raises:
        ValueError: If their runs are not those of an EfficientNet.

    Example:
        >>> block_places([16, 24, 24, 40, 80, 112, 192, 320])
        [(1, 0), (2, 0), (2, 1), (3, 0), (4, 0), (4, 1), (5, 0), (5, 1)]
    """
    # A run ends where the number of channels changes.
    channels = list(channels)
    runs = [0]
    for before, after in zip(channels, channels[1:], strict=False):
        runs.append(runs[-1] + (before != after))
    if not channels or runs[-1] != len(STAGES) - 1:
        raise ValueError(
            f'an EfficientNet has {len(STAGES)} runs of blocks with as many channels, these have '
            f'{channels}'
        )

    stages = [STAGES[run] for run in runs]
    return [(stage, stages[:i].count(stage)) for i, stage in enumerate(stages)]


def with_mmpretrain_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of an EfficientNet without squeeze-and-excitation, as MMPretrain names them.

    Args:
        tensors: By names such as ``_blocks.3._project_conv.weight``, which follow those of the
            original TensorFlow code. The classifier ``_fc`` becomes ``fc``.

    Raises:
        ValueError: If a name is not of that form, or the blocks are not an EfficientNet's.
    """
    # Blocks are numbered through there, and within a stage here.
    suffix = '._project_conv.weight'
    projections = {
        int(name.split('.')[1]): len(tensor)
        for name, tensor in tensors.items()
        if name.startswith('_blocks.') and name.endswith(suffix)
    }
    places = block_places(projections[i] for i in sorted(projections))

    def renamed(name: str) -> str:
        match name.split('.'):
            case '_blocks', number, part, rest if part in INSIDE and int(number) < len(places):
                stage, i = places[int(number)]
                return f'layers.{stage}.{i}.{INSIDE[part]}.{rest}'
            case part, rest if part in OUTSIDE:
                return f'{OUTSIDE[part]}.{rest}'
        raise ValueError(
            f'{name} is not a tensor of an EfficientNet without squeeze-and-excitation'
        )

    return {renamed(name): tensor for name, tensor in tensors.items()}

"""Names of a DenseNet's parameters in torchvision and timm (which agree), from mmpretrain's."""

import re


def torchvision_name(name: str) -> str:
    """The name in torchvision and timm of a tensor of mmpretrain's DenseNet classifier.

    mmpretrain numbers modules from 0 where torchvision names them from 1; the final BatchNorm is
    called ``norm5`` whatever the number of blocks.

    Raises:
        ValueError: If ``name`` is none of a DenseNet's backbone or linear head.

    Example:
        >>> torchvision_name('backbone.stages.2.block.5.conv2.weight')
        'features.denseblock3.denselayer6.conv2.weight'
        >>> torchvision_name('backbone.transitions.3.0.bias')
        'features.norm5.bias'
        >>> torchvision_name('head.fc.weight')
        'classifier.weight'
    """
    match re.sub(r'^backbone\.', '', name).split('.'):
        case 'stem', '0' | '1' as i, part:
            return f'features.{("conv0", "norm0")[int(i)]}.{part}'
        case 'stages', i, 'block', j, layer, part:
            return f'features.denseblock{int(i) + 1}.denselayer{int(j) + 1}.{layer}.{part}'
        case 'transitions', i, 'norm' | 'conv' as layer, part:
            return f'features.transition{int(i) + 1}.{layer}.{part}'
        case 'transitions', _, '0', part:
            return f'features.norm5.{part}'
        case 'head', 'fc', part:
            return f'classifier.{part}'
    raise ValueError(f'{name} is not a parameter of a DenseNet classifier of mmpretrain')


def old_spelling_mended(name: str) -> str:
    """A name of torchvision's DenseNet as it is spelt today.

    Its files have dots in the names of a dense layer's parts.

    Example:
        >>> old_spelling_mended('features.denseblock1.denselayer1.norm.1.weight')
        'features.denseblock1.denselayer1.norm1.weight'
    """
    return re.sub(r'(denselayer\d+\.(?:norm|relu|conv))\.(\d)\.', r'\1\2.', name)

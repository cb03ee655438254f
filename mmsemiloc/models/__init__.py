from mmsemiloc.models.backbone_checkpoint import load_backbone, read_checkpoint
from mmsemiloc.models.cam import class_activation_maps, class_maps, relative_weight
from mmsemiloc.models.cam_cls_head import CAMClsHead
from mmsemiloc.models.checkpoint_fit import fit_checkpoint, fit_state, inner_model
from mmsemiloc.models.data_preprocessor import SemiSupDataPreprocessor
from mmsemiloc.models.densenet_pyramid import DenseNetPyramid
from mmsemiloc.models.dilated_densenet import DilatedDenseNet
from mmsemiloc.models.distribution_alignment import DistributionAlignment, align
from mmsemiloc.models.entropy_loss import (
    MeanEntropyLoss,
    NegativeBatchEntropyLoss,
    mean_entropy,
    negative_batch_entropy,
)
from mmsemiloc.models.fixmatch_loss import FixMatchLoss
from mmsemiloc.models.locality_loss import (
    LocalityLoss,
    direction_penalties,
    locality_penalty,
    unit_norm,
)
from mmsemiloc.models.predictions import Pairs, Predictions, WholeBatch
from mmsemiloc.models.pseudo_label_loss import PseudoLabelLoss
from mmsemiloc.models.semi_sup_classifier import SemiSupClassifier
from mmsemiloc.models.soft_consistency_loss import SoftConsistencyLoss
from mmsemiloc.models.transform_consistency_loss import (
    TransformConsistencyLoss,
    transform_consistency,
)

__all__ = [
    'CAMClsHead',
    'DenseNetPyramid',
    'DilatedDenseNet',
    'DistributionAlignment',
    'FixMatchLoss',
    'LocalityLoss',
    'MeanEntropyLoss',
    'NegativeBatchEntropyLoss',
    'Pairs',
    'Predictions',
    'PseudoLabelLoss',
    'SemiSupClassifier',
    'SemiSupDataPreprocessor',
    'SoftConsistencyLoss',
    'TransformConsistencyLoss',
    'WholeBatch',
    'align',
    'class_activation_maps',
    'class_maps',
    'direction_penalties',
    'fit_checkpoint',
    'fit_state',
    'inner_model',
    'load_backbone',
    'locality_penalty',
    'mean_entropy',
    'negative_batch_entropy',
    'read_checkpoint',
    'relative_weight',
    'transform_consistency',
    'unit_norm',
]

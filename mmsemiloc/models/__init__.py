from mmsemiloc.models.backbones.densenet_pyramid import DenseNetPyramid
from mmsemiloc.models.backbones.dilated_densenet import DilatedDenseNet
from mmsemiloc.models.backbones.efficientnet_lite import EfficientNetLite
from mmsemiloc.models.cam import class_activation_maps, class_maps, relative_weight
from mmsemiloc.models.cam_cls_head import CAMClsHead
from mmsemiloc.models.checkpoints.backbone import load_backbone, read_checkpoint
from mmsemiloc.models.checkpoints.fit import fit_checkpoint, fit_state, inner_model
from mmsemiloc.models.checkpoints.packages import package_file
from mmsemiloc.models.data_preprocessor import SemiSupDataPreprocessor
from mmsemiloc.models.effective_batch import EffectiveBatch
from mmsemiloc.models.losses.alignment import DistributionAlignment, align
from mmsemiloc.models.losses.entropy import (
    MeanEntropyLoss,
    NegativeBatchEntropyLoss,
    mean_entropy,
    negative_batch_entropy,
)
from mmsemiloc.models.losses.fairness import SelfAdaptiveFairnessLoss, self_adaptive_fairness
from mmsemiloc.models.losses.fixmatch import FixMatchLoss
from mmsemiloc.models.losses.locality import (
    LocalityLoss,
    direction_penalties,
    locality_penalty,
    unit_norm,
)
from mmsemiloc.models.losses.pseudo_label import PseudoLabelLoss
from mmsemiloc.models.losses.schedule import Schedule
from mmsemiloc.models.losses.soft_consistency import SoftConsistencyLoss
from mmsemiloc.models.losses.term import PairTerm, Term
from mmsemiloc.models.losses.transform_consistency import (
    TransformConsistencyLoss,
    transform_consistency,
)
from mmsemiloc.models.prediction_sum import PredictionSum
from mmsemiloc.models.predictions import Pairs, Predictions
from mmsemiloc.models.semi_sup_classifier import SemiSupClassifier
from mmsemiloc.models.views import Selection, Views

__all__ = [
    'CAMClsHead',
    'DenseNetPyramid',
    'DilatedDenseNet',
    'DistributionAlignment',
    'EffectiveBatch',
    'EfficientNetLite',
    'FixMatchLoss',
    'LocalityLoss',
    'MeanEntropyLoss',
    'NegativeBatchEntropyLoss',
    'PairTerm',
    'Pairs',
    'PredictionSum',
    'Predictions',
    'PseudoLabelLoss',
    'SemiSupClassifier',
    'SemiSupDataPreprocessor',
    'Schedule',
    'Selection',
    'SelfAdaptiveFairnessLoss',
    'SoftConsistencyLoss',
    'Term',
    'TransformConsistencyLoss',
    'Views',
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
    'package_file',
    'read_checkpoint',
    'relative_weight',
    'self_adaptive_fairness',
    'transform_consistency',
    'unit_norm',
]

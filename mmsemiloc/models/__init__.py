from mmsemiloc.models.cam import class_activation_maps, class_maps, relative_weight
from mmsemiloc.models.cam_cls_head import CAMClsHead
from mmsemiloc.models.data_preprocessor import SemiSupDataPreprocessor
from mmsemiloc.models.dilated_densenet import DilatedDenseNet
from mmsemiloc.models.entropy_loss import MeanEntropyLoss, NegativeBatchEntropyLoss, mean_entropy, negative_batch_entropy
from mmsemiloc.models.locality_loss import LocalityLoss, direction_penalties, locality_penalty, unit_norm
from mmsemiloc.models.predictions import Predictions, WholeBatch
from mmsemiloc.models.semi_sup_classifier import SemiSupClassifier

__all__ = [
    'CAMClsHead', 'DilatedDenseNet', 'LocalityLoss', 'MeanEntropyLoss', 'NegativeBatchEntropyLoss', 'Predictions',
    'SemiSupClassifier', 'SemiSupDataPreprocessor', 'WholeBatch', 'class_activation_maps', 'class_maps',
    'direction_penalties', 'locality_penalty', 'mean_entropy', 'negative_batch_entropy', 'relative_weight', 'unit_norm'
]

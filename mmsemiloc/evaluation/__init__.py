from mmsemiloc.evaluation.cam_localization import CAMLocalization
from mmsemiloc.evaluation.map_scores import (
    MapScore,
    score_centre_map,
    score_map,
    summarize_maps,
    summarize_predictions,
)
from mmsemiloc.evaluation.maps import resize_maps
from mmsemiloc.evaluation.predict import predict_with_maps, score_sample, true_boxes, true_class

__all__ = [
    'CAMLocalization',
    'MapScore',
    'predict_with_maps',
    'resize_maps',
    'score_centre_map',
    'score_map',
    'score_sample',
    'summarize_maps',
    'summarize_predictions',
    'true_boxes',
    'true_class',
]

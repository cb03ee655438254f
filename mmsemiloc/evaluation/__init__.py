from mmsemiloc.evaluation.cam_localization import CAMLocalization
from mmsemiloc.evaluation.image_scores import summarize_predictions
from mmsemiloc.evaluation.map_scores import MapScore, score_centre_map, score_map, summarize_maps
from mmsemiloc.evaluation.maps import resize_maps
from mmsemiloc.evaluation.scoring import (
    ScoredImage,
    predict_batch,
    scored_batches,
    true_boxes,
    true_class,
)

__all__ = [
    'CAMLocalization',
    'MapScore',
    'ScoredImage',
    'predict_batch',
    'resize_maps',
    'score_centre_map',
    'score_map',
    'scored_batches',
    'summarize_maps',
    'summarize_predictions',
    'true_boxes',
    'true_class',
]

from mmsemiloc.evaluation.batch_predictions import predict_batch, predict_with_maps
from mmsemiloc.evaluation.cam_localization import CAMLocalization
from mmsemiloc.evaluation.image_scores import ImageScore, summarize_predictions
from mmsemiloc.evaluation.map_scores import MapScore, score_centre_map, score_map, summarize_maps
from mmsemiloc.evaluation.maps import resize_maps
from mmsemiloc.evaluation.scoring import (
    ScoredImage,
    score_sample,
    scored_batches,
    true_boxes,
    true_class,
)

__all__ = [
    'CAMLocalization',
    'ImageScore',
    'MapScore',
    'ScoredImage',
    'predict_batch',
    'predict_with_maps',
    'resize_maps',
    'score_centre_map',
    'score_map',
    'score_sample',
    'scored_batches',
    'summarize_maps',
    'summarize_predictions',
    'true_boxes',
    'true_class',
]

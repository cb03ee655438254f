"""Three channels for grey images that are in memory."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmsemiloc.registry import TRANSFORMS


@TRANSFORMS.register_module()
class GrayToBGR(BaseTransform):
    """Makes a grey image (H, W) or (H, W, 1) one of three equal channels; others stay as they are.

    So a pipeline for grey images in memory also takes photographs from files, which have three.
    """

    def transform(self, results: dict) -> dict:
        """Repeat the channel.

        Raises:
            ValueError: If the image has neither 1 nor 3 channels.
        """
        image = results['img']
        if image.ndim == 2:
            image = image[..., None]
        if image.ndim != 3 or image.shape[2] not in (1, 3):
            raise ValueError(f'GrayToBGR needs 1 or 3 channels, got shape {results["img"].shape}')

        if image.shape[2] == 1:
            image = np.repeat(image, 3, axis=2)
        results['img'] = image
        return results

"""Classes, maps and boxes of photos, against the model itself."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmpretrain.registry import MODELS

from mmsemiloc.inference.image_files import find_images
from mmsemiloc.inference.photo_predictions import largest_box, predict, predict_files
from mmsemiloc.inference.photos import file_pipeline, read_images
from tests.conftest import make_model
from tests.datasets.conftest import save_image


def test_box_of_the_largest_part():
    cam = np.zeros((8, 10), np.float32)
    cam[1, 1] = 4
    cam[3:6, 4:9] = 3
    assert largest_box(cam, 0.5) == [4, 3, 9, 6]
    assert largest_box(cam, 0.75) == [1, 1, 2, 2]  # strictly above
    assert largest_box(cam - 10, 0.5) is None and largest_box(0 * cam, 0.0) is None
    assert largest_box(np.ones((8, 10)), 0.9) == [0, 0, 10, 8]


def test_predictions_are_those_of_each_image_alone(folder, pipeline):
    model = make_model().eval()
    images, _ = read_images(find_images([folder]), pipeline)
    together = predict(model, images, topk=3, threshold=0.5)
    assert [p.path for p in together] == [photo.path for photo in images]
    for prediction, photo in zip(together, images, strict=True):
        path, image = photo.path, photo.image
        with torch.no_grad():
            expected = model((image[None] - 128.0) / 64)
        probabilities, labels = expected.softmax(1).sort(descending=True)
        assert prediction.labels == labels[0, :3].tolist()
        assert prediction.confidences == pytest.approx(probabilities[0, :3].tolist(), rel=1e-4)
        assert np.array_equal(prediction.image, cv2.imread(str(path))[..., ::-1])
        assert prediction.cam.shape == prediction.image.shape[:2]
        assert prediction.box == prediction.photo_box == largest_box(prediction.cam, 0.5)
    assert len(predict(model, images, topk=99, threshold=0.5)[0].labels) == 5


def test_boxes_are_in_pixels_of_the_photo(tmp_path, scope):
    save_image(tmp_path / 'photo.png', (96, 128))
    pipeline = Compose(
        file_pipeline(
            [
                dict(type='ResizeEdge', scale=48),
                dict(type='CenterCrop', crop_size=32),
                dict(type='PackInputs'),
            ]
        )
    )
    images, _ = read_images([tmp_path / 'photo.png'], pipeline)
    (prediction,) = predict(make_model().eval(), images, topk=1, threshold=0.5)
    x1, y1, x2, y2 = prediction.box  # half the size, and 16 and 8 pixels cut off
    np.testing.assert_allclose(
        prediction.photo_box, [2 * (x1 + 16), 2 * (y1 + 8), 2 * (x2 + 16), 2 * (y2 + 8)], atol=1
    )
    turned = Compose(
        file_pipeline([dict(type='Rotate', angle=9.0, prob=1.0), dict(type='PackInputs')])
    )
    images, _ = read_images([tmp_path / 'photo.png'], turned)
    (prediction,) = predict(make_model().eval(), images, topk=1, threshold=0.5)
    assert prediction.box and prediction.photo_box is None


@pytest.mark.parametrize(
    'backbone, head',
    [
        (
            dict(
                type='VisionTransformer',
                arch=dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=16),
                img_size=32,
                patch_size=8,
            ),
            dict(type='VisionTransformerClsHead', num_classes=5, in_channels=16),
        ),
        (
            dict(type='ConvNeXt', arch=dict(depths=[1, 1, 1, 1], channels=[4, 4, 8, 16])),
            dict(type='LinearClsHead', num_classes=5, in_channels=16),
        ),
    ],
)
def test_models_without_maps_give_class_and_confidence(tmp_path, pipeline, backbone, head):
    save_image(tmp_path / 'photo.png', (32, 32))
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=backbone,
            head=head,
            data_preprocessor=dict(mean=[128] * 3, std=[64] * 3),
        )
    ).eval()
    images, _ = read_images([tmp_path / 'photo.png'], pipeline)
    for _ in range(2):
        (prediction,) = predict(model, images, topk=5, threshold=0.5)
        assert prediction.cam is prediction.box is prediction.photo_box is None
        expected = model((images[0].image[None] - 128.0) / 64, mode='predict')[0].pred_score.sort(
            descending=True
        )
        assert prediction.labels == expected.indices.tolist()
        assert prediction.confidences == pytest.approx(expected.values.tolist(), rel=1e-4)
    with torch.no_grad():
        next(model.head.parameters()).fill_(float('nan'))
    with pytest.raises(ValueError, match='5 of 5 class scores are not finite'):
        predict(model, images, topk=5, threshold=0.5)


def test_batches_arrive_one_after_the_other(folder, pipeline):
    seen = []
    predict_files(
        make_model().eval(),
        find_images([folder]),
        pipeline,
        batch_size=2,
        topk=1,
        threshold=0.5,
        done=lambda predictions, faults: seen.append(
            ([p.path.name for p in predictions], [Path(path).name for path in faults])
        ),
    )
    assert seen == [(['a.png'], ['broken.jpg']), (['c.JPG', 'd.png'], []), ([], ['empty.png'])]

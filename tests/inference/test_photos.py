from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmpretrain.registry import MODELS
from PIL import Image

from mmsemiloc.datasets.images.errors import TransformError
from mmsemiloc.inference.photo_predictions import largest_box, predict, predict_files
from mmsemiloc.inference.photos import file_pipeline, find_images, image_pipeline, read_images
from tests.conftest import make_model
from tests.datasets.conftest import save_image


@pytest.fixture
def pipeline(scope):
    return Compose(file_pipeline([dict(type='PackInputs')]))


@pytest.fixture
def folder(tmp_path):
    """Images of two sizes, two files that are none, and a text."""
    for name, size in (('a.png', 32), ('b/c.JPG', 32), ('b/d.png', 48)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(
            str(path), np.random.default_rng(size).integers(0, 256, (size, 32, 3), dtype=np.uint8)
        )
    (tmp_path / 'b' / 'broken.jpg').write_bytes(b'no image')
    (tmp_path / 'empty.png').write_bytes(b'')
    (tmp_path / 'text.txt').write_text('no image')
    return tmp_path


def test_find_images(folder):
    names = ['a.png', 'b/broken.jpg', 'b/c.JPG', 'b/d.png', 'empty.png']
    assert find_images([folder]) == [folder / name for name in names]
    assert find_images([folder / 'text.txt', folder / 'nowhere.png']) == [
        folder / 'text.txt',
        folder / 'nowhere.png',
    ]
    (folder / 'none').mkdir()
    with pytest.raises(ValueError, match='no image in .*none: looked for .jpg'):
        find_images([folder / 'none'])


def test_what_is_left_out_is_said(folder):
    lines = []
    (folder / '.hidden').mkdir()
    save_image(folder / '.hidden' / 'x.png')
    save_image(folder / 'e.JFIF.jpg'), save_image(folder / 'f.webp'), save_image(folder / 'g.gif')
    for name in ('1.heic', '2.HEIC', '3.cr2'):
        (folder / name).write_bytes(b'photo')
    found = find_images([folder, folder / 'a.png'], say=lines.append)
    assert [path.name for path in found] == [
        'a.png',
        'broken.jpg',
        'c.JPG',
        'd.png',
        'e.JFIF.jpg',
        'empty.png',
        'f.webp',
        'g.gif',
    ]
    said = '\n'.join(lines)
    assert '.heic (2)' in said and '.cr2 (1)' in said and '.txt (1)' in said and '.hidden' in said


def test_pictures_of_an_earlier_run_are_no_photos(folder):
    lines = []
    save_image(folder / 'seen' / '00000_a.png')
    assert 'seen' not in {
        path.parent.name for path in find_images([folder], folder / 'seen', lines.append)
    }
    assert lines[-1] == f'1 image in {folder / "seen"} left out: it is the folder of the results'
    assert 'seen' in {
        path.parent.name for path in find_images([folder], folder.parent / 'other')
    }  # negative control
    with pytest.raises(ValueError, match='choose another --out'):
        find_images([folder], folder / 'b' / '..')


def test_pipelines_read_the_file_and_no_labels():
    pack, resize = dict(type='PackInputs'), dict(type='Resize', scale=8)
    loader = dict(type='mmcv.LoadImageFromFile', color_type='grayscale')
    assert file_pipeline([resize, pack]) == [dict(type='LoadImageFromFile'), resize, pack]
    assert file_pipeline([loader, dict(type='LoadAnnotations'), resize, pack]) == [
        loader,
        resize,
        pack,
    ]


def test_unreadable_files_have_their_reason_and_do_not_stop_the_others(folder, pipeline):
    images, faults = read_images([*find_images([folder]), folder / 'nowhere.png'], pipeline)
    assert [photo.path.name for photo in images] == ['a.png', 'c.JPG', 'd.png']
    assert [path.name for path in faults] == ['broken.jpg', 'empty.png', 'nowhere.png']
    assert 'No such file' in faults[folder / 'nowhere.png'] and not any(
        '\n' in reason for reason in faults.values()
    )


def test_faults_of_the_program_are_no_unreadable_files(folder, pipeline):
    def my_transform(results):
        raise OSError('no disk')

    with pytest.raises(
        TransformError, match='transform my_transform fails on .*a.png: OSError: no disk'
    ):
        read_images([folder / 'a.png'], Compose([*pipeline.transforms, my_transform]))


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


def test_the_pipeline_of_a_wrapped_dataset(scope):
    inner = dict(type='CustomDataset', pipeline=[dict(type='PackInputs')])
    for dataset in (
        inner,
        dict(type='mmsemiloc.TolerantDataset', dataset=inner),
        dict(type='ConcatDataset', datasets=[dict(type='RepeatDataset', times=2, dataset=inner)]),
    ):
        assert (
            len(image_pipeline(Config(dict(test_dataloader=dict(dataset=dataset)))).transforms) == 2
        )
    with pytest.raises(ValueError, match='no test_dataloader.dataset.pipeline'):
        image_pipeline(
            Config(dict(test_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=[]))))
        )


def test_photos_are_seen_as_in_training(tmp_path, scope):
    """By our loading transform, also where a config names mmcv's."""
    Image.new('RGBA', (20, 20), (1, 2, 3, 0)).save(tmp_path / 'clear.png')
    for kind in ('LoadImageFromFile', 'mmcv.LoadImageFromFile'):
        cfg = Config(
            dict(
                test_dataloader=dict(
                    dataset=dict(pipeline=[dict(type=kind), dict(type='PackInputs')])
                )
            )
        )
        (photo,), _ = read_images([tmp_path / 'clear.png'], image_pipeline(cfg))
        assert (photo.image == 255).all()


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

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose

from mmsemiloc.datasets.faults import TransformError
from mmsemiloc.study.predict import file_pipeline, find_images, largest_box, predict, predict_files, read_images
from tests.conftest import make_model


@pytest.fixture
def pipeline(scope):
    return Compose(file_pipeline([dict(type='PackInputs')]))


@pytest.fixture
def folder(tmp_path):
    """Images of two sizes, two files that are none, and a text."""
    for name, size in (('a.png', 32), ('b/c.JPG', 32), ('b/d.png', 48)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), np.random.default_rng(size).integers(0, 256, (size, 32, 3), dtype=np.uint8))
    (tmp_path / 'b' / 'broken.jpg').write_bytes(b'no image')
    (tmp_path / 'empty.png').write_bytes(b'')
    (tmp_path / 'text.txt').write_text('no image')
    return tmp_path


def test_find_images(folder):
    names = ['a.png', 'b/broken.jpg', 'b/c.JPG', 'b/d.png', 'empty.png']
    assert find_images([folder]) == [folder / name for name in names]
    assert find_images([folder / 'text.txt', folder / 'nowhere.png']) == [folder / 'text.txt', folder / 'nowhere.png']
    (folder / 'none').mkdir()
    with pytest.raises(ValueError, match='no image in .*none: looked for .jpg'):
        find_images([folder / 'none'])


def test_pipelines_read_the_file_and_no_labels():
    pack, resize = dict(type='PackInputs'), dict(type='Resize', scale=8)
    loader = dict(type='mmcv.LoadImageFromFile', color_type='grayscale')
    assert file_pipeline([resize, pack]) == [dict(type='LoadImageFromFile'), resize, pack]
    assert file_pipeline([loader, dict(type='LoadAnnotations'), resize, pack]) == [loader, resize, pack]


def test_unreadable_files_have_their_reason_and_do_not_stop_the_others(folder, pipeline):
    images, faults = read_images([*find_images([folder]), folder / 'nowhere.png'], pipeline)
    assert [photo.path.name for photo in images] == ['a.png', 'c.JPG', 'd.png']
    assert [path.name for path in faults] == ['broken.jpg', 'empty.png', 'nowhere.png']
    assert 'No such file' in faults[folder / 'nowhere.png'] and not any('\n' in reason for reason in faults.values())


def test_faults_of_the_program_are_no_unreadable_files(folder, pipeline):
    def my_transform(results):
        raise OSError('no disk')

    with pytest.raises(TransformError, match="transform my_transform fails on .*a.png: OSError: no disk"):
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


def test_batches_arrive_one_after_the_other(folder, pipeline):
    seen = []
    predict_files(make_model().eval(), find_images([folder]), pipeline, batch_size=2, topk=1, threshold=0.5,
                  done=lambda predictions, faults: seen.append(
                      ([p.path.name for p in predictions], [Path(path).name for path in faults])))
    assert seen == [(['a.png'], ['broken.jpg']), (['c.JPG', 'd.png'], []), ([], ['empty.png'])]

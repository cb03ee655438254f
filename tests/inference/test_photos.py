"""Photos as the test pipeline of a config gives them."""

import pytest
from mmengine.config import Config
from mmengine.dataset import Compose
from PIL import Image

from mmsemiloc.datasets.images.errors import TransformError
from mmsemiloc.inference.image_files import find_images
from mmsemiloc.inference.photos import file_pipeline, image_pipeline, read_images


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


def test_faults_of_the_program_are_not_unreadable_files(folder, pipeline):
    def my_transform(results):
        raise OSError('no disk')

    with pytest.raises(
        TransformError, match='transform my_transform fails on .*a.png: OSError: no disk'
    ):
        read_images([folder / 'a.png'], Compose([*pipeline.transforms, my_transform]))


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

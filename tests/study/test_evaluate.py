"""Predictions, maps and their summary, against a slow recomputation."""

import math

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.metrics import confusion_matrix as slow_confusion_matrix
from torch.utils.data import DataLoader

from mmsemiloc.registry import MODELS
from mmsemiloc.study import Cost, Result
from mmsemiloc.study.comparison import spread_table
from mmsemiloc.study.evaluate import (
    Evaluation,
    Examples,
    build_loader,
    confusion_matrix,
    evaluate,
    summarize,
)
from mmsemiloc.study.report import Model, make_report
from tests.conftest import CLASSES, make_batch, make_model
from tests.datasets.conftest import save_image
from tests.evaluation import reference

LABELS = [0, 1, 2, 3, 4, 0, 1]
BOXES = [
    [2, 3, 10, 12],
    [0, 0, 32, 32],
    [5, 5, 6, 30],
    [1, 0, 9, 4],
    [20, 20, 32, 32],
    [0, 9, 3, 17],
    [8, 8, 24, 24],
]


class Pictures(list):
    """Samples, as a dataset has them."""

    metainfo: dict = {}

    def get_data_info(self, index):
        sample = self[index]['data_samples']
        return dict(gt_label=int(sample.gt_label)) if 'gt_label' in sample else {}


def load(batch, batch_size=3):
    """A dataloader of the images of a batch."""
    items = [
        dict(inputs=image, data_samples=sample)
        for image, sample in zip(batch['inputs'], batch['data_samples'], strict=True)
    ]
    return DataLoader(Pictures(items), batch_size=batch_size, collate_fn=pseudo_collate)


def make_loader(boxes=BOXES, batch_size=3):
    data = make_batch(LABELS)
    for sample, box in zip(data['data_samples'], boxes or [], strict=bool(boxes)):
        sample.set_field(box, 'gt_bboxes')
    return load(data, batch_size)


def slow_share(cam, box):
    """Energy inside a box, pixel by pixel."""
    inside = total = 0.0
    for y, row in enumerate(cam):
        for x, value in enumerate(row):
            total += max(float(value), 0.0)
            if box[0] <= x < box[2] and box[1] <= y < box[3]:
                inside += max(float(value), 0.0)
    return inside / total if total else 0.0


@pytest.fixture
def model():
    return make_model().eval()


def test_predictions_and_maps_are_those_of_single_images(model):
    loader, hits = make_loader(), []
    evaluation = evaluate(model, loader)
    assert evaluation.labels.tolist() == LABELS
    index = 0
    for data in loader:
        for image, sample in zip(data['inputs'], data['data_samples'], strict=True):
            batch = model.data_preprocessor(dict(inputs=[image], data_samples=[sample]))
            with torch.no_grad():
                feature = model.extract_feat(batch['inputs'])[-1][0]
                logits = model.head.fc(feature.mean((1, 2)))
            np.testing.assert_allclose(
                evaluation.probabilities[index], logits.softmax(0), rtol=1e-4, atol=1e-6
            )
            best = int(logits.argmax())
            assert evaluation.predicted[index] == best
            cam = sum(
                w * channel
                for w, channel in zip(model.head.fc.weight[best].detach(), feature, strict=True)
            )
            cam = torch.nn.functional.interpolate(cam[None, None], (32, 32), mode='bicubic')[
                0, 0
            ].numpy()
            np.testing.assert_allclose(evaluation.examples.cams[index], cam, rtol=1e-4, atol=1e-5)
            assert evaluation.cam_in_box[index] == pytest.approx(
                slow_share(cam, BOXES[index]), rel=1e-4
            )
            assert evaluation.cam_area[index] == (cam > 0.5 * cam.max()).mean()
            hits.append(reference.hits(cam, [BOXES[index]]))
            assert evaluation.box_area[index] == pytest.approx(
                slow_share(np.ones((32, 32)), BOXES[index])
            )
            np.testing.assert_array_equal(
                evaluation.examples.images[index], image.numpy()[::-1].transpose(1, 2, 0)
            )
            index += 1
    assert index == len(LABELS)
    assert summarize(evaluation)['max_box_acc_v2'] == pytest.approx(
        reference.max_box_acc(hits, [1, 2, 3])
    )


def test_batch_size_does_not_matter(model):
    one, other = (evaluate(model, make_loader(batch_size=size)) for size in (2, 7))
    np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=1e-5)
    np.testing.assert_allclose(one.cam_in_box, other.cam_in_box, rtol=1e-4)


def test_summary_without_boxes_and_number_of_examples(model):
    evaluation = evaluate(model, make_loader(boxes=None), num_examples=2)
    assert np.isnan(evaluation.cam_in_box).all()
    assert evaluation.examples.images.shape == (
        2,
        32,
        32,
        3,
    ) and evaluation.examples.boxes.shape == (2, 0, 4)
    summary = summarize(evaluation)
    assert [
        summary[key] for key in ('max_box_acc_v2', 'cam_in_box', 'box_area', 'centre_box_acc_v2')
    ] == [None] * 4
    assert 0 < summary['cam_area'] < 100
    assert evaluation.classes.tolist() == [str(i) for i in range(CLASSES)]


def test_images_of_other_sizes_are_evaluated_without_their_padding(model):
    small = make_batch([1], size=24)
    small['data_samples'][0].set_field([0, 0, 12, 24], 'gt_bboxes')
    loader = make_loader()
    loader.dataset.insert(3, load(small).dataset[0])
    evaluation = evaluate(model, loader)
    assert evaluation.box_area[3] == 0.5
    assert len(evaluation.labels) == len(LABELS) + 1 and len(evaluation.examples.images) == len(
        LABELS
    )


@pytest.fixture
def transformer():
    """A classifier of MMPretrain without maps."""
    torch.manual_seed(0)
    arch = dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=16)
    return MODELS.build(
        dict(
            type='ImageClassifier',
            data_preprocessor=dict(
                type='mmsemiloc.SemiSupDataPreprocessor',
                mean=[128] * 3,
                std=[64] * 3,
                num_classes=CLASSES,
            ),
            backbone=dict(type='VisionTransformer', arch=arch, img_size=32, patch_size=16),
            head=dict(type='VisionTransformerClsHead', num_classes=CLASSES, in_channels=16),
        )
    ).eval()


@pytest.mark.parametrize('boxes', [BOXES, None])
def test_a_model_without_maps_is_evaluated_without_them(transformer, boxes, tmp_path):
    evaluation = evaluate(transformer, make_loader(boxes))
    data = next(iter(make_loader(boxes)))
    with torch.no_grad():
        logits = transformer(transformer.data_preprocessor(data)['inputs'])
    np.testing.assert_allclose(evaluation.probabilities[:3], logits.softmax(1), rtol=1e-4)
    summary = summarize(evaluation)
    assert summary['accuracy'] == pytest.approx(100 * accuracy_score(LABELS, evaluation.predicted))
    assert [summary[key] for key in ('max_box_acc_v2', 'cam_in_box', 'cam_area')] == [None] * 3
    # The uninformed baselines do not depend on the model.
    known = [summary[key] is not None for key in ('box_area', 'centre_box_acc_v2')]
    assert known == [boxes is not None] * 2
    evaluation.save(tmp_path / 'val.npz')
    assert np.isnan(Evaluation.load(tmp_path / 'val.npz').examples.cams).all()


def test_a_page_of_a_model_without_maps(transformer, model):
    evaluations = [evaluate(each, make_loader()) for each in (model, transformer)]
    results = [
        Result('x', 0, 'val', summarize(evaluation), Cost(1, 1, 1.0)) for evaluation in evaluations
    ]
    models = [
        Model(title, result, evaluation, 'config')
        for title, result, evaluation in zip(
            ('ours', 'transformer'), results, evaluations, strict=True
        )
    ]
    page = make_report('title', 'text', spread_table(results), models)
    assert (
        'transformer, image 0' in page
        and 'nan' not in page.split('<style>')[1].split('</style>')[1].split('base64')[0]
    )


def make_evaluation(images=40, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(4), images)
    probabilities[:, 3] = 0  # one class is never predicted
    nothing = Examples(np.zeros((1, 2, 2, 3), np.uint8), np.zeros((1, 2, 2)), np.zeros((1, 0, 4)))
    shares = rng.random((3, images))
    hits = rng.integers(0, 256, (2, images, 128), np.uint8)
    return Evaluation(
        np.array(list('abcd')), rng.integers(0, 4, images), probabilities, *shares, *hits, nothing
    )


def test_summary_and_confusion_matrix_agree_with_scikit_learn():
    evaluation = make_evaluation()
    predicted = [max(range(4), key=row.__getitem__) for row in evaluation.probabilities.tolist()]
    summary = summarize(evaluation)
    assert summary['accuracy'] == pytest.approx(100 * accuracy_score(evaluation.labels, predicted))
    assert summary['mean_recall'] == pytest.approx(
        100 * balanced_accuracy_score(evaluation.labels, predicted)
    )
    assert (
        abs(summary['mean_recall'] - summary['accuracy']) > 0.1
    )  # negative control: the classes differ in size
    assert summary['classes_used'] == len(set(predicted)) == 3 and summary['num_classes'] == 4
    assert summary['cam_in_box'] == pytest.approx(100 * math.fsum(evaluation.cam_in_box) / 40)
    assert summary['cam_area'] == pytest.approx(100 * math.fsum(evaluation.cam_area) / 40)
    assert summary['max_box_acc_v2'] != summary['centre_box_acc_v2']
    expected = slow_confusion_matrix(evaluation.labels, predicted, labels=range(4))
    np.testing.assert_array_equal(confusion_matrix(evaluation), expected)


def test_saved_and_loaded(tmp_path):
    evaluation = make_evaluation()
    evaluation.save(tmp_path / 'val.npz')
    loaded = Evaluation.load(tmp_path / 'val.npz')
    for key in (
        'classes',
        'labels',
        'probabilities',
        'cam_in_box',
        'cam_area',
        'box_area',
        'hits',
        'centre_hits',
    ):
        np.testing.assert_array_equal(getattr(loaded, key), getattr(evaluation, key))
    np.testing.assert_array_equal(loaded.examples.images, evaluation.examples.images)
    assert [path.name for path in tmp_path.iterdir()] == ['val.npz']


def test_examples_are_of_all_classes(model):
    """Also of a folder that is sorted by class."""
    batch = make_batch(sorted(LABELS))
    kept = {
        image.numpy()[::-1].transpose(1, 2, 0).tobytes(): int(sample.gt_label)
        for image, sample in zip(batch['inputs'], batch['data_samples'], strict=True)
    }
    examples = evaluate(model, load(batch), num_examples=CLASSES).examples.images
    assert sorted(kept[image.tobytes()] for image in examples) == list(range(CLASSES))


def test_grey_images(model):
    """Of one channel, which the preprocessor may make three of."""
    batch = make_batch(LABELS)
    batch['inputs'] = [image[:1] for image in batch['inputs']]
    model.data_preprocessor.register_forward_pre_hook(
        lambda module, args: (
            {**args[0], 'inputs': [image.expand(3, -1, -1) for image in args[0]['inputs']]},
            *args[1:],
        )
    )
    images = evaluate(model, load(batch)).examples.images
    assert images.shape == (7, 32, 32, 3) and (images == images[..., :1]).all()


def test_what_cannot_be_measured_is_named(model):
    with pytest.raises(ValueError, match='^image 1 has no label, which is needed'):
        evaluate(model, load(make_batch([0, None])))
    loader = make_loader()
    loader.dataset[4]['data_samples'].set_field([0, 0, 40, 10], 'gt_bboxes')
    with pytest.raises(ValueError, match='^image 4: a box .* 32 x 32'):
        evaluate(model, loader)


def test_the_loader_of_a_config_names_images_and_refuses_boxes_that_do_not_move(tmp_path):
    save_image(tmp_path / 'a' / '0.jpg')
    (tmp_path / 'a' / '1.jpg').write_bytes(b'hello')
    folder = dict(
        type='CustomDataset',
        data_root=str(tmp_path),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')],
    )
    scenes = dict(
        type='mmsemiloc.DigitScenes',
        num_images=3,
        pipeline=[
            dict(type='ResizeEdge', scale=40),
            dict(type='PackInputs', algorithm_keys=('gt_bboxes',)),
        ],
    )

    def config(dataset):
        return Config(
            dict(
                val_dataloader=dict(
                    batch_size=1,
                    num_workers=0,
                    dataset=dataset,
                    sampler=dict(type='DefaultSampler', shuffle=False),
                )
            )
        )

    with pytest.raises(
        ValueError,
        match=r'^cannot read validation image 1 of 2 \(.*1.jpg\): no image of a known format$',
    ):
        list(build_loader(config(folder), 'val'))
    with pytest.raises(
        ValueError, match='transform ResizeEdge moves the pixels of validation image 0 of 3'
    ):
        build_loader(config(scenes), 'val')
    with pytest.raises(ValueError, match='no test_dataloader'):
        build_loader(config(scenes), 'test')

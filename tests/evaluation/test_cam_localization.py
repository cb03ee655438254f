"""The registered metric: from the model's predictions to numbers, on one process and on two."""

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmsemiloc.evaluation import CAMLocalization, resize_maps, score_map, summarize_maps
from mmsemiloc.registry import METRICS
from tests.configs.test_configs import tiny_digits
from tests.conftest import make_batch, make_model

SIZES = [(32, 32), (24, 32), (32, 20), (16, 28), (32, 32), (20, 20)]
LABELS = [0, 1, 2, 3, 4, 0]
BOXES = [
    [[2, 3, 20, 25]],
    [[0, 0, 30, 20], [5, 5, 9, 9]],
    [[3, 1, 18, 30]],
    [[1, 1, 20, 15]],
    [[8, 8, 32, 32]],
    [[2, 2, 18, 19]],
]


def make_images(masks=True):
    """Images of several sizes, with labels and boxes, as a dataloader hands them out."""
    data = make_batch(LABELS)
    rng = np.random.default_rng(0)
    data['inputs'] = [image[:, :h, :w] for image, (h, w) in zip(data['inputs'], SIZES, strict=True)]
    for i, (sample, boxes, size) in enumerate(zip(data['data_samples'], BOXES, SIZES, strict=True)):
        sample.set_metainfo(dict(img_path=f'images/{i}.png', img_shape=size, sample_idx=i))
        sample.set_field(np.array(boxes, np.float32), 'gt_bboxes')
        if masks:
            sample.set_field((rng.random(size) < 0.3).astype(np.uint8), 'gt_seg_map')
    return data


def make_predictions(**kwargs):
    """What the model predicts for :func:`make_images`, in two batches of images that are padded to
    a size.
    """
    model = make_model(head=dict(predict_cam=True)).eval()
    data = make_images(**kwargs)
    with torch.no_grad():
        return [
            sample
            for i in (0, 3)
            for sample in model.val_step({key: values[i : i + 3] for key, values in data.items()})
        ]


def run(samples, **kwargs):
    metric = CAMLocalization(**kwargs)
    metric.process({}, [sample.to_dict() for sample in samples])
    return metric.evaluate(len(samples))


def slow_maps(name):
    """Maps of single images: the map of the padded input, cut down to the image."""
    model = make_model().eval()
    data = make_images()
    maps, right = [], []
    for i, (image, label, (height, width)) in enumerate(
        zip(data['inputs'], LABELS, SIZES, strict=True)
    ):
        padded = torch.zeros(3, *np.max(SIZES[i // 3 * 3 : i // 3 * 3 + 3], axis=0))
        padded[:, :height, :width] = (image - 128.0) / 64
        with torch.no_grad():
            feature = model.backbone(padded[None])[-1][0]
            logits = model.head.fc(feature.mean((1, 2)))
            index = label if name == 'gt' else int(logits.argmax())
            cam = torch.einsum('d,dhw->hw', model.head.fc.weight[index], feature)
        maps.append(resize_maps(cam[None], padded.shape[1:])[0, :height, :width].numpy())
        right.append(label == int(logits.argmax()))
    return maps, right


def test_maps_are_those_of_the_model_without_the_padding():
    samples = make_predictions()
    metrics = run(samples, threshold=0.4)
    masks = [sample.gt_seg_map for sample in samples]
    for name in ('gt', 'top1'):
        scores = [
            score_map(*each)
            for each in zip(slow_maps(name)[0], map(np.array, BOXES), masks, strict=True)
        ]
        expected = summarize_maps(scores, 0.4)
        assert len(expected) == 9
        assert {key: metrics[f'localization/{name}_{key}'] for key in expected} == pytest.approx(
            expected, rel=1e-3
        )
    assert metrics['localization/gt_in_box'] != pytest.approx(
        metrics['localization/top1_in_box'], rel=0.01
    )


def test_top1_localization_needs_the_right_class():
    samples = make_predictions()
    _, right = slow_maps('gt')
    assert 0 < sum(right) < len(right)
    metrics = run(samples)
    for sample in samples:
        sample.set_pred_label(sample.gt_label)
        sample.cam_top1 = sample.cam_gt
    perfect = run(samples)
    assert (
        perfect['localization/top1_loc']
        == perfect['localization/gt_MaxBoxAcc']
        == metrics['localization/gt_MaxBoxAcc']
    )
    assert metrics['localization/top1_loc'] < metrics['localization/gt_MaxBoxAcc']


def test_baselines_do_not_depend_on_the_model():
    samples = make_predictions()
    metrics = run(samples)
    for sample in samples:
        sample.cam_top1 = sample.cam_top1.flip(1)
    other = run(samples)
    same = {key for key, value in metrics.items() if other[key] == value}
    baselines = {key for key in metrics if '/centre_' in key or '/uniform_' in key}
    assert baselines <= same and 'localization/top1_in_box' not in same and len(baselines) == 14
    share = np.concatenate([sample.gt_seg_map.ravel() for sample in samples]).mean()
    assert metrics['localization/uniform_PxAP'] == pytest.approx(100 * share)


def test_images_without_label_have_no_map_of_the_true_class():
    samples = make_predictions(masks=False)
    metrics = run(samples)
    assert 'localization/gt_MaxBoxAcc' in metrics and not any('PxAP' in key for key in metrics)
    del samples[1].cam_gt
    metrics = run(samples)
    assert (
        not any('/gt_' in key or 'top1_loc' in key for key in metrics)
        and 'localization/top1_MaxBoxAccV2' in metrics
    )


def test_nan_names_the_image():
    samples = make_predictions()
    samples[4].cam_gt[0, 0] = float('nan')
    samples[4].set_pred_label(1)
    with pytest.raises(ValueError, match=r'images/4.png: a map must be a finite matrix .* NaN'):
        run(samples)


@pytest.mark.parametrize(
    'key, remedy',
    [
        ('cam_top1', 'predict_cam=True'),
        ('batch_input_shape', 'SemiSupClassifier'),
        ('img_shape', 'LoadImageFromFile'),
        ('gt_bboxes', r"algorithm_keys=\('gt_bboxes'"),
    ],
)
def test_what_is_missing_is_named_with_its_config_line(key, remedy):
    sample = make_predictions()[2].to_dict()
    del sample[key]
    with pytest.raises(ValueError, match=f'images/2.png: no {key}; .*{remedy}'):
        CAMLocalization().process({}, [sample])


@pytest.mark.parametrize(
    'boxes, match',
    [([], 'gt_bboxes is empty'), ([[0, 0, 40, 10]], r'got \[0, 0, 40, 10\] .* 32 x 32')],
)
def test_wrong_boxes_name_the_image(boxes, match):
    samples = make_predictions()
    samples[0].gt_bboxes = np.array(boxes)
    with pytest.raises(ValueError, match=f'images/0.png: .*{match}'):
        run(samples)


@pytest.mark.parametrize(
    'kwargs', [dict(threshold=1.0), dict(threshold=-0.1), dict(area_threshold=1.5)]
)
def test_bad_thresholds(kwargs):
    [(name, value)] = kwargs.items()
    with pytest.raises(ValueError, match=f'0 <= {name} < 1, got {value}'):
        METRICS.build(dict(type='mmsemiloc.CAMLocalization', **kwargs))


def worker(rank, folder):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/init', rank=rank, world_size=2
    )
    init_default_scope('mmpretrain')
    samples = make_predictions()[:5]
    samples += samples[:1]  # what a distributed sampler adds so that both ranks have as many
    evaluator = Evaluator(dict(type='mmsemiloc.CAMLocalization', threshold=0.3))
    evaluator.process(samples[rank::2])
    torch.save(evaluator.evaluate(5), f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path):
    mp.spawn(worker, (str(tmp_path),), nprocs=2)
    samples = make_predictions()
    expected = run(samples[:5], threshold=0.3)
    for rank in range(2):
        metrics = torch.load(tmp_path / f'{rank}.pth', weights_only=False)
        assert metrics == pytest.approx(expected, rel=1e-6) and len(metrics) == 33
    assert run(samples[:4], threshold=0.3) != pytest.approx(expected, rel=1e-6)  # negative control


def test_collected_results_are_small():
    metric = CAMLocalization()
    metric.process({}, [sample.to_dict() for sample in make_predictions(masks=False)])
    for result in metric.results:
        for score in (result.maps[name] for name in ('gt', 'top1', 'centre', 'uniform')):
            assert score.hits.nbytes == 128 and score.histogram is None


def test_digits_are_tested_with_it(tmp_path):
    cfg = tiny_digits(
        'digits_ce', tmp_path, **{'test_dataloader.dataset.num_images': 20, 'launcher': 'none'}
    )
    metrics = Runner.from_cfg(cfg).test()
    assert {
        f'localization/{name}_{key}'
        for name in ('gt', 'top1', 'centre', 'uniform')
        for key in (
            'MaxBoxAcc',
            'MaxBoxAccV2',
            'PxAP',
            'pointing',
            'in_box',
            'area',
            'best_threshold',
        )
    } < set(metrics)
    assert 'accuracy/top1' in metrics and metrics['localization/uniform_area'] == 100

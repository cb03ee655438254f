import math

import numpy as np
import pytest
import torch
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.structures import DataSample

from mmsemiloc.models import SemiSupDataPreprocessor
from tests.conftest import make_batch, make_model, make_samples, with_views

LABELS = [None, 3, None, 1]


def make(**kwargs):
    return SemiSupDataPreprocessor(mean=[100] * 3, std=[50] * 3, num_classes=5, **kwargs)


@pytest.mark.parametrize('labels', [LABELS, [1, 2, None, None], [None] * 4])
def test_any_image_may_lack_a_label(labels):
    out = make()(make_batch(labels, size=8), training=True)
    assert out['inputs'].shape == (4, 3, 8, 8)
    assert [s.gt_label.item() if 'gt_label' in s else None for s in out['data_samples']] == labels


def test_equals_the_stock_preprocessor_on_labelled_batches():
    ours = make()(make_batch([0, 1, 2]), training=True)
    stock = ClsDataPreprocessor(mean=[100] * 3, std=[50] * 3)(make_batch([0, 1, 2]), training=True)
    assert torch.equal(ours['inputs'], stock['inputs'])


def test_stock_preprocessor_fails_on_mixed_batches():
    """Negative control: the reason for this class."""
    with pytest.raises(AttributeError):
        ClsDataPreprocessor()(make_batch([1, None]), training=True)


@pytest.mark.parametrize('augment', ['Mixup', 'CutMix', 'ResizeMix'])
def test_batch_augmentation_leaves_unlabelled_images_alone(augment):
    np.random.seed(0)
    torch.manual_seed(1)
    preprocessor = make(batch_augments=dict(augments=dict(type=augment, alpha=1.0)))
    plain = make()(make_batch(LABELS), training=True)['inputs']
    out = preprocessor(make_batch(LABELS), training=True)
    assert torch.equal(out['inputs'][[0, 2]], plain[[0, 2]])
    assert not torch.equal(out['inputs'][[1, 3]], plain[[1, 3]])
    assert ['gt_score' in s for s in out['data_samples']] == [False, True, False, True]
    assert set(out['data_samples'][1].gt_score.nonzero().flatten().tolist()) == {1, 3}


@pytest.mark.parametrize('labels', [[None, 2, None], [None] * 3], ids=['one', 'none'])
def test_batch_augmentation_of_too_few_labelled_images_changes_nothing(labels):
    np.random.seed(0)
    out = make(batch_augments=dict(augments=dict(type='Mixup', alpha=1.0)))(
        make_batch(labels), training=True
    )
    assert torch.allclose(
        out['inputs'], make()(make_batch(labels), training=True)['inputs'], atol=1e-5
    )
    assert [s.gt_score.argmax().item() for s in out['data_samples'] if 'gt_score' in s] == [
        2 for label in labels if label
    ]


def test_cross_entropy_of_mixed_labels():
    """A training step takes soft labels: its cross-entropy is that of the mixture."""
    torch.manual_seed(1)
    np.random.seed(0)
    model = make_model(mel=0.5, nbel=0.5)
    model.data_preprocessor = make(batch_augments=dict(augments=dict(type='CutMix', alpha=1.0)))
    batch = model.data_preprocessor(make_batch(LABELS), training=True)
    losses = model(**batch, mode='loss')
    logits = model(**batch, mode='tensor')[[1, 3]]
    scores = torch.stack([batch['data_samples'][i].gt_score for i in (1, 3)])
    assert ((scores > 0) & (scores < 1)).any()
    expected = -(scores * logits.log_softmax(1)).sum(1).mean()
    assert losses['loss_ce'].item() == pytest.approx(expected.item(), rel=1e-5)


def test_inference_without_samples():
    out = make()(dict(inputs=make_batch(LABELS)['inputs']))
    assert out['inputs'].shape == (4, 3, 32, 32) and out['data_samples'] is None


def test_bad_labels():
    batch = make_batch(LABELS)
    batch['data_samples'][1] = DataSample(metainfo=dict(img_path='a/b.png')).set_gt_label([1, 2])
    with pytest.raises(ValueError, match=r'one label per image, got \[1, 2\] for a/b.png'):
        make()(batch)
    with pytest.raises(ValueError, match='num_classes'):
        SemiSupDataPreprocessor(to_onehot=True)(
            dict(inputs=make_batch([1])['inputs'], data_samples=make_samples([1]))
        )


# --- Images in several views: unlabelled in 2, of class 3 in 3, unlabelled in 1, of class 1 in 2

NUMBERS = [2, 3, 1, 2]
IMAGES = [0, 1, 2, 3, 0, 1, 3, 1]  # of the views in the flat batch, by hand
LABELED_VIEWS = [1, 3, 5, 6, 7]


def views(stacked=False):
    batch = with_views(make_batch(LABELS, size=8), NUMBERS)
    return {**batch, 'inputs': torch.stack(batch['inputs'])} if stacked else batch


@pytest.mark.parametrize('stacked', [True, False], ids=['tensor', 'list'])
def test_views_are_normalised_and_every_view_has_the_label_of_its_image(stacked):
    out = make()(views(stacked), training=True)
    expected = views()
    for image, sample in enumerate(expected['data_samples']):
        raw = torch.stack([expected['inputs'][image], *sample.get('views', [])]).float()
        places = [place for place, other in enumerate(IMAGES) if other == image]
        torch.testing.assert_close(out['inputs'][places], (raw - 100) / 50)
    assert [s.gt_label.item() if 'gt_label' in s else None for s in out['data_samples']] == [
        LABELS[i] for i in IMAGES
    ]


@pytest.mark.parametrize('augment', ['Mixup', 'CutMix'])
def test_batch_augmentation_mixes_the_views_of_labelled_images(augment):
    np.random.seed(1)
    torch.manual_seed(2)
    plain = make()(views(), training=True)['inputs']
    batch = views()
    out = make(batch_augments=dict(augments=dict(type=augment, alpha=1.0)))(batch, training=True)
    unlabeled = [place for place in range(8) if place not in LABELED_VIEWS]
    assert torch.equal(out['inputs'][unlabeled], plain[unlabeled])
    assert not torch.equal(out['inputs'][LABELED_VIEWS], plain[LABELED_VIEWS])
    assert [
        place for place, sample in enumerate(out['data_samples']) if 'gt_score' in sample
    ] == LABELED_VIEWS
    scores = torch.stack([out['data_samples'][place].gt_score for place in LABELED_VIEWS])
    torch.testing.assert_close(scores.sum(1), torch.ones(5))
    assert scores[:, [0, 2, 4]].eq(0).all() and scores[:, [1, 3]].gt(0).any(0).all()


def test_cross_entropy_of_labelled_views_is_their_mean():
    model = make_model()
    batch = model.data_preprocessor(with_views(make_batch(LABELS), NUMBERS), training=True)
    model.backbone.eval()
    loss = model(**batch, mode='loss')['loss_ce']
    logits = model(**batch, mode='tensor')
    expected = (
        -sum(logits[place].log_softmax(0)[LABELS[IMAGES[place]]] for place in LABELED_VIEWS) / 5
    )
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(
    'mean, std, words',
    [
        ([128] * 3, [64, 0, 64], r'std=\[64, 0, 64\] must be a finite number above 0, got 0'),
        ([128] * 3, [64, -1, 64], 'got -1'),
        ([128] * 3, [64, math.nan, 64], 'got nan'),
        ([128] * 3, [64, math.inf, 64], 'got inf'),
        ([128, math.nan, 128], [64] * 3, r'data_preprocessor\.mean.*got nan'),
        ([128] * 3, [64] * 2, 'need a number for each channel, got 3 and 2'),
        ([], [], 'need a number for each channel'),
        (128, 0, 'got 0'),
        (None, [64] * 3, 'needs mean and std, or neither, got mean=None'),
        ([128] * 3, None, 'needs mean and std, or neither'),
    ],
)
def test_bad_normalisation(mean, std, words):
    with pytest.raises(ValueError, match=words):
        SemiSupDataPreprocessor(mean=mean, std=std)


@pytest.mark.parametrize('kwargs', [dict(pad_size_divisor=0), dict(pad_value=math.nan)])
def test_bad_padding(kwargs):
    with pytest.raises(ValueError, match=next(iter(kwargs))):
        make(**kwargs)


@pytest.mark.parametrize(
    'channels, numbers, fits',
    [
        (3, 3, True),
        (3, 1, True),
        (1, 1, True),
        (1, 3, True),
        (3, 2, False),
        (4, 3, False),
        (3, 4, False),
    ],
)
@pytest.mark.parametrize('stacked', [True, False])
def test_channels(channels, numbers, fits, stacked):
    preprocessor = SemiSupDataPreprocessor(mean=[100] * numbers, std=[50] * numbers)
    images = torch.zeros(2, channels, 4, 4, dtype=torch.uint8)
    batch = dict(inputs=images if stacked else list(images), data_samples=make_samples([0, None]))
    if fits:
        assert preprocessor(batch)['inputs'].shape == (2, max(channels, numbers), 4, 4)
    else:
        with pytest.raises(
            ValueError, match=f'{numbers} numbers, but an image has {channels} channels'
        ):
            preprocessor(batch)

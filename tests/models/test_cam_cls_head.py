import pytest
import torch
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from mmpretrain.structures import DataSample

from benchmarks.locality import group_by_group
from benchmarks.memory import TensorMemory
from mmsemiloc.models import (
    LocalityLoss,
    MeanEntropyLoss,
    NegativeBatchEntropyLoss,
    Predictions,
    class_activation_maps,
    locality_penalty,
)
from mmsemiloc.registry import MODELS
from tests.conftest import make_samples

C, D = 4, 6
CE = torch.nn.functional.cross_entropy


def make_head(**kwargs):
    torch.manual_seed(0)
    head = MODELS.build(
        dict(type='mmsemiloc.CAMClsHead', num_classes=C, in_channels=D, **kwargs)
    ).double()
    torch.nn.init.normal_(head.fc.weight)
    torch.nn.init.normal_(head.fc.bias)
    return head


def full_head(alpha=0.8, beta=0.5, gamma=0.01, **kwargs):
    return make_head(
        loss_mel=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=alpha),
        loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=beta),
        loss_locality=dict(type='mmsemiloc.LocalityLoss', loss_weight=gamma),
        **kwargs,
    )


def maps(seed=0, images=6):
    return (
        torch.randn(
            images, D, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
        ),
    )


LABELS = [2, None, 0, None, None, 3]


@pytest.mark.parametrize('cam_target', ['top1', 'prob'])
def test_relative_maps_in_penalty_and_predictions(cam_target):
    """They are the same when all classes share another map.

    Class scores and the other losses are those of the plain head.
    """
    feats, shared = (
        maps(),
        torch.randn(D, dtype=torch.float64, generator=torch.Generator().manual_seed(1)),
    )
    found = {}
    for relative in (False, True):
        for shift in (0, shared):
            head = full_head(cam_target=cam_target, cam_relative=relative, predict_cam=True)
            head.fc.weight.data += shift
            losses = head.loss(feats, make_samples(LABELS))
            sample = head.predict(feats, make_samples([1] * 6))[0]
            found[relative, shift is shared] = (
                losses['loss_locality'],
                sample.cam_top1,
                sample.cam_gt,
                losses['loss_mel'],
            )
    for a, b in zip(found[True, False], found[True, True], strict=True):
        torch.testing.assert_close(a, b)
    assert not torch.allclose(found[False, False][0], found[False, True][0])  # negative controls
    assert not torch.allclose(found[False, False][1], found[False, True][1])
    torch.testing.assert_close(found[False, False][3], found[True, False][3])
    head = full_head(cam_relative=True)
    weight = head.fc.weight - head.fc.weight.mean(0)
    torch.testing.assert_close(
        head.cam(feats, torch.tensor([1] * 6)), torch.einsum('d,tdhw->thw', weight[1], feats[0])
    )


def test_total_is_equation_8():
    head, feats = full_head(), maps()
    losses = head.loss(feats, make_samples(LABELS))
    logits = head(feats)
    index = [i for i, label in enumerate(LABELS) if label is not None]
    cams = torch.stack(
        [
            (head.fc.weight[c][:, None, None] * f).sum(0)
            for c, f in zip(logits.argmax(1), feats[0], strict=True)
        ]
    )
    expected = dict(
        loss_ce=CE(logits[index], torch.tensor([2, 0, 3])),  # divided by R = 3, not by T = 6
        loss_mel=MeanEntropyLoss(0.8)(logits),
        loss_nbel=NegativeBatchEntropyLoss(0.5)(logits),
        loss_locality=0.01 * locality_penalty(cams).mean(),
    )
    assert set(losses) == {*expected, 'acc_labeled'}
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)
    correct = (logits[index].argmax(1) == torch.tensor([2, 0, 3])).sum().item()
    assert losses['acc_labeled'].item() == pytest.approx(100 * correct / 3)


def test_mean_of_the_map_is_the_class_score_less_the_bias():
    head, feats = make_head(), maps()
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    cam = head.cam(feats, labels)
    assert cam.shape == (6, 5, 7)
    torch.testing.assert_close(
        cam.mean((1, 2)), head(feats)[range(6), labels] - head.fc.bias[labels]
    )
    torch.testing.assert_close(
        class_activation_maps(feats[0], head.fc.weight)[range(6), labels], cam
    )


@pytest.mark.parametrize('scale_free', [False, True])
def test_prob_target_agrees_with_a_loop_over_images_and_classes(scale_free):
    """Value and gradients; the probabilities are constants."""

    def gradients_of(loss):
        return torch.autograd.grad(loss, [feats[0], head.fc.weight], retain_graph=True)

    head, feats = full_head(cam_target='prob'), maps()
    head.terms['locality'].scale_free = scale_free
    feats[0].requires_grad_()
    loss = head.loss(feats, make_samples(LABELS))['loss_locality']
    q = head(feats).softmax(1)
    expected = {constant: 0 for constant in (True, False)}
    for t, image in enumerate(feats[0]):
        for c in range(C):
            cam = (head.fc.weight[c][:, None, None] * image).sum(0)
            penalty = group_by_group(cam / cam.norm() if scale_free else cam)
            for constant in expected:
                expected[constant] = (
                    expected[constant]
                    + 0.01 / 6 * (q[t, c].item() if constant else q[t, c]) * penalty
                )
    torch.testing.assert_close(loss, expected[True])
    torch.testing.assert_close(gradients_of(loss), gradients_of(expected[True]))
    through_q = gradients_of(expected[False])  # negative control: the same value, other gradients
    assert not any(
        torch.allclose(a, b, rtol=0.01) for a, b in zip(gradients_of(loss), through_q, strict=True)
    )
    assert (
        torch.autograd.grad(loss, head.fc.bias, allow_unused=True)[0] is None
    )  # the bias acts through q alone


def test_memory_of_the_prob_target_is_a_few_times_the_maps():
    features, weight = (
        torch.randn(8, 64, 7, 7, requires_grad=True),
        torch.randn(100, 64, requires_grad=True),
    )
    with TensorMemory(ignored=[features, weight]) as memory:
        predictions = Predictions(
            logits=torch.randn(8, 100),
            targets=None,
            features=features,
            fc_weight=weight,
            views=None,
            cam_target='prob',
        )
        LocalityLoss(scale_free=True)(*predictions.cam_and_weight()).backward()
    assert memory.peak < 8 * 4 * 8 * 100 * 7 * 7


def test_no_gradient_through_the_choice_of_the_class():
    head, feats = full_head(), maps()
    head.loss(feats, make_samples(LABELS))['loss_locality'].backward()
    assert head.fc.bias.grad is None
    assert head.fc.weight.grad.any()


def test_without_labels_cross_entropy_is_exactly_zero(caplog):
    head, feats = make_head(), maps()
    losses = head.loss(feats, make_samples([None] * 6))
    losses['loss_ce'].backward()
    assert losses['loss_ce'].item() == 0
    assert torch.equal(head.fc.weight.grad, torch.zeros_like(head.fc.weight))
    assert losses['acc_labeled'].isnan()


def test_missing_labels_are_logged_once(monkeypatch):
    from mmsemiloc.models import cam_cls_head

    messages = []
    cam_cls_head.warn_once.cache_clear()
    monkeypatch.setattr(
        cam_cls_head, 'print_log', lambda message, **kwargs: messages.append(message)
    )
    for _ in range(3):
        make_head().loss(maps(), make_samples([None] * 6))
    assert len(messages) == 1 and 'without a labelled image' in messages[0]


def test_terms_with_weight_zero_are_not_computed():
    losses = full_head(alpha=0, beta=0, gamma=0).loss(maps(), make_samples(LABELS))
    assert set(losses) == {'loss_ce', 'acc_labeled'}


def test_two_terms_of_a_type_are_both_in_the_loss():
    terms = dict(again=dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.3))
    losses = full_head(terms=terms).loss(maps(), make_samples(LABELS))
    torch.testing.assert_close(losses['loss_mel'] / 0.8, losses['loss_mel_again'] / 0.3)
    torch.testing.assert_close(
        losses['loss_mel'], full_head().loss(maps(), make_samples(LABELS))['loss_mel']
    )


def test_soft_labels():
    head, feats = make_head(), maps()
    score = torch.tensor([0.5, 0.5, 0, 0], dtype=torch.float64)
    losses = head.loss(feats, [DataSample().set_gt_score(score), *make_samples([None] * 5)])
    torch.testing.assert_close(losses['loss_ce'], CE(head(feats)[:1], score[None]))


def test_foreign_accumulation_with_nbel_is_refused():
    head = full_head()
    sum(v for k, v in head.loss(maps(), make_samples(LABELS)).items() if 'loss' in k).backward()
    with pytest.raises(ValueError, match='AccumOptimWrapper'):
        head.loss(maps(1), make_samples(LABELS))
    head.terms['nbel'].loss_weight = 0
    head.loss(maps(1), make_samples(LABELS))  # additive terms may be accumulated


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_extreme_predictions_have_finite_gradients(dtype):
    head = full_head().to(dtype)
    feats = (torch.zeros(6, D, 5, 7, dtype=dtype, requires_grad=True),)  # all maps are zero
    with torch.no_grad():
        head.fc.bias.copy_(torch.tensor([1e4, -1e4, -1e4, -1e4], dtype=dtype))
    sum(v for k, v in head.loss(feats, make_samples(LABELS)).items() if 'loss' in k).backward()
    assert feats[0].grad.isfinite().all() and all(
        p.grad.isfinite().all() for p in head.parameters()
    )


def test_names_are_those_of_the_stock_head():
    stock = MMPRETRAIN_MODELS.build(dict(type='LinearClsHead', num_classes=C, in_channels=D))
    assert full_head().state_dict().keys() == stock.state_dict().keys()


def test_pooled_features_with_locality_name_the_neck():
    with pytest.raises(ValueError, match='neck=None'):
        full_head().loss((torch.randn(2, D, dtype=torch.float64),), make_samples([0, None]))


def test_bad_cam_target():
    with pytest.raises(ValueError, match="'top5'"):
        make_head(cam_target='top5')


def test_predictions_carry_the_maps_of_the_top1_and_the_true_class():
    feats = maps()
    samples = make_head(predict_cam=True).predict(feats, make_samples(LABELS))
    plain = make_head().predict(feats, make_samples(LABELS))
    for i, (sample, label) in enumerate(zip(samples, LABELS, strict=True)):

        def cam(index, i=i):
            return torch.einsum('d,dhw->hw', make_head().fc.weight[index], feats[0][i])

        torch.testing.assert_close(sample.cam_top1, cam(int(sample.pred_score.argmax())))
        assert ('cam_gt' in sample) == (label is not None)
        if label is not None:
            torch.testing.assert_close(sample.cam_gt, cam(label))
        assert torch.equal(plain[i].pred_score, sample.pred_score) and 'cam_top1' not in plain[i]


def test_predictions_without_samples_carry_the_top1_map():
    assert all(
        'cam_top1' in s and 'cam_gt' not in s for s in make_head(predict_cam=True).predict(maps())
    )

"""Linear classifiers trained side by side, against one trained by a plain loop."""

import math

import pytest
import torch
from torch.nn import functional as F

from mmsemiloc.few_labels.solver import Solver, class_means, train_heads
from mmsemiloc.few_labels.whole_set_loss import Method

MEL = dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.3, schedule=dict(end=0.5))
NBEL = dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=0.7)
FIXMATCH = dict(type='mmsemiloc.FixMatchLoss', loss_weight=0.5, threshold=0.4)
SOLVER = Solver(steps=6, lr=0.05, scale=3.0)
CLASSES, DIMS, IMAGES = 3, 5, 20


@pytest.fixture
def problem():
    """Features of a weak and two strong views, and two draws of 6 labelled images."""
    generator = torch.Generator().manual_seed(0)
    centres = 2 * torch.randn(CLASSES, DIMS, generator=generator, dtype=torch.float64)
    classes = torch.arange(IMAGES) % CLASSES
    noise = torch.randn(3, IMAGES, DIMS, generator=generator, dtype=torch.float64)
    features = F.normalize(centres[classes] + noise, dim=2)
    labeled = torch.tensor([[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]])
    return features, labeled, classes[labeled]


def plain_loop(features, labeled, labels, alpha=0.0, beta=0.0, fixmatch=0.0, decay=0.0):
    """The same training of one classifier, written out."""
    weak, strong = features[0], features[1:]
    start = torch.stack([weak[labeled][labels == c].mean(0) for c in range(CLASSES)])
    start = SOLVER.scale * start / start.norm(dim=1, keepdim=True)
    weight = start.clone().requires_grad_()
    bias = torch.zeros(CLASSES, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([{'params': [weight]}, {'params': [bias]}])

    for step in range(SOLVER.steps):
        left = 1 - step / SOLVER.steps
        for group, rate in zip(optimizer.param_groups, (1, 0.2), strict=True):
            group['lr'] = SOLVER.lr * left * rate
        known = weak[labeled] @ weight.T + bias
        first = weak @ weight.T + bias
        second = strong[step % len(strong)] @ weight.T + bias
        rows = torch.cat([known, first, second] if fixmatch else [known, first])

        probs = rows.softmax(1)
        loss = -known.log_softmax(1)[range(len(labels)), labels].mean()
        loss = loss + min(1, step / 3) * alpha * -(probs * probs.log()).sum(1).mean()
        mean = probs.mean(0)
        loss = loss + beta * (mean * mean.log()).sum()
        confidence, target = first.detach().softmax(1).max(1)
        entropy = -second.log_softmax(1)[range(IMAGES), target]
        loss = loss + fixmatch * (entropy * (confidence > 0.4)).mean()
        loss = loss + decay * (weight - start).square().sum()

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return weight.detach(), bias.detach()


@pytest.mark.parametrize(
    'terms, views, plain',
    [
        ({}, False, {}),
        (dict(mel=MEL), False, dict(alpha=0.3)),
        (dict(mel=MEL, nbel=NBEL), False, dict(alpha=0.3, beta=0.7)),
        (dict(mel=MEL, nbel=NBEL, fixmatch=FIXMATCH), True,
         dict(alpha=0.3, beta=0.7, fixmatch=0.5)),
    ],
    ids=['ce', 'mel', 'mel_nbel', 'fixmatch_mel_nbel'],
)  # fmt: skip
def test_all_equal_a_plain_loop(problem, terms, views, plain):
    features, labeled, labels = problem
    method = Method(terms, weight_decay=0.1, views=views)
    heads = train_heads(features, labeled, labels, CLASSES, method, SOLVER)

    for place in range(2):
        weight, bias = plain_loop(features, labeled[place], labels[place], decay=0.1, **plain)
        torch.testing.assert_close(heads.weight[place], weight)
        torch.testing.assert_close(heads.bias[place], bias)


def test_the_comparison_would_see_another_weight(problem):
    features, labeled, labels = problem
    heads = train_heads(features, labeled, labels, CLASSES, Method(dict(nbel=NBEL)), SOLVER)
    weight, _ = plain_loop(features, labeled[0], labels[0], beta=0.71, decay=1e-3)
    assert not torch.allclose(heads.weight[0], weight, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize('alignment', [None, dict(momentum=0.3)])
@pytest.mark.parametrize('teacher', [None, 0.2])
def test_a_classifier_does_not_depend_on_those_beside_it(problem, alignment, teacher):
    features, labeled, labels = problem
    method = Method(dict(fixmatch={**FIXMATCH, 'alignment': alignment}), views=True,
                    teacher=teacher)  # fmt: skip
    both = train_heads(features, labeled, labels, CLASSES, method, SOLVER)
    for place in (0, 1):
        one = slice(place, place + 1)
        alone = train_heads(features, labeled[one], labels[one], CLASSES, method, SOLVER)
        torch.testing.assert_close(alone.weight[0], both.weight[place])


def test_parts_that_fit_into_memory_give_the_same(problem, monkeypatch):
    features, labeled, labels = problem
    method = Method(dict(mel=MEL, nbel=NBEL))
    expected = train_heads(features, labeled, labels, CLASSES, method, SOLVER)
    monkeypatch.setattr('mmsemiloc.few_labels.solver.SCORES_AT_ONCE', 1)
    torch.testing.assert_close(
        train_heads(features, labeled, labels, CLASSES, method, SOLVER).weight, expected.weight
    )


def test_the_teacher_is_a_running_mean(problem):
    """With a weight of 1 the teacher is the classifier itself."""
    features, labeled, labels = problem
    plain = train_heads(features, labeled, labels, CLASSES, Method(), SOLVER)
    same = train_heads(features, labeled, labels, CLASSES, Method(teacher=1.0), SOLVER)
    slow = train_heads(features, labeled, labels, CLASSES, Method(teacher=0.01), SOLVER)
    torch.testing.assert_close(same.weight, plain.weight)

    start = class_means(features[0][labeled], labels, CLASSES, SOLVER.scale)
    assert (slow.weight - start).norm() < 0.1 * (plain.weight - start).norm()


def test_the_start_is_the_mean_of_each_class(problem):
    features, labeled, labels = problem
    start = class_means(features[0][labeled], labels, CLASSES + 1, scale=2.0)
    torch.testing.assert_close(start[:, :CLASSES].norm(dim=2), torch.full((2, 3), 2.0).double())
    assert not start[:, CLASSES].any()  # a class without a labelled image


def test_locality_reads_the_maps(problem):
    """The penalty of maps makes them smaller; without it nothing changes."""
    features, labeled, labels = problem
    generator = torch.Generator().manual_seed(1)
    maps = torch.rand(IMAGES, DIMS, 4, 4, generator=generator).double()
    pooled = maps.mean((2, 3))[None]
    loss = dict(type='mmsemiloc.LocalityLoss', loss_weight=1.0)
    local = train_heads(pooled, labeled, labels, CLASSES, Method(dict(loc=loss)), SOLVER, maps)
    plain = train_heads(pooled, labeled, labels, CLASSES, Method(), SOLVER, maps)
    ce = train_heads(pooled, labeled, labels, CLASSES, Method(), SOLVER)
    torch.testing.assert_close(plain.weight, ce.weight)

    def size(heads):
        top1 = heads.logits(pooled[0])[0].argmax(1)
        return (heads.weight[0][top1][:, :, None, None] * maps).sum(1).norm()

    assert size(local) < size(plain)


def test_views_that_are_not_there_are_named(problem):
    features, labeled, labels = problem
    with pytest.raises(ValueError, match='reads strong views, but features has only weak ones'):
        train_heads(features[:1], labeled, labels, CLASSES, Method(views=True), SOLVER)


def test_maps_of_strong_views_are_refused(problem):
    features, labeled, labels = problem
    maps = torch.zeros(IMAGES, DIMS, 2, 2).double()
    with pytest.raises(ValueError, match='must not read strong ones'):
        train_heads(features, labeled, labels, CLASSES, Method(views=True), SOLVER, maps)


def test_a_loss_that_is_not_finite_is_an_error(problem):
    features, labeled, labels = problem
    features[0, 3, 0] = math.nan
    with pytest.raises(ValueError, match="a loss of \\['mel'\\] is not finite"):
        train_heads(features, labeled, labels, CLASSES, Method(dict(mel=MEL)), SOLVER)

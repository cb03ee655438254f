import pytest
import torch

from tests.conftest import make_predictions
from tests.models.reference import NUMBERS, TABLE

LABELED = [True, False, False, True, False]
CHOICES = [(views, unlabeled) for views in ('all', 'weak', 'strong') for unlabeled in (False, True)]


def predictions(seed=0, **kwargs):
    logits = torch.randn(
        len(TABLE), 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    return make_predictions(logits, NUMBERS, LABELED, **kwargs)


def chosen(views, unlabeled):
    return [
        place
        for place, (view, image) in enumerate(TABLE)
        if (views == 'all' or (view == 0) == (views == 'weak'))
        and not (unlabeled and LABELED[image])
    ]


@pytest.mark.parametrize('views, unlabeled', CHOICES)
def test_select_takes_everything_that_belongs_to_the_views(views, unlabeled):
    whole = predictions(targets=torch.arange(36.0).view(9, 4))
    part, places = whole.select(views, unlabeled), chosen(views, unlabeled)
    for name in ('logits', 'targets', 'features'):
        assert torch.equal(getattr(part, name), getattr(whole, name)[places]), name
    for name in ('number', 'labeled', 'image'):
        assert torch.equal(getattr(part.views, name), getattr(whole.views, name)[places]), name
    assert len(part) == len(places) and part.fc_weight is whole.fc_weight


def test_a_mean_belongs_to_its_views_alone():
    whole = predictions().with_mean(torch.zeros(4))
    assert torch.equal(whole.log_mean, torch.zeros(4)) and whole.select() is whole
    with pytest.raises(ValueError, match='without declaring it: set reads_mean = True'):
        _ = whole.select('weak').log_mean


def test_predictions_cannot_be_changed():
    with pytest.raises(AttributeError):
        predictions().logits = torch.zeros(9, 4)


def test_a_teacher_replaces_targets_at_its_places_alone():
    before = predictions()
    after = before.taught(torch.tensor([1, 3]), torch.full((2, 4), 7.0))
    assert torch.equal(after.targets[[1, 3]], torch.full((2, 4), 7.0, dtype=torch.float64))
    others = [0, 2, 4, 5, 6, 7, 8]
    assert torch.equal(after.targets[others], before.targets[others])
    assert torch.equal(before.targets, before.logits)


@pytest.mark.parametrize(
    'order',
    [[0, 1, 2, 3, 4, 5, 6, 7, 8], [8, 5, 2, 0, 7, 1, 3, 6, 4]],
    ids=['as flattened', 'shuffled'],
)
def test_every_strong_view_meets_the_weak_one_of_its_image(order):
    part = predictions(targets=torch.arange(36.0).view(9, 4)).at(torch.tensor(order))
    pairs = part.pairs()
    strong = [place for place in order if TABLE[place][0] > 0]
    weak = [TABLE.index((0, TABLE[place][1])) for place in strong]
    assert [order[place] for place in pairs.strong] == strong and len(pairs) == len(strong)
    assert [order[place] for place in pairs.weak] == weak
    assert torch.equal(pairs.logits, predictions().logits[strong])
    assert torch.equal(pairs.targets, torch.arange(36.0).view(9, 4)[weak])


def test_images_in_one_view_have_no_pairs():
    assert len(make_predictions(torch.zeros(2, 3), [1, 1]).pairs()) == 0

"""Training the backbone too, and an honest comparison with the frozen one."""

import csv

import numpy as np
import pytest
import torch
from mmengine.config import Config

import mmsemiloc
from mmsemiloc.few_labels.backbones import find_backbone
from mmsemiloc.few_labels.extraction import make_extractor
from mmsemiloc.few_labels.fine_tuning import recipe, seconds_per_step, without_labels
from mmsemiloc.few_labels.outcome import Comparison
from mmsemiloc.few_labels.readable import Readable
from mmsemiloc.few_labels.settings import candidates
from mmsemiloc.few_labels.whole_set_loss import Method
from tests.few_labels.foreign import write_model
from tests.pets import COLOURS, save_colour

STEPS = 3


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """A small network, and photographs of three kinds: 4 of each with a label, 3 without."""
    folder = tmp_path_factory.mktemp('photos')
    write_model(folder)
    rows = [('file', 'label')]
    for number in range(21):
        kind = list(COLOURS)[number % 3]
        save_colour(folder / 'all' / f'{number}.png', kind, (40, 44), seed=number)
        if number < 12:
            rows.append((f'{number}.png', kind))
    with (folder / 'labels.csv').open('w', newline='') as file:
        csv.writer(file).writerows(rows)
    return folder


def tune(photos, work_dir, source, **kwargs):
    """What was said, and how far each stage came."""
    said, stages = [], {}
    mmsemiloc.fit(
        *source,
        backbone=str(photos / 'small.py'),
        weights=photos / 'small.pth',
        work_dir=work_dir,
        cache=photos / 'cache',
        finetune=True,
        finetune_steps=STEPS,
        say=said.append,
        done=lambda stage, step, total: stages.update({stage: (step, total)}),
        **kwargs,
    )
    return said, stages


@pytest.fixture(scope='module')
def tuned(photos):
    work_dir = photos / 'result'
    return work_dir, *tune(photos, work_dir, (photos / 'all', photos / 'labels.csv'))


def names_in(file):
    return [line.split()[0] for line in file.read_text().splitlines()]


def test_both_classifiers_are_there_and_only_one_has_another_backbone(photos, tuned):
    work_dir, _, _ = tuned
    given = torch.load(photos / 'small.pth', weights_only=True)['state_dict']
    name = 'backbone.layer4.1.conv2.weight'
    states = {
        kind: torch.load(work_dir / f'{kind}.pth', weights_only=False)['state_dict'][name]
        for kind in ('classifier', 'finetuned')
    }
    assert states['classifier'].equal(given[name])
    assert not states['finetuned'].equal(given[name])

    one = mmsemiloc.Classifier(work_dir / 'finetuned.py', work_dir / 'finetuned.pth')
    assert one.classes == ('cat', 'dog', 'ferret')
    assert len(one.predict([photos / 'all' / '3.png', photos / 'all' / '13.png'])) == 2
    assert one.maps(photos / 'all' / '3.png')[0].shape == (32, 32)
    assert not list(work_dir.rglob('start.pth'))


def test_what_it_does_and_finds_is_said(tuned):
    work_dir, said, stages = tuned
    text = '\n'.join(said)
    assert f'2 trainings of {STEPS} steps of 64 images, one without the 3 labels of a fold' in text
    assert 'On 3 labelled images that both did not know: frozen ' in text
    assert 'finetuned.pth' in said[-2] and said[-1].startswith('Report: ')
    assert stages['fine-tuning'] == stages['fine-tuning without a fold'] == (STEPS, STEPS)
    page = (work_dir / 'report.html').read_text()
    assert 'Does training the backbone help?' in page and 'fine-tuned' in page


def test_the_labels_of_the_fold_take_no_part(tuned):
    """The images do, without their labels, as in the cross-validation of the frozen one."""
    work_dir, _, _ = tuned
    every, some = (
        names_in(folder / 'labeled.txt') for folder in (work_dir, work_dir / 'finetuning')
    )
    held = set(every) - set(some)
    assert len(every) == 12 and len(some) == 9 and len(held) == 3
    assert held <= set(names_in(work_dir / 'finetuning' / 'unlabeled.txt'))
    assert not held & set(names_in(work_dir / 'unlabeled.txt'))


def test_the_terms_are_those_of_the_chosen_setting(photos, tuned):
    work_dir, said, _ = tuned
    [chosen] = [line.removeprefix('Chosen: ')[:-1] for line in said if line.startswith('Chosen')]
    head = Config.fromfile(work_dir / 'finetuned.py').model.head
    expected = candidates([4, 4, 4], views=False)[chosen].method.terms
    assert head.terms.to_dict() == expected
    assert head.loss_mel is head.loss_nbel is head.loss_locality is None


@pytest.mark.slow
def test_it_works_without_unlabelled_images(photos, tmp_path):
    for number in range(9):
        kind = list(COLOURS)[number % 3]
        save_colour(tmp_path / 'all' / kind / f'{number}.png', kind, (40, 44), seed=number)
    said, _ = tune(photos, tmp_path / 'out', (tmp_path / 'all',))
    assert any(line.startswith('On 2 labelled images that both') for line in said)
    cfg = Config.fromfile(tmp_path / 'out' / 'finetuned.py')
    assert cfg.train_dataloader.sampler.labeled_ratio == 1 and cfg.model.backbone.init_cfg is None


def test_fixmatch_reads_two_views_of_images_without_a_label(photos):
    methods = [setting.method for setting in candidates([4, 4], views=True).values()]
    cfg = find_backbone(str(photos / 'small.py'), photos / 'small.pth').config()
    values = recipe(cfg, next(method for method in methods if method.views), steps=1)
    pipeline = values['train_dataloader']['dataset']['unlabeled']['pipeline']
    assert pipeline[1]['type'] == 'MultiView'
    assert pipeline[1]['transforms'][1][0]['scale'] == 32
    assert 'fixmatch' in values['model']['head']['terms']
    assert values['param_scheduler'][1]['end'] > values['param_scheduler'][0]['end'] == 1
    assert 'dataset' not in recipe(cfg, methods[0], steps=1)['train_dataloader']


def test_the_time_of_a_step_leaves_the_network_alone(photos):
    backbone = find_backbone(str(photos / 'small.py'), photos / 'small.pth')
    extractor = make_extractor(backbone, 3, 0, 0, photos / 'cache')
    before = {name: value.clone() for name, value in extractor.model.state_dict().items()}
    method = Method()
    assert seconds_per_step(extractor, backbone.config(), method) > 0
    assert all(value.equal(before[name]) for name, value in extractor.model.state_dict().items())
    assert not extractor.model.training


def test_images_lose_their_labels():
    found = Readable(list('abcdxy'), [b''] * 6, np.array([0, 1, 0, 1]), {}, [])
    some = without_labels(found, np.array([False, True, False, True]))
    assert some.files == list('acbdxy') and some.labels.tolist() == [0, 0]


@pytest.mark.parametrize(
    'gains, losses, verdict',
    [(0, 0, 'within chance'), (5, 0, 'within chance'), (6, 0, 'The fine-tuned one is better'),
     (1, 9, 'The frozen one is better'), (6, 3, 'within chance')],
)  # fmt: skip
def test_the_verdict_is_that_of_the_sign_test(gains, losses, verdict):
    """Two-sided, exact: 2 / 2**5 is above 0.05, 2 / 2**6 is not."""
    frozen = np.array([False] * gains + [True] * losses + [True] * 10)
    other = np.array([True] * gains + [False] * losses + [True] * 10)
    compared = Comparison(frozen, other, 1)
    assert verdict in compared.verdict() and compared.gained() == (gains, losses)
    [(_, one, (low, high)), (_, two, _)] = compared.accuracies()
    assert two - one == pytest.approx(100 * (gains - losses) / len(frozen)) and low <= one <= high
    assert f'{len(frozen)} labelled images' in compared.lines()[0]

"""The examples in README.md, docs/data.md and docs/terms.md, as they stand there, on a folder as
they describe it.
"""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import mmsemiloc.models
from mmsemiloc.commands.common import load_config
from mmsemiloc.engine.build import build_runner
from mmsemiloc.models import EffectiveBatch, Predictions
from mmsemiloc.models.losses.term import WeightedTerm
from mmsemiloc.registry import HOOKS, MODELS
from tests.conftest import KeepGradients, gradients, in_double, make_batch, make_model
from tests.datasets.conftest import save_image

ROOT = Path(__file__).parents[1]
CLASSES = ('cat', 'dog', 'ferret')


def blocks(file):
    """The Python files that a page shows, by the comment on their first line."""
    return dict(re.findall(r'```python\n# (\S+\.py)\n(.*?)```', (ROOT / file).read_text(), re.S))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkout's configs/ beside the images of data/pets and data/web."""
    (tmp_path / 'configs').mkdir()
    for path in ROOT.glob('configs/*'):
        (tmp_path / 'configs' / path.name).symlink_to(path)
    pets = tmp_path / 'data' / 'pets'
    lists = {'labeled': [], 'unlabeled': [], 'val': []}
    for i in range(12):
        label = i % 3
        name = f'{CLASSES[label]}/{i}.jpg'
        for part in ('val',) if i < 3 else ('train', 'labeled'):
            save_image(pets / part / name, (260, 280), seed=i)
        kind = 'val' if i < 3 else ('labeled', 'unlabeled')[i % 2]
        lists[kind].append(name if kind == 'unlabeled' else f'{name} {label}')
        save_image(pets / 'unlabeled' / 'some' / f'{i}.jpg', (230, 300), seed=100 + i)
        save_image(tmp_path / 'data' / 'web' / f'{i}.jpg', (300, 230), seed=200 + i)
    for kind, lines in lists.items():
        (pets / f'{kind}.txt').write_text('\n'.join(lines) + '\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(config, tmp_path, workers=0, begin_at_once=False):
    """Two steps with a small backbone; the runner."""
    cfg = load_config(
        config,
        ('model', 'train_dataloader'),
        {
            'max_epochs': 1,
            'batch_size': 4,
            'train_dataloader.sampler.epoch_length': 2,
            'model.head.in_channels': 16,
            'visualizer.vis_backends': [],
            'experiment_name': config.stem,
        },
        work_dir=str(tmp_path / 'out'),
    )
    head = cfg.model.head
    for term in (*head.values(), *head.get('terms', {}).values()) if begin_at_once else ():
        if isinstance(term, dict) and 'schedule' in term:
            term.schedule = dict(begin=0)
    cfg.model.backbone.arch = dict(growth_rate=4, depths=[2, 2], init_channels=8)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=workers, persistent_workers=False)
    runner = build_runner(cfg)
    runner.train()
    assert runner.iter == 2 and 'val/accuracy/top1' in runner.message_hub.log_scalars
    return runner


@pytest.mark.slow
def test_lists_of_the_readme(folder):
    config = folder / 'configs' / 'pets.py'
    config.write_text(
        re.search(r'```python\n(_base_.*?)```', (ROOT / 'README.md').read_text(), re.S)[1]
    )
    dataset = train(config, folder).train_dataloader.dataset
    assert dataset.metainfo['classes'] == CLASSES
    assert (dataset.num_labeled, dataset.num_unlabeled) == (4, 5)


@pytest.mark.slow
@pytest.mark.parametrize(
    'way, labeled, unlabeled', [('folders', 9, 24), ('lists', 4, 5), ('lmdb', 4, 12)]
)
def test_three_ways(folder, way, labeled, unlabeled):
    files = blocks('docs/data.md')
    if way == 'lmdb':
        subprocess.run([sys.executable, '-c', files['make_lmdb.py']], check=True)
    config = folder / f'configs/pets_{way}.py'
    config.write_text(files[f'configs/{config.name}'])
    dataset = train(config, folder, workers=2 if way == 'lmdb' else 0).train_dataloader.dataset
    assert dataset.metainfo['classes'] == CLASSES
    assert (dataset.num_labeled, dataset.num_unlabeled) == (labeled, unlabeled)


@pytest.fixture
def terms(folder, monkeypatch):
    """The folder with the files that docs/terms.md shows, beside those that they inherit from."""
    files = {**blocks('docs/data.md'), **blocks('docs/terms.md')}
    for name in (
        'pets_terms.py',
        'configs/pets_lists.py',
        'configs/pets_fixmatch.py',
        'configs/pets_gini.py',
    ):
        (folder / name).write_text(files[name])
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.mark.slow
def test_a_term_of_ones_own(terms):
    runner = train(terms / 'configs/pets_gini.py', terms, begin_at_once=True)
    logged = runner.message_hub.log_scalars
    largest = logged['train/largest_q'].current()
    assert 1 / 3 <= largest <= 1  # of 3 classes
    assert (
        0.5 * (1 - largest) <= logged['train/loss_gini'].current() <= 0.5 * (1 - largest**2)
    )  # weight 0.5
    assert {'train/loss_mel', 'train/loss_nbel', 'train/weight_gini'} < set(logged)


def test_parts_of_a_term_of_ones_own_add_up(terms, monkeypatch):
    importlib.import_module('pets_terms')
    batch_of_labels = [0, None, 1, None, 2, None]

    def of_micro_batches(size):
        model = in_double(make_model(head=dict(terms=dict(gini=dict(type='GiniLoss')))))
        wrapper = KeepGradients(
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1), micro_batch_size=size
        )
        logs = model.train_step(make_batch(batch_of_labels), wrapper)
        return torch.cat(
            [logs['loss_gini'].flatten(), *(grad.flatten() for grad in gradients(model).values())]
        )

    whole = of_micro_batches(None)
    torch.testing.assert_close(
        of_micro_batches(4), whole, rtol=1e-5, atol=1e-7
    )  # 2 unlabelled images, and 1
    monkeypatch.setattr(EffectiveBatch, 'share', lambda *args: torch.tensor(1.0))
    assert not torch.allclose(of_micro_batches(4), whole, rtol=1e-2)  # negative control


@pytest.mark.slow
def test_views_of_ones_own_images(terms):
    runner = train(terms / 'configs/pets_fixmatch.py', terms)
    logged = runner.message_hub.log_scalars
    assert {'train/loss_fixmatch', 'train/pseudo_labeled'} < set(
        logged
    ) and 'train/loss_mel' not in logged
    batch = next(iter(runner.train_dataloader))
    assert sorted(len(sample.get('views', ())) for sample in batch['data_samples']) == [
        0,
        0,
        0,
        1,
    ]  # 3 labelled, 1 not


def lines_of_terms():
    """What the blocks of docs/terms.md that are not files define."""
    text = (ROOT / 'docs/terms.md').read_text()
    for block in re.findall(r'```python\n(?!# \S+\.py)(.*?)```', text, re.S):
        values = {}
        exec(block, values)
        yield {name: value for name, value in values.items() if name != '__builtins__'}


def test_lines_of_the_page_on_terms_build_what_they_say():
    built = set()
    for values in lines_of_terms():
        for name, value in values.items():
            if name == 'terms':
                head = MODELS.build(
                    dict(type='mmsemiloc.CAMClsHead', num_classes=3, in_channels=4, terms=value)
                )
                built |= {type(term).__name__ for term in head.terms.values()}
            elif name.startswith('loss_'):
                built.add(type(MODELS.build(value)).__name__)
            else:
                assert name == 'custom_hooks'
                built |= {type(HOOKS.build(hook)).__name__ for hook in value}
    assert {
        'PseudoLabelLoss',
        'FixMatchLoss',
        'SoftConsistencyLoss',
        'TransformConsistencyLoss',
        'NegativeBatchEntropyLoss',
        'MeanTeacherHook',
    } <= built


def test_the_page_on_terms_lists_all_of_them():
    terms = {
        name
        for name, module in vars(mmsemiloc.models).items()
        if isinstance(module, type) and issubclass(module, WeightedTerm) and 'Loss' in name
    }
    listed = re.findall(r'^\| `(\w+Loss)` \|', (ROOT / 'docs/terms.md').read_text(), re.M)
    assert set(listed) == terms and len(listed) == len(terms)
    public = {name for name in vars(Predictions) if not name.startswith('_')} | set(
        Predictions.__annotations__
    )
    page = (ROOT / 'docs/terms.md').read_text().partition('| `predictions.…` |')[2]
    hidden = {'cam_target', 'mean', 'at', 'with_mean', 'taught'}  # for the head and the base class
    assert public - hidden == {name for name in public if f'`{name}' in page}

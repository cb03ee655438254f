"""The tool that estimates class shares: what it trains, writes and refuses."""

import re

import pytest

from mmsemiloc.models import NegativeBatchEntropyLoss
from tests.tools.conftest import ROOT, run_tool

CE = ROOT / 'configs/digits/class_shares/digits_shares_ce.py'
SMALL = [
    'train_dataloader.dataset.labeled.num_images=40',
    'train_dataloader.dataset.unlabeled.first=40',
    'train_dataloader.dataset.unlabeled.num_images=60',
    'val_dataloader.dataset.num_images=20',
]


@pytest.mark.slow
def test_it_writes_a_prior_and_reads_finished_folds_back(tmp_path):
    written = {}
    for method in ('em', 'bbse'):
        out = tmp_path / f'{method}.txt'
        stdout, _ = run_tool(
            'class_shares.py',
            CE,
            *('--steps', 4, '--folds', 2, '--ridge', 0.1, '--method', method),
            *('--out', out, '--work-dir', tmp_path / 'runs', '--cfg-options', *SMALL),
        )
        assert stdout.count('(read back)') == (2 if method == 'bbse' else 0)
        assert '% correct' in stdout and f'{method} is in {out}' in stdout

        prior = NegativeBatchEntropyLoss(prior=str(out)).log_prior.exp()
        assert len(prior) == 10 and prior.sum().item() == pytest.approx(1)
        written[method] = out.read_text()
    assert written['em'] != written['bbse']


@pytest.mark.parametrize(
    'args, match',
    [
        (['--folds', 1], 'at least 2 folds, got 1'),
        (['--ridge', -1], '--ridge must be .* at least 0, got -1'),
        (['--out', '/proc/no/shares.txt'], 'cannot write /proc/no/shares.txt'),
        (['--cfg-options', 'train_dataloader.dataset.unlabeled=None'], 'have unlabelled images'),
        (
            ['--cfg-options', 'train_dataloader.dataset.labeled.num_images=12'],
            'at least 2 labelled',
        ),
    ],
)
def test_bad_input_is_refused_before_a_run(args, match, tmp_path):
    refuse_args = ['--out', tmp_path / 'shares.txt', '--work-dir', tmp_path / 'runs', *args]
    _, errors = run_tool('class_shares.py', CE, *refuse_args, status=2)
    assert errors.startswith('class_shares.py: error: ') and re.search(match, errors)
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / 'runs').exists()

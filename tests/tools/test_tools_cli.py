"""The command-line tools: help, one-line errors, mixed precision, and real runs with one and two
processes.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, ConfigDict

from mmsemiloc.commands import common

TOOLS = Path(__file__).parents[2] / 'tools'


def run(tool, *args, cwd, status=0, **env):
    """Run a tool in a process of its own and return what it printed to stdout and stderr."""
    command = [sys.executable, TOOLS / tool] if tool.endswith('.py') else ['bash', TOOLS / tool]
    result = subprocess.run(
        [*command, *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, 'PYTHON': sys.executable, **env},
    )
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope='module')
def trained(folder):
    """What a run of one epoch printed; its checkpoint is work_dirs/mini/epoch_1.pth."""
    return run(
        'train.py',
        'mini.py',
        '--seed',
        3,
        '--cfg-options',
        'optim_wrapper.optimizer.lr=0.02',
        cwd=folder,
    )


@pytest.fixture
def load_tool(monkeypatch):
    """Import a tool as a module."""
    monkeypatch.syspath_prepend(TOOLS)

    def load(name):
        spec = importlib.util.spec_from_file_location(f'tool_{name}', TOOLS / f'{name}.py')
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.parametrize(
    'tool', ['train.py', 'test.py', 'dist_train.sh', 'dist_test.sh', 'slurm_train.sh']
)
def test_help_shows_an_example(tool, tmp_path):
    shown = run(tool, '--help', cwd=tmp_path)
    assert 'example:' in shown and tool in shown.split('example:')[1]


@pytest.mark.parametrize(
    'tool, args, message',
    [
        ('train.py', ['missing.py'], 'train.py: error: no such config file: missing.py'),
        ('dist_train.sh', ['mini.py'], 'dist_train.sh: error: expected CONFIG GPUS'),
        (
            'dist_train.sh',
            ['mini.py', 'two'],
            "dist_train.sh: error: GPUS must be a number of processes, got 'two'",
        ),
        ('dist_test.sh', ['mini.py', '2'], 'dist_test.sh: error: expected CONFIG CHECKPOINT GPUS'),
        (
            'slurm_train.sh',
            ['gpu'],
            'slurm_train.sh: error: expected PARTITION JOB_NAME CONFIG WORK_DIR',
        ),
    ],
)
def test_wrong_call_is_a_line_and_exit_code_2(tool, args, message, folder):
    shown = run(tool, *args, cwd=folder, status=2)
    assert shown.startswith(message) and shown.count('\n') == 1


@pytest.mark.parametrize(
    'tool, args, message',
    [
        ('train', ['broken.py'], 'cannot read broken.py: '),
        (
            'train',
            ['empty.py'],
            'empty.py has no model, train_dataloader, train_cfg, optim_wrapper',
        ),
        (
            'train',
            ['mini.py', '--cfg-options', 'lr'],
            '--cfg-options: expected key=value ..., got lr',
        ),
        ('train', ['mini.py', '--cfg-options', 'model.type=Nonsense'], 'Nonsense is not in the'),
        ('train', ['mini.py', '--launcher', 'pytorch'], 'RANK is not set'),
        (
            'train',
            ['mini.py', '--amp', '--cfg-options', 'optim_wrapper.type=ApexOptimWrapper'],
            "'ApexOptimWrapper'",
        ),
        ('train', ['mini.py', '--resume', 'missing.pth'], 'no such checkpoint: missing.pth'),
        ('test', ['mini.py', 'missing.pth'], 'no such checkpoint: missing.pth'),
        ('test', ['mini.py', 'torn.pth'], 'cannot load checkpoint torn.pth: '),
        (
            'test',
            ['mini.py', 'torn.pth', '--out', 'metrics.csv'],
            'or .pkl (predictions), got metrics.csv',
        ),
    ],
)
def test_bad_input_is_a_line_and_exit_code_2(
    tool, args, message, folder, load_tool, monkeypatch, capsys
):
    (folder / 'broken.py').write_text('model = dict(')
    (folder / 'empty.py').write_text('')
    torch.save(dict(weight=torch.ones(100)), folder / 'torn.pth')
    (folder / 'torn.pth').write_bytes((folder / 'torn.pth').read_bytes()[:200])
    monkeypatch.chdir(folder)
    monkeypatch.delenv('RANK', raising=False)
    monkeypatch.setattr(sys, 'argv', [f'{tool}.py', *args])
    module = load_tool(tool)
    with pytest.raises(SystemExit) as stop:
        module.main()
    shown = capsys.readouterr().err.splitlines()[-1]
    assert stop.value.code == 2
    assert shown.startswith(f'{tool}.py: error: ') and message in shown


@pytest.mark.parametrize('spelling', ['--local_rank', '--local-rank'])
@pytest.mark.parametrize('tool, files', [('train', ['c.py']), ('test', ['c.py', 'c.pth'])])
def test_both_spellings_of_local_rank(load_tool, tool, files, spelling):
    assert load_tool(tool).make_parser().parse_args([*files, f'{spelling}=3']).local_rank == 3


@pytest.mark.parametrize(
    'before, after',
    [
        (dict(), 'AmpOptimWrapper'),
        (dict(type='OptimWrapper'), 'AmpOptimWrapper'),
        (dict(type='AmpOptimWrapper'), 'AmpOptimWrapper'),
        (dict(type='mmengine.OptimWrapper'), 'mmengine.AmpOptimWrapper'),
        (dict(type='AccumOptimWrapper'), 'AmpAccumOptimWrapper'),
        (dict(type='mmsemiloc.AccumOptimWrapper'), 'mmsemiloc.AmpAccumOptimWrapper'),
        (dict(type='mmsemiloc.AmpAccumOptimWrapper'), 'mmsemiloc.AmpAccumOptimWrapper'),
    ],
)
def test_amp_on_gpu_changes_the_type_only(before, after):
    wrapper = ConfigDict(before)
    common.enable_amp(wrapper, 'cuda')
    assert wrapper == dict(type=after)


def test_amp_on_cpu_is_bfloat16():
    wrapper = ConfigDict(type='mmsemiloc.AccumOptimWrapper')
    common.enable_amp(wrapper, 'cpu')
    assert wrapper == dict(type='mmsemiloc.AmpAccumOptimWrapper', dtype='bfloat16')


@pytest.mark.parametrize(
    'kind, device, message',
    [
        ('ApexOptimWrapper', 'cuda', "optim_wrapper.type 'ApexOptimWrapper'"),
        ('OptimWrapper', 'cpu', 'does not run on CPUs'),
    ],
)
def test_amp_refuses_what_cannot_work(kind, device, message):
    with pytest.raises(ValueError, match=message):
        common.enable_amp(ConfigDict(type=kind), device)


def test_cpu_processes_keep_the_settings_of_the_model_wrapper():
    cfg = Config(
        dict(
            env_cfg=dict(dist_cfg=dict(backend='nccl', timeout=60)),
            model_wrapper_cfg=dict(
                type='mmsemiloc.SemiSupDistributedDataParallel', find_unused_parameters=True
            ),
        )
    )
    common.distribute_on_cpu(cfg)
    assert cfg.env_cfg.dist_cfg == dict(backend='gloo', timeout=60)
    assert cfg.model_wrapper_cfg == dict(
        type='mmsemiloc.SemiSupDistributedDataParallel',
        find_unused_parameters=True,
        device_ids=None,
    )


def test_train_writes_a_checkpoint_and_obeys_its_arguments(folder, trained):
    checkpoint = torch.load(folder / 'work_dirs/mini/epoch_1.pth', weights_only=False)
    assert checkpoint['meta']['seed'] == 3
    assert checkpoint['optimizer']['param_groups'][0]['lr'] == 0.02
    assert 'Epoch(train) [1][4/4]' in trained


@pytest.mark.slow
@pytest.mark.parametrize(
    'resume', [['--resume'], ['--resume', 'work_dirs/mini/epoch_1.pth']], ids=['newest', 'file']
)
def test_resume_goes_on_after_the_first_epoch(folder, trained, resume):
    shown = run(
        'train.py',
        'mini.py',
        '--force',  # longer, and with another seed
        '--cfg-options',
        'train_cfg.max_epochs=2',
        *(resume if len(resume) == 2 else ['--work-dir', 'work_dirs/mini', *resume]),
        cwd=folder,
    )
    assert 'Epoch(train) [2][4/4]' in shown and 'Epoch(train) [1]' not in shown
    (folder / 'work_dirs/mini/epoch_2.pth').unlink()
    (folder / 'work_dirs/mini/last_checkpoint').write_text(
        str(folder / 'work_dirs/mini/epoch_1.pth')
    )


def test_test_writes_metrics(folder, trained, tmp_path):
    run(
        'test.py',
        folder / 'mini.py',
        folder / 'work_dirs/mini/epoch_1.pth',
        '--out',
        'out/metrics.json',
        cwd=tmp_path,
    )
    assert 0 <= json.loads((tmp_path / 'out/metrics.json').read_text())['accuracy/top1'] <= 100


@pytest.mark.slow
def test_two_processes_train_and_test_like_one(folder, trained, tmp_path):
    """Half the batch on each of two CPU processes, without shuffling: the weights are those of one
    process.
    """
    options = ['--seed', 3, '--cfg-options', 'train_dataloader.sampler.shuffle=False']
    run('train.py', folder / 'mini.py', '--work-dir', 'one', *options, cwd=tmp_path)
    options.append('train_dataloader.batch_size=2')
    run('dist_train.sh', folder / 'mini.py', 2, '--work-dir', 'two', *options, cwd=tmp_path)
    assert any('GPU number: 2' in log.read_text() for log in tmp_path.glob('two/*/*.log'))
    one, two = (
        torch.load(tmp_path / name / 'epoch_1.pth', weights_only=False)['state_dict']
        for name in ('one', 'two')
    )
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)

    run(
        'dist_test.sh',
        folder / 'mini.py',
        tmp_path / 'two/epoch_1.pth',
        2,
        '--out',
        'pred.pkl',
        cwd=tmp_path,
    )
    assert (tmp_path / 'pred.pkl').is_file()


THREADS_OF_A_GROUP = """
import glob, sys, torch
from mmsemiloc.commands.common import leave_group

def threads():
    names = [open(path).read() for path in glob.glob('/proc/self/task/*/comm')]
    return sum(name.startswith('pt_gloo') for name in names)

def run():
    torch.distributed.init_process_group(
        'gloo', init_method='file://' + sys.argv[1], rank=0, world_size=1)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
    model.cycle = model

run()
before = threads()
leave_group()
print('threads', before > 0, threads())
leave_group()
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='threads have names in /proc')
def test_no_thread_of_the_group_outlives_a_run(tmp_path):
    """One that drops a tensor while Python shuts down aborts the process, now and then."""
    command = [sys.executable, '-c', THREADS_OF_A_GROUP, tmp_path / 'store']
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert 'threads True 0' in result.stdout, result.stderr
    assert result.returncode == 0


def test_slurm_passes_words_on_unchanged(folder, tmp_path):
    (tmp_path / 'srun').write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / 'srun').chmod(0o755)
    shown = run(
        'slurm_train.sh',
        'gpu',
        'my job',
        'mini.py',
        'out dir',
        '--cfg-options',
        'a=[1, 2]',
        cwd=folder,
        PATH=f'{tmp_path}:{os.environ["PATH"]}',
        GPUS='4',
        SRUN_ARGS='--exclusive --qos=high',
    ).splitlines()
    assert {
        '--job-name=my job',
        'out dir',
        'a=[1, 2]',
        '--ntasks=4',
        '--gres=gpu:4',
        '--exclusive',
        '--qos=high',
    } <= set(shown)


@pytest.mark.slow
def test_the_full_loss_on_digits_with_two_processes(tmp_path):
    """NBEL over two ranks, through the DDP wrapper of the config."""
    options = [
        'steps=4',
        'train_cfg.val_interval=4',
        'default_hooks.checkpoint.interval=4',
        'default_hooks.logger.interval=2',
        'train_dataloader.dataset.unlabeled.num_images=100',
        'val_dataloader.dataset.num_images=20',
        *(f'model.head.loss_{name}.schedule=None' for name in ('mel', 'nbel', 'locality')),
    ]
    config = TOOLS.parent / 'configs' / 'digits' / 'digits_full.py'
    output = run(
        'dist_train.sh', config, 2, '--work-dir', tmp_path, '--cfg-options', *options, cwd=tmp_path
    )
    assert 'loss_nbel' in output and 'Iter(val)' in output and (tmp_path / 'iter_4.pth').exists()


def test_an_impossible_ratio_is_one_line(tmp_path):
    config = TOOLS.parent / 'configs' / 'digits' / 'digits_full.py'
    output = run(
        'train.py',
        config,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'train_dataloader.sampler.labeled_ratio=0.001',
        cwd=tmp_path,
        status=2,
    )
    assert (
        output.strip()
        .splitlines()[-1]
        .startswith('train.py: error: labeled_ratio=0.001 of a (micro-)batch of 64 images')
    )
    assert 'Traceback' not in output

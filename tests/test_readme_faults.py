"""The example of README.md with one fault of each kind: the line that docs/data.md says, and no
number.
"""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from tests.datasets.conftest import save_image
from tests.pets import COLOURS, ROOT, refuse

OPTIONS = [
    'batch_size=8',
    'max_epochs=3',
    'train_dataloader.num_workers=0',
    'val_dataloader.num_workers=0',
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The README's pets.py beside a checkout's configs, with 12 labelled, 12 unlabelled and 12
    validation images.
    """
    (tmp_path / 'configs').mkdir()
    for path in ROOT.glob('configs/*'):
        (tmp_path / 'configs' / path.name).symlink_to(path)
    example = re.search(r'```python\n(_base_.*?)```', (ROOT / 'README.md').read_text(), re.S)[1]
    (tmp_path / 'configs/pets.py').write_text(example)

    pets, lists = tmp_path / 'data/pets', {'labeled': [], 'unlabeled': [], 'val': []}
    for i in range(36):
        part, name = ('labeled', 'unlabeled', 'val')[i // 3 % 3], f'{[*COLOURS][i % 3]}/{i}.jpg'
        save_image(pets / ('val' if part == 'val' else 'train') / name, (260, 280), seed=i)
        lists[part].append(name if part == 'unlabeled' else f'{name} {i % 3}')
    for part, lines in lists.items():
        (pets / f'{part}.txt').write_text('\n'.join(lines) + '\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(file, old, new):
    """A change of a file."""

    def change(folder):
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))

    return change


def shifted(by, modulus=10):
    """Other labels in the list of the validation images."""

    def change(folder):
        file = folder / 'data/pets/val.txt'
        lines = [line.split() for line in file.read_text().splitlines()]
        file.write_text(''.join(f'{path} {(int(label) + by) % modulus}\n' for path, label in lines))

    return change


def deep_image(folder):
    values = np.random.default_rng(0).integers(0, 4095, (260, 280))
    values[0, 0] = 4095
    Image.fromarray(values.astype(np.uint16)).save(folder / 'data/pets/train/cat/0.png')
    edit('data/pets/labeled.txt', 'cat/0.jpg', 'cat/0.png')(folder)


def nothing(folder):
    pass


SAMPLER = (
    "\ntrain_dataloader['sampler'] = dict(_delete_=True, type='DefaultSampler', shuffle=True)\n"
)
VAL = "val_dataloader = dict(dataset=dict(ann_file='val.txt', **own))"
CASES = {
    'names of classes in another order': (
        edit(
            'configs/pets.py',
            VAL,
            VAL.replace('**own', "data_root='data/pets/', classes=('dog', 'cat', 'ferret')"),
        ),
        [],
    ),
    'a list that counts from 1': (shifted(1), []),
    'a list with other numbers': (shifted(1, 3), []),
    '`num_classes` of 5 for 3 names': (nothing, ['num_classes=5']),
    'a schedule that never begins': (nothing, ['max_epochs=130', 'train_cfg.max_epochs=3']),
    'weights of another network': (
        lambda folder: torch.save({'a.weight': torch.zeros(3)}, folder / 'other.pth'),
        ['load_from=other.pth'],
    ),
    'a standard deviation of 0': (nothing, ['data_preprocessor.std=[0,57,57]']),
    'a misspelt option': (nothing, ['train_dataloder.batch_size=4']),
    'a variable that is used only in its own file': (nothing, ['train_pipeline.0.type=X']),
    'the batch set in one of two places': (nothing, ['train_dataloader.batch_size=4']),
    'another sampler': (
        edit('configs/pets.py', '\nval_dataloader', f'{SAMPLER}\nval_dataloader'),
        [],
    ),
    'a label in the unlabelled list': (edit('data/pets/unlabeled.txt', '.jpg\n', '.jpg 0\n'), []),
    '`.JPG` for `.jpg`': (edit('data/pets/labeled.txt', 'cat/0.jpg', 'cat/0.JPG'), []),
    '12 bits in an image of 16': (deep_image, []),
    'a loss term with a wrong argument': (nothing, ['model.head.loss_nbel.prior=[1,2]']),
    'top-5 accuracy of 3 classes': (edit('configs/pets.py', 'topk=1', 'topk=5'), []),
    '`in_channels` of another backbone': (nothing, ['model.head.in_channels=100']),
}


def documented():
    """The lines of the table in docs/data.md, by what is wrong."""
    text = (ROOT / 'docs/data.md').read_text()
    return dict(
        re.findall(r'^\| ([^|]+?) \| `(.+)` \|$', text.partition('## What is checked')[2], re.M)
    )


def test_the_page_has_a_line_for_each_fault():
    assert CASES.keys() <= documented().keys()


@pytest.mark.slow
@pytest.mark.parametrize('fault', CASES)
def test_one_fault_gives_the_documented_line(fault, folder, monkeypatch, capsys):
    change, options = CASES[fault]
    change(folder)
    line = refuse(
        monkeypatch, capsys, 'train', 'configs/pets.py', '--cfg-options', *OPTIONS, *options
    )
    assert line.partition(' (details: ')[0].strip() == documented()[fault]
    assert not list(folder.rglob('*.pth')) or fault == 'weights of another network'

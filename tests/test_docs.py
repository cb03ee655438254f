"""README, CONTRIBUTING, CHANGELOG and docs/: links resolve; files, options and types exist."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from mmengine.registry import Registry

from mmsemiloc import registry

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob('*.md'), *ROOT.glob('docs/*.md')], key=lambda path: (len(path.parts), path)
)
PASSED_ON = {'dist_train.sh': 'train.py', 'slurm_train.sh': 'train.py', 'dist_test.sh': 'test.py'}
OTHER_PROGRAMS = {'--dry-run'}  # of pip


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    without_code = re.sub(r'^```.*?^```', '', text, flags=re.S | re.M)
    titles = re.findall(r'^#+ (.*)$', without_code, re.M)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


def broken_links(page: Path, text: str) -> list[str]:
    """The relative links of a page that lead nowhere."""
    broken = []
    for link in re.findall(r'\]\(([^)\s]+)\)', text):
        if re.match(r'\w+:', link):
            continue

        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        if not target.exists():
            broken.append(link)
        elif anchor and anchor not in anchors(text if target == page else target.read_text()):
            broken.append(link)
    return broken


def expand(pattern: str) -> list[str]:
    """A name with braces as the shell expands it."""
    braces = re.search(r'\{([^{}]*)\}', pattern)
    if not braces:
        return [pattern]
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    return [name for part in braces[1].split(',') for name in expand(before + part + after)]


def missing_files(text: str) -> list[str]:
    """The files and folders of this repository that a page names and that do not exist.

    The reader writes configs/pets*.py. methods/ is short for configs/digits/methods/.
    """
    folders = 'tools|configs|docs|tests|mmsemiloc|requirements|methods'
    found = re.findall(rf'(?<![\w/:.-])((?:{folders})/[\w./{{}},*…-]*)', text)
    names = {name for pattern in found for name in expand(pattern.rstrip('.,'))}

    missing = []
    for name in sorted(names):
        path = re.sub(r'^methods/', 'configs/digits/methods/', name).replace('…', '*')
        if not path.startswith('configs/pets') and not any(ROOT.glob(path.rstrip('/'))):
            missing.append(name)
    return missing


@cache
def help_of(tool: str) -> str:
    """What a tool says to --help."""
    command = [sys.executable, str(ROOT / 'tools' / PASSED_ON.get(tool, tool)), '--help']
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def options(text: str) -> set[str]:
    """The long options in a text."""
    return set(re.findall(r'(?<![\w-])--[a-z][a-z-]*[a-z]', text))


def unknown_options(text: str) -> list[str]:
    """Options in the commands of a page, and in its text, that no tool has."""
    unknown = []
    for block in re.findall(r'^```bash\n(.*?)^```', text, re.S | re.M):
        for line in block.replace('\\\n', ' ').splitlines():
            command = re.sub(r'\s# .*', '', line)
            tool = re.search(r'(?<![\w/])tools/(\w+\.(?:py|sh))', command)
            if tool:
                known = options(help_of(tool[1]))
                unknown += [f'{tool[1]} {option}' for option in options(command) - known]

    tools = [path.name for path in ROOT.glob('tools/[a-z]*.py')]
    known = set.union(OTHER_PROGRAMS, *(options(help_of(name)) for name in tools))
    in_code = options(' '.join(re.findall(r'(?<!`)`([^`]+)`(?!`)', text)))
    return unknown + sorted(in_code - known)


def unknown_types(text: str) -> list[str]:
    """Types with the scope of the package that no registry knows."""
    registries = [value for value in vars(registry).values() if isinstance(value, Registry)]
    names = set(re.findall(r'\bmmsemiloc\.([A-Z]\w+)', text))
    return sorted(
        name for name in names if not any(item.get(f'mmsemiloc.{name}') for item in registries)
    )


def unknown_targets(text: str) -> list[str]:
    """Targets and variables of make in the code of a page that the Makefile does not have."""
    makefile = (ROOT / 'Makefile').read_text()
    unknown = []
    for target, variable in re.findall(r'(?:^|[`&] ?)make ([a-z-]+)(?: ([A-Z_]+)=)?', text, re.M):
        if not re.search(rf'^{target}:', makefile, re.M):
            unknown.append(target)
        if variable and f'$({variable})' not in makefile:
            unknown.append(variable)
    return unknown


@pytest.mark.parametrize('page', PAGES, ids=lambda path: path.name)
def test_what_a_page_names_exists(page):
    text = page.read_text()
    assert broken_links(page, text) == []
    assert missing_files(text) == []
    assert unknown_options(text) == []
    assert unknown_types(text) == []
    assert unknown_targets(text) == []


def test_wrong_names_are_found():
    """Negative control: each kind of mistake, in README's own text."""
    page = ROOT / 'README.md'
    text = page.read_text()

    for old, new in (('(docs/cam.md)', '(docs/cams.md)'), ('#what-was-measured', '#measured')):
        assert broken_links(page, text.replace(old, new)) == [new.strip('()')] * text.count(old)
    checked = 'docs/data.md#what-is-checked'
    assert broken_links(page, text.replace(checked, f'{checked}-not')) == [f'{checked}-not']

    renamed = text.replace('digits_{ce,ce_mel_nbel,full}.py', 'digits_{ce,ce_mel,whole}.py')
    assert missing_files(renamed) == ['configs/digits/digits_whole.py']
    assert missing_files(text.replace('tools/predict.py', 'tools/guess.py')) == ['tools/guess.py']

    assert unknown_options(text.replace('--jobs 2', '--job 2')) == ['study.py --job']
    assert unknown_options(f'{text} `--colour`') == ['--colour']
    assert unknown_types(text.replace('SemiSupSampler', 'SemiSampler')) == ['SemiSampler']
    wrong = text.replace('make quickstart BEST', 'make quick TEST')
    assert unknown_targets(wrong) == ['quick', 'TEST']

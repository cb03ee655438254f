"""Fine-tune detectors, segmenters and classifiers from several checkpoints, and compare them with random weights."""
import argparse
import csv
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from rich.console import Console

from _cli import Parser, check_checkpoint, load_config, pair, positive
from mmsemiloc.datasets.dense_digit_scenes import write_dense_scenes
from mmsemiloc.study.launch import launch
from mmsemiloc.study.progress import ProgressDisplay
from mmsemiloc.study.report import page, table_html
from mmsemiloc.study.runs import Failure, Run
from mmsemiloc.study.steps import with_steps
from mmsemiloc.study.tables import print_table, write_markdown
from mmsemiloc.study.transfer import (
    NO_TEST,
    RANDOM,
    TransferResult,
    TransferRun,
    cost_table,
    difference_table,
    initialised,
    plan_transfer,
    to_rows,
    transfer_table,
)

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
SECTIONS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
# What `digits` pre-trains, by its name in tables, and fine-tunes.
PRETRAINING = {
    'CE': 'digits/digits_ce.py',
    'unsupervised': 'transfer/digits/digits_unsupervised.py',
    'unsupervised + views': 'transfer/digits/digits_unsupervised_views.py',
    'CE + MEL + NBEL': 'digits/digits_ce_mel_nbel.py',
    'full': 'digits/digits_full.py',
    'SimCLR': 'transfer/digits/digits_simclr.py',
    'MoCo v2': 'transfer/digits/digits_mocov2.py',
    'SimSiam': 'transfer/digits/digits_simsiam.py',
}
TASKS = [CONFIGS / 'transfer/digits' / name for name in ('digits_retinanet.py', 'digits_fcn.py')]
DENSE = 'data/dense_digits'  # the data_root of these
IMAGES = dict(train=100, test=200)
SHARE, QUICK_SHARE = 1 / 5, 1 / 20  # of the steps of the pre-training configs
QUICK_STEPS = 100  # of the tasks
DESCRIPTION = """\
Fine-tune each task from each checkpoint and from random weights, with several seeds; print a table of the test metrics, and
the differences to random weights by seed. A task is a config of MMDetection, MMSegmentation or MMPretrain whose
model.backbone takes the checkpoint. The word digits does all of it on DigitScenes: it pre-trains with the losses of the paper
and with self-supervised peers (unless there are --checkpoints), and fine-tunes a detector and a segmenter on images of several
digits, or the tasks after it.
Finished runs are read back when the command is given again."""


def named_file(text: str) -> tuple[str, str]:
    """Type of an argument: NAME=FILE."""
    name, equals, file = text.partition('=')
    if not (name and equals and file) or name == RANDOM:
        raise argparse.ArgumentTypeError(f'expected NAME=FILE with a name other than {RANDOM}, got {text}')
    return name, file


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(DESCRIPTION, 'python tools/transfer.py configs/transfer/det/faster-rcnn_densenet161_fpn_1x_voc0712.py '
                    '--checkpoints ce=work_dirs/ce.pth full=work_dirs/full.pth\n  python tools/transfer.py digits --jobs 2')
    parser.add_argument('tasks', nargs='+', metavar='TASK', help='config files; or digits, and its tasks if they are others')
    parser.add_argument('--checkpoints', nargs='+', type=named_file, default=[], metavar='NAME=FILE',
                        help='names for tables, and files; {seed} in a file is replaced by the seed')
    parser.add_argument('--pairs', nargs='+', type=pair, default=[], metavar='NAME:NAME',
                        help='also show the first less the second of these initialisations, by seed')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], metavar='SEED', help='(default: 0 1 2)')
    parser.add_argument('--jobs', type=positive, default=1, metavar='N', help='runs side by side (default: 1)')
    parser.add_argument('--threads', type=positive, default=1, metavar='N', help='CPU threads of each run (default: 1)')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/transfer'), metavar='DIR',
                        help='folder of all runs (default: work_dirs/transfer)')
    parser.add_argument('--quick', action='store_true', help='digits with less of everything and one seed, to try things out')
    parser.add_argument('--csv', type=Path, metavar='FILE', help='write one row a run and metric to FILE')
    parser.add_argument('--markdown', type=Path, metavar='FILE', help='write the tables as Markdown to FILE')
    parser.add_argument('--html', type=Path, metavar='FILE', help='write the tables as a page to FILE')
    parser.add_argument('--force', action='store_true', help='train again what is finished already')
    return parser


def read(path: str | Path) -> Config:
    """A config, with what tools fill in."""
    return load_config(argparse.Namespace(config=str(path), cfg_options=None, launcher='none', work_dir=None), SECTIONS)


def plan_tasks(tasks: dict[str, Config], checkpoints: dict[str, dict[int, str]], args: argparse.Namespace) -> list[TransferRun]:
    """The runs of all tasks from random weights and from the checkpoint of each name and seed, seed by seed.

    Raises:
        ValueError: If a checkpoint cannot be loaded.
    """
    runs = []
    for seed in args.seeds:
        for name, files in {RANDOM: {}, **checkpoints}.items():
            checkpoint = str(Path(files[seed]).resolve()) if files else None
            if checkpoint is not None:
                check_checkpoint(checkpoint)
            for task, cfg in tasks.items():
                runs.append(plan_transfer(name, task, initialised(cfg, checkpoint), seed, args.work_dir))
    return runs


def moved(cfg: Config, data_root: Path) -> Config:
    """A task of ``digits`` with its images in another folder."""
    return Config.fromstring(cfg.pretty_text.replace(DENSE, str(data_root.resolve())), '.py')


def plan_pretraining(args: argparse.Namespace) -> list[TransferRun]:
    """The runs that make the checkpoints of ``digits``."""
    runs = []
    for seed in args.seeds:
        for name, path in PRETRAINING.items():
            cfg = read(CONFIGS / path)
            cfg = with_steps(cfg, round(cfg.train_cfg.max_iters * (QUICK_SHARE if args.quick else SHARE)))
            runs.append(plan_transfer(name, 'pre-training', cfg, seed, args.work_dir))
    return runs


def digits_tasks(args: argparse.Namespace) -> dict[str, Config]:
    """The tasks of ``digits``; writes their images."""
    data_root = args.work_dir / ('quick_data' if args.quick else 'data')
    for split, count in IMAGES.items():
        write_dense_scenes(data_root, split, count // 2 if args.quick else count)
    tasks = {path.stem: moved(read(path), data_root) for path in map(Path, args.tasks[1:] or TASKS)}
    return {name: with_steps(cfg, QUICK_STEPS) for name, cfg in tasks.items()} if args.quick else tasks


def report(results: list[TransferResult], costs: list[TransferResult], args: argparse.Namespace, console: Console) -> None:
    """Print the tables and write the files."""
    differences = difference_table(results, args.pairs)
    tables = [transfer_table(results), *([differences] if differences else []), cost_table([*costs, *results])]
    for table in tables:
        print_table(table, console)
    if args.csv:
        args.csv.parent.mkdir(parents=True, exist_ok=True)
        with args.csv.open('w', newline='') as file:
            rows = to_rows(results)
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    if args.markdown:
        write_markdown(tables, args.markdown)
    if args.html:
        args.html.parent.mkdir(parents=True, exist_ok=True)
        args.html.write_text(page('Transfer', 'Each task, fine-tuned from each initialisation.',
                                  [(table.title, '', table_html(table)) for table in tables]), encoding='utf-8')


def launch_all(runs: Sequence[Run], split: str, args: argparse.Namespace, console: Console) -> list[TransferResult]:
    """Train and test; the results, if there is no failure.

    Raises:
        SystemExit: If a run has failed, after all others have ended.
    """
    with ProgressDisplay(console) as display:
        outcomes: list[Any] = list(launch(runs, split, display, args.jobs, args.threads, args.force))
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    for failed in failures:
        console.print(f'FAILED {failed.label}: {failed.message}\n  log: {failed.log}', markup=False, soft_wrap=True)
    if failures:
        raise SystemExit(1)
    return outcomes


def main() -> None:
    """Run the tool."""
    parser = make_parser()
    args = parser.parse_args()
    digits, console = args.tasks[0] == 'digits', Console()
    if args.quick and not digits:
        parser.error('--quick goes with digits')
    if args.quick:
        args.seeds = args.seeds[:1]
    names = {RANDOM, *(dict(args.checkpoints) or (PRETRAINING if digits else {}))}
    unknown = sorted({*itertools.chain(*args.pairs)} - names)
    if unknown:
        parser.error(f'--pairs needs names of the study, {", ".join(sorted(names))}; got {", ".join(unknown)}')
    with parser.one_line_errors():
        pretraining = plan_pretraining(args) if digits and not args.checkpoints else []
        tasks = digits_tasks(args) if digits else {Path(path).stem: read(path) for path in args.tasks}
        given = {name: {seed: file.format(seed=seed) for seed in args.seeds} for name, file in args.checkpoints}
        runs = plan_tasks(tasks, given, args)
    costs = launch_all(pretraining, NO_TEST, args, console)
    if pretraining:
        made: dict[str, dict[int, str]] = {}
        for run in pretraining:
            made.setdefault(run.name, {})[run.seed] = str(run.checkpoint())
        runs = plan_tasks(tasks, made, args)
    report(launch_all(runs, 'test', args, console), costs, args, console)


if __name__ == '__main__':
    main()

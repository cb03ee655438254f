"""Localisation of a run over its checkpoints, or of several runs side by side."""
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table as RichTable

from _cli import CfgOptions, Parser, check_checkpoint, load_config, positive
from mmsemiloc.study.cam_analysis import (
    Advance,
    Moment,
    Picture,
    RunFiles,
    Values,
    analyze,
    baselines,
    draw_files,
    draw_strips,
    find_checkpoints,
)
from mmsemiloc.study.cam_report import cam_page, cam_table, evolution_plot, to_png, write_cam_csv
from mmsemiloc.study.predict import find_images
from mmsemiloc.study.tables import Table, write_markdown

DESCRIPTION = """\
Show how well the class activation maps of checkpoints find the object: of one run, a row a checkpoint, or of several runs
side by side (--run). Prints a table, and writes to DIR cam_analysis.csv and .md, cam_evolution.png if a run has several
checkpoints, and strips/*.png, the first images with their maps: a column a checkpoint, or with several runs a column a
run at its last checkpoint. Values are of the map of the predicted class; without boxes in the dataset (gt_bboxes) there
are only accuracy and area. Needs a linear head over average-pooled maps, as in mmpretrain's ResNet and in ours."""
EXAMPLES = """python tools/analyze_cam.py configs/pets.py work_dirs/pets --num-images 500 --out cams --html
  python tools/analyze_cam.py --run ce configs/ce.py work_dirs/ce --run full configs/full.py work_dirs/full --out cams
  python tools/analyze_cam.py configs/pets.py work_dirs/pets --images photos/ --out cams"""


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(DESCRIPTION, EXAMPLES)
    parser.add_argument('files', nargs='*', metavar='CONFIG CHECKPOINT', help='config file, and checkpoint files or the folder '
                        'of a run, which stands for all its epoch_*.pth and iter_*.pth')
    parser.add_argument('--run', nargs='+', action='append', default=[], metavar=('NAME CONFIG', 'CHECKPOINT'),
                        help='a run with a name instead of CONFIG CHECKPOINT...; give it once for each run')
    parser.add_argument('--split', choices=('val', 'test'), default='val', help="the config's dataloader (default: val)")
    parser.add_argument('--num-images', type=positive, metavar='N', help='score the first N images (default: all)')
    parser.add_argument('--images', nargs='+', type=Path, metavar='IMAGE',
                        help='draw these image files, or all in these folders, instead of a split; no values')
    parser.add_argument('--strips', type=positive, metavar='N', help='images to draw (default: 8; with --images all)')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder of the results')
    parser.add_argument('--html', action='store_true', help='write DIR/report.html too, one page with all of it')
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE',
                        help='values that replace those of all configs')
    return parser


def read_runs(args: argparse.Namespace) -> list[RunFiles]:
    """The runs that the arguments name, whose files can all be read.

    Raises:
        ValueError: If files are missing or broken, or names come twice.
    """
    if bool(args.files) == bool(args.run) or len(args.files) == 1:
        raise ValueError('expected CONFIG CHECKPOINT..., or --run NAME CONFIG CHECKPOINT... for each run')
    named = args.run or [[Path(args.files[0]).stem, *args.files]]
    runs = []
    for words in named:
        if len(words) < 3:
            raise ValueError(f'each run needs a name, a config and a checkpoint, got {" ".join(map(str, words))}')
        name, config, *checkpoints = words
        options = argparse.Namespace(config=config, cfg_options=args.cfg_options, launcher='none', work_dir=None)
        runs.append(RunFiles(name, load_config(options, ('model', )), find_checkpoints([Path(path) for path in checkpoints])))
    if len({run.name for run in runs}) < len(runs):
        raise ValueError(f'each --run needs a name of its own, got {", ".join(run.name for run in runs)}')
    for path in (path for run in runs for path in run.checkpoints):
        check_checkpoint(str(path))
    return runs


def write_strips(folder: Path, pictures: Sequence[Picture], moments: Sequence[Moment]) -> list[tuple[str, bytes]]:
    """Write the strips into a folder of their own, and return them with the names of the images."""
    (folder / 'strips').mkdir(parents=True, exist_ok=True)
    strips = [(picture.name, to_png(strip)) for picture, strip in zip(pictures, draw_strips(pictures, moments), strict=True)]
    for index, (_, png) in enumerate(strips):
        (folder / 'strips' / f'{index:03d}.png').write_bytes(png)
    return strips


def write_values(folder: Path, moments: Sequence[Moment], knowing_nothing: dict[str, Values], table: Table) -> None:
    """Write the table, and the plot if there is something to follow."""
    write_cam_csv(moments, knowing_nothing, folder / 'cam_analysis.csv')
    write_markdown([table], folder / 'cam_analysis.md')
    if len(moments) > len({moment.run for moment in moments}):
        (folder / 'cam_evolution.png').write_bytes(evolution_plot(moments, knowing_nothing))


def analyze_files(args: argparse.Namespace, runs: Sequence[RunFiles], advance: Advance) -> dict[Path, str]:
    """Draw image files, and return those that cannot be read, with the reasons."""
    moments, pictures, faults = draw_files(runs, find_images(args.images)[:args.strips], advance)
    strips = write_strips(args.out, pictures, moments)
    if args.html:
        (args.out / 'report.html').write_text(cam_page(moments, strips), encoding='utf-8')
    return faults


def analyze_split(args: argparse.Namespace, runs: Sequence[RunFiles], advance: Advance) -> list[str | RichTable]:
    """Score and draw the images of a split, and return what is to be shown."""
    moments, images = analyze(runs, args.split, args.num_images, args.strips or 8, advance)
    knowing_nothing = baselines(images)
    count = len(images.labels)
    table = cam_table(moments, knowing_nothing, args.split, count)
    strips = write_strips(args.out, images.pictures, moments)
    write_values(args.out, moments, knowing_nothing, table)
    if args.html:
        (args.out / 'report.html').write_text(cam_page(moments, strips, table, knowing_nothing, count), encoding='utf-8')
    note = f'{count - images.boxed} of {count} images have no box (gt_bboxes): they count in accuracy and area only'
    return [table.to_rich(), *([note] if images.boxed < count else [])]


def main() -> None:
    """Run the tool."""
    parser = make_parser()
    args = parser.parse_args()
    console = Console()
    shown: list[str | RichTable] = []
    faults: dict[Path, str] = {}
    with parser.one_line_errors(), Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        runs = read_runs(args)
        task = progress.add_task('images', total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, advance=done, total=total)

        if args.images:
            faults = analyze_files(args, runs, advance)
        else:
            shown = analyze_split(args, runs, advance)
    names = ', '.join(sorted(path.name for path in args.out.iterdir()))
    for each in (*shown, f'{args.out}: {names}'):
        console.print(each, markup=False, highlight=False, soft_wrap=isinstance(each, str))
    for path, reason in faults.items():
        print(f'cannot read {path}: {reason}', file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == '__main__':
    main()

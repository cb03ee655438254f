"""The work of tools/analyze_cam.py."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from mmsemiloc.commands.common import check_checkpoint, load_config, read_options
from mmsemiloc.evaluation.image_scores import Values
from mmsemiloc.files import write_whole
from mmsemiloc.inference.image_files import find_images
from mmsemiloc.study.cam_checkpoints import CheckpointScores, RunFiles, find_checkpoints
from mmsemiloc.study.cam_pictures import Advance, Picture, draw_files, draw_strips
from mmsemiloc.study.cam_report import cam_page, cam_table, evolution_plot, write_cam_csv
from mmsemiloc.study.cam_scores import analyze, baselines
from mmsemiloc.study.tables import Table, print_table, write_markdown
from mmsemiloc.visualization.pictures import to_png


def read_runs(args: argparse.Namespace) -> list[RunFiles]:
    """The runs that the arguments name, whose files can all be read.

    Raises:
        ValueError: If files are missing or broken, or names come twice.
    """
    if bool(args.files) == bool(args.run) or len(args.files) == 1:
        raise ValueError(
            'expected CONFIG CHECKPOINT..., or --run NAME CONFIG CHECKPOINT... for each run'
        )

    # Without --run there is one run, which is called as its config.
    named = args.run or [[Path(args.files[0]).stem, *args.files]]
    options = read_options(args.cfg_options)
    runs = []

    for words in named:
        if len(words) < 3:
            raise ValueError(
                f'each run needs a name, a config and a checkpoint, got {" ".join(map(str, words))}'
            )
        name, config, *checkpoints = words
        cfg = load_config(config, ('model',), options)
        runs.append(RunFiles(name, cfg, find_checkpoints([Path(path) for path in checkpoints])))

    # Two runs of one name could not be told apart in the table.
    if len({run.name for run in runs}) < len(runs):
        raise ValueError(
            f'each --run needs a name of its own, got {", ".join(run.name for run in runs)}'
        )

    for path in (path for run in runs for path in run.checkpoints):
        check_checkpoint(str(path))

    return runs


def write_strips(
    folder: Path, pictures: Sequence[Picture], scores: Sequence[CheckpointScores]
) -> list[tuple[str, bytes]]:
    """Write the strips into a folder of their own, and return them with the names of the images."""
    (folder / 'strips').mkdir(parents=True, exist_ok=True)
    strips = [
        (picture.name, to_png(strip))
        for picture, strip in zip(pictures, draw_strips(pictures, scores), strict=True)
    ]
    for index, (_, png) in enumerate(strips):
        write_whole(folder / 'strips' / f'{index:03d}.png', png)
    return strips


def write_values(
    folder: Path, scores: Sequence[CheckpointScores], uninformed: dict[str, Values], table: Table
) -> None:
    """Write the table, and the plot if there is something to follow."""
    write_cam_csv(scores, uninformed, folder / 'cam_analysis.csv')
    write_markdown([table], folder / 'cam_analysis.md')
    if len(scores) > len({score.run for score in scores}):
        write_whole(folder / 'cam_evolution.png', evolution_plot(scores, uninformed))


def analyze_files(
    args: argparse.Namespace, runs: Sequence[RunFiles], advance: Advance, say: Callable[[str], None]
) -> dict[Path, str]:
    """Draw image files, and return those that cannot be read, with the reasons."""
    paths = find_images(args.images, args.out, say)[: args.strips]
    scores, pictures, faults = draw_files(runs, paths, advance)
    strips = write_strips(args.out, pictures, scores)
    if args.html:
        write_whole(args.out / 'report.html', cam_page(scores, strips))
    return faults


def analyze_split(
    args: argparse.Namespace, runs: Sequence[RunFiles], advance: Advance
) -> list[str | Table]:
    """Score and draw the images of a split, and return what is to be shown."""
    scores, images = analyze(runs, args.split, args.num_images, args.strips or 8, advance)
    uninformed = baselines(images)
    count = len(images.labels)

    table = cam_table(scores, uninformed, args.split, count)
    strips = write_strips(args.out, images.pictures, scores)
    write_values(args.out, scores, uninformed, table)
    if args.html:
        page = cam_page(scores, strips, table, uninformed, count)
        write_whole(args.out / 'report.html', page)

    note = (
        f'{count - images.boxed} of {count} images have no box (gt_bboxes): they count in accuracy '
        'and area only'
    )
    return [table, note] if images.boxed < count else [table]


def run(args: argparse.Namespace) -> int:
    """Analyse."""
    console = Console()
    shown: list[str | Table] = []
    faults: dict[Path, str] = {}
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        runs = read_runs(args)
        task = progress.add_task('images', total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, advance=done, total=total)

        if args.images:
            faults = analyze_files(args, runs, advance, shown.append)
        else:
            shown = analyze_split(args, runs, advance)

    # Below the progress bar, which is gone by now.
    names = ', '.join(sorted(path.name for path in args.out.iterdir()))
    for each in (*shown, f'{args.out}: {names}'):
        if isinstance(each, Table):
            print_table(each, console)
        else:
            console.print(each, markup=False, highlight=False, soft_wrap=True)
    for path, reason in faults.items():
        print(f'cannot read {path}: {reason}', file=sys.stderr)
    return 1 if faults else 0

"""Localisation of a run over its checkpoints, or of several runs side by side."""

from pathlib import Path

from _cli import Parser, add_cfg_options, positive, run_command

DESCRIPTION = """\
Show how well the class activation maps of checkpoints find the object: of one
run, one row per checkpoint, or of several runs side by side (--run).

Prints a table, and writes to DIR:
cam_analysis.csv, .md   the table
cam_evolution.png       the values over the checkpoints, if a run has several
strips/*.png            some images of all classes with their maps: one column
                        per checkpoint, or with several runs one column per
                        run at its last checkpoint

Values are of the map of the predicted class. Without boxes in the dataset
(gt_bboxes) there are only accuracy and area. Needs a linear head over
average-pooled maps, as in mmpretrain's ResNet and in ours."""
EXAMPLES = """\
python tools/analyze_cam.py configs/pets.py work_dirs/pets --num-images 500 \\
      --out cams --html
  python tools/analyze_cam.py --run ce configs/ce.py work_dirs/ce \\
      --run full configs/full.py work_dirs/full --out cams
  python tools/analyze_cam.py configs/pets.py work_dirs/pets --images photos/ \\
      --out cams"""


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(DESCRIPTION, EXAMPLES)
    parser.add_argument(
        'files',
        nargs='*',
        metavar='CONFIG CHECKPOINT',
        help='config file, and checkpoint files or the folder '
        'of a run, which stands for all its epoch_*.pth and iter_*.pth',
    )
    parser.add_argument(
        '--run',
        nargs='+',
        action='append',
        default=[],
        metavar=('NAME CONFIG', 'CHECKPOINT'),
        help='a run with a name instead of CONFIG CHECKPOINT...; give it once for each run',
    )
    parser.add_argument(
        '--split',
        choices=('val', 'test'),
        default='val',
        help="the config's dataloader (default: val)",
    )
    parser.add_argument(
        '--num-images',
        type=positive,
        metavar='N',
        help='score N images, the classes evenly, the same for all runs; all by default',
    )
    parser.add_argument(
        '--images',
        nargs='+',
        type=Path,
        metavar='IMAGE',
        help='draw these image files, or all in these folders, instead of a split; no values',
    )
    parser.add_argument(
        '--strips',
        type=positive,
        metavar='N',
        help='images to draw (default: 8; with --images all)',
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='DIR', help='folder of the results'
    )
    parser.add_argument(
        '--html', action='store_true', help='write DIR/report.html too, one page with all of it'
    )
    add_cfg_options(parser, 'all configs')
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'analyze_cam')


if __name__ == '__main__':
    main()

"""Train a classifier on photographs, few of which have a label, in one command."""

from pathlib import Path

from _cli import Parser, positive, run_command

DESCRIPTION = """\
Train a classifier on photographs of which few have a label. PHOTOS is a folder:
- with --labels, any folder; the csv file has the columns file (relative to
  PHOTOS) and label; images that it does not name have no label
- without, one that has a folder per class; images beside them, or in a folder
  named unlabeled, have no label
A pretrained backbone computes features of all images once and keeps them on
disk, so that a second start goes on where the first one was stopped. Weights of
the loss are chosen by cross-validation on the labelled images alone. Writes to
the work dir:
report.html      accuracy with its interval, confusions, maps, predictions, and
                 the images whose label would help most
predictions.csv  class and confidence of each unlabelled image
label_next.csv   the images to label next
classifier.py    config, and classifier.pth, checkpoint, for all other tools
finetuned.py     with --finetune: the same with a trained backbone"""


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(DESCRIPTION, 'python tools/fit.py photos/ --labels labels.csv')
    parser.add_argument('photos', nargs='?', type=Path, metavar='PHOTOS', help='folder of images')
    parser.add_argument(
        '--labels', type=Path, metavar='CSV', help='csv file with the columns file and label'
    )
    parser.add_argument(
        '--labeled', type=Path, metavar='DIR', help='instead of PHOTOS: a folder per class'
    )
    parser.add_argument(
        '--unlabeled', type=Path, metavar='DIR', help='further images without a label'
    )
    parser.add_argument(
        '--backbone',
        default='efficientnet_lite0',
        metavar='NAME',
        help='efficientnet_lite0 (default; its weights are installed) or another config '
        'configs/photos/photos_NAME.py; a model of mmpretrain.list_models(); its config '
        'FILE.py or mmpretrain::FILE.py; or timm:NAME',
    )
    parser.add_argument(
        '--weights',
        metavar='FILE',
        help="file or address of the backbone's weights (default: those that come with it, "
        'downloaded if need be)',
    )
    parser.add_argument(
        '--views',
        type=int,
        default=0,
        metavar='N',
        help='strong views per image, for FixMatch beside MEL and NBEL; each takes as long as the '
        'features do (default: 0)',
    )
    parser.add_argument(
        '--folds',
        type=positive,
        default=5,
        metavar='K',
        help='folds of the cross-validation (default: 5)',
    )
    parser.add_argument('--seed', type=int, default=0, help='of folds and views (default: 0)')
    parser.add_argument(
        '--finetune',
        action='store_true',
        help='train the backbone too, and compare both on labelled images that neither knows',
    )
    parser.add_argument(
        '--finetune-steps',
        type=positive,
        default=200,
        metavar='N',
        help='steps of each of the two trainings (default: 200)',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/fit'),
        metavar='DIR',
        help='folder of the results (default: work_dirs/fit)',
    )
    parser.add_argument(
        '--cache',
        type=Path,
        metavar='DIR',
        help='folder of the features (default: ~/.cache/mmsemiloc/features)',
    )
    parser.add_argument(
        '--allow-links',
        action='store_true',
        help='read images that links in these folders lead to elsewhere',
    )
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'fit')


if __name__ == '__main__':
    main()

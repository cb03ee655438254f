"""Write the weights of a checkpoint for MMDetection, MMSegmentation, MMPretrain or timm."""

from pathlib import Path

from _cli import Parser, run_command

DESCRIPTION = """\
Write the weights of a checkpoint, without optimizer and training state, under
the names that another project expects:
mmdet, mmseg   the backbone alone, for
               init_cfg=dict(type='Pretrained', checkpoint=FILE)
mmpretrain     backbone and linear layer, for load_from=FILE
timm           a DenseNet, for
               timm.create_model('densenet161', checkpoint_path=FILE);
               torchvision has the same names

The file's name ends in the first digits of its SHA-256. Its meta data say what
it was made of."""


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(
        DESCRIPTION, 'python tools/export_backbone.py work_dirs/pets/epoch_90.pth --to mmdet timm'
    )
    parser.add_argument('checkpoint', type=Path, metavar='CHECKPOINT', help='checkpoint file')
    parser.add_argument(
        '--to',
        nargs='+',
        choices=('mmdet', 'mmseg', 'mmpretrain', 'timm'),
        default=['mmdet'],
        metavar='PROJECT',
        help='mmdet, mmseg, mmpretrain or timm, or several of them (default: mmdet)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='folder of the files (default: that of the checkpoint)',
    )
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'export_backbone')


if __name__ == '__main__':
    main()

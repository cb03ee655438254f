"""The work of tools/export_backbone.py."""

import argparse

from rich.console import Console

from mmsemiloc.commands.common import check_checkpoint
from mmsemiloc.models.checkpoints.export import export


def run(args: argparse.Namespace) -> int:
    """Export."""
    check_checkpoint(str(args.checkpoint))
    for target in args.to:
        file = export(args.checkpoint, target, args.out or args.checkpoint.parent)
        Console(soft_wrap=True).print(
            f'{file} ({file.stat().st_size / 2**20:.1f} MiB)', highlight=False
        )
    return 0

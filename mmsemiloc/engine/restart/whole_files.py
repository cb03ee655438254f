"""Checkpoints that are never half written, through MMEngine's file backends."""

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from mmsemiloc.files import write_whole

WHOLE = 'mmsemiloc_whole'  # name of the backend
BACKEND_ARGS = dict(backend=WHOLE)


class WholeFileBackend(LocalBackend):
    """Local files, written beside their place, synced and renamed.

    A process that is killed while it saves, or a machine that stops, leaves the old file or the new
    one. A full disk leaves the old one.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file.

        Raises:
            OSError: If it cannot be written, with its path.
        """
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, obj, sync=True)


register_backend(WHOLE, WholeFileBackend)

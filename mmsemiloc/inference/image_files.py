"""Image files below folders."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mmsemiloc.datasets.listing.endings import EXTENSIONS
from mmsemiloc.datasets.listing.trees import list_tree


def find_images(
    paths: Iterable[Path], out: Path | None = None, say: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """The given files, and the images below the given folders by their names; none twice.

    What is hidden or foreign, or is not an image by its ending, is left out of folders.

    Args:
        paths: Files and folders.
        out: Folder that results are written to. Pictures of an earlier run in it are left
            out.
        say: Called with a line about each kind of what is left out.

    Raises:
        ValueError: If a folder has no image, or ``out`` is one of the folders.
    """
    found: list[Path] = []
    for path in paths:
        found += images_below(path, out, say) if path.is_dir() else [path]
    return list(dict.fromkeys(found))


def images_below(
    folder: Path, out: Path | None, say: Callable[[str], None], roots: Sequence[str] | None = None
) -> list[Path]:
    """The images below a folder by their names, see :func:`find_images`.

    Links must not leave the ``roots``, see ``list_tree``.
    """
    if out is not None and out.resolve() == folder.resolve():
        raise ValueError(
            f'{out} is both the folder of the images and that of the results: choose another --out'
        )
    tree = list_tree(folder, roots=roots)
    for line in tree.left_out.lines(folder):
        say(line)

    below = [folder / name for name in sorted(tree.images)]
    photos = leave_out_results(below, folder, out, say)
    if not photos:
        raise ValueError(f'no image in {folder}: looked for {" ".join(EXTENSIONS)}')
    return photos


def leave_out_results(
    below: list[Path], folder: Path, out: Path | None, say: Callable[[str], None]
) -> list[Path]:
    """Those of the images below a folder that are not pictures of an earlier run in ``out``."""
    if out is None or not out.resolve().is_relative_to(folder.resolve()):
        return below

    results = out.resolve()
    photos = [file for file in below if not file.resolve().is_relative_to(results)]
    number = len(below) - len(photos)
    if number:
        files = '1 image' if number == 1 else f'{number} images'
        say(f'{files} in {out} left out: it is the folder of the results')
    return photos

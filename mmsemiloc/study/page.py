"""Pages (HTML) that need no other file: their style, pictures, plots and tables."""

import base64
import html
import platform
from collections.abc import Callable, Sequence
from importlib import import_module

from mmsemiloc import __version__
from mmsemiloc.study.tables import Table

Section = tuple[str, str, str]  # heading, explanation (HTML) and content (HTML)
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 1100px; padding: 1rem; }
h1 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
p { max-width: 46rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
.grid {
  display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr));
}
.card { background: var(--soft); border-radius: 8px; padding: .8rem; }
.card h3 { margin: 0 0 .4rem; font-size: 1rem; }
.card p { margin: .4rem 0 0; font-size: .87rem; }
.card img { width: 100%; height: auto; display: block; }
.maps { display: grid; gap: .5rem; grid-template-columns: repeat(3, 1fr); }
.maps figure { margin: 0; }
.maps:has(figure:nth-child(4):last-child) { grid-template-columns: repeat(2, 1fr); }
.maps img { border-radius: 4px; }
figcaption { font-size: .8rem; line-height: 1.3; margin-top: .25rem; }
.two {
  display: grid; gap: 1rem; max-width: 800px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr));
}
.strips { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1rem; }
.strips figure { margin: 0; max-width: 100%; }
.strips img { display: block; border-radius: 4px; }
.thumbs {
  display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr));
}
.thumbs figure { margin: 0; min-width: 0; }
.thumbs img, .thumbs .missing {
  width: 100%; aspect-ratio: 1; object-fit: contain; display: block; background: var(--soft);
}
.thumbs .missing { display: grid; place-items: center; font-size: .8rem; text-align: center; }
.thumbs figcaption { overflow-wrap: anywhere; }
.thumbs small { display: block; opacity: .75; }
.pairs { grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); }
.pair { display: grid; gap: .25rem; grid-template-columns: 1fr 1fr; }
.correct { color: light-dark(#00703f, #4fd69c); }
.wrong { color: light-dark(#b3261e, #ff9d94); }
@media (max-width: 600px) { th, td { padding: .3rem .4rem; font-size: .9rem; } }
pre {
  overflow-x: auto; font-size: .8rem; background: var(--soft); padding: .8rem;
  border-radius: 8px;
}
"""


def embed(content: bytes, alt: str, kind: str = 'png') -> str:
    """An image element that holds its data, a PNG or a JPEG (``kind='jpeg'``)."""
    return (
        f'<img alt="{html.escape(alt)}" '
        f'src="data:image/{kind};base64,{base64.b64encode(content).decode()}">'
    )


def embed_both(draw: Callable[[bool], bytes], alt: str) -> str:
    """A plot that is drawn for light and dark pages; the browser shows the one that fits."""
    dark = base64.b64encode(draw(True)).decode()
    return (
        '<picture><source media="(prefers-color-scheme: dark)" '
        f'srcset="data:image/png;base64,{dark}">{embed(draw(False), alt)}</picture>'
    )


def table_html(table: Table) -> str:
    """A table that scrolls by itself on a narrow screen."""
    head = ''.join(f'<th>{html.escape(column)}</th>' for column in table.columns)
    body = ''.join(
        '<tr>' + ''.join(f'<td>{html.escape(cell)}</td>' for cell in row) + '</tr>'
        for row in table.rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def versions() -> str:
    """The versions that matter, for whoever wants to repeat the study."""
    names = ('torch', 'mmengine', 'mmcv', 'mmpretrain', 'numpy')
    packages = ', '.join(f'{name} {import_module(name).__version__}' for name in names)
    return (
        f'mmsemiloc {__version__}, Python {platform.python_version()}, {packages}; '
        f'{platform.platform()}'
    )


def page(title: str, introduction: str, sections: Sequence[Section]) -> str:
    """A page that needs no other file.

    Args:
        title: Its heading.
        introduction: Plain text.
        sections: Heading, explanation (HTML) and content (HTML) of each.
    """
    body = ''.join(f'<h2>{name}</h2><p>{text}</p>{content}' for name, text, content in sections)
    heading = html.escape(title)

    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{heading}</title><style>{STYLE}</style></head><body><h1>{heading}</h1>'
        f'<p>{html.escape(introduction)}</p>{body}</body></html>'
    )

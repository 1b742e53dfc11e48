"""Settings of the documentation site: ``make docs`` builds it into build/docs."""

from __future__ import annotations

import re
import zlib
from os.path import relpath
from pathlib import Path

from pygments.lexer import RegexLexer
from pygments.token import Comment, Keyword, Name, String, Text
from sphinx.application import Sphinx

from md_bridge import __version__

DOCS = Path(__file__).parent
ROOT = DOCS.parent

project = "MD Bridge"
author = "MD Bridge developers"
copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx_click",
    "sphinx_copybutton",
]
exclude_patterns = ["images"]
templates_path: list[str] = []
default_role = "code"
highlight_language = "none"
smartquotes = False  # options are written --so

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"MD Bridge {version}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_theme_options = {"navigation_with_keys": True}


def _empty_inventory() -> str:
    """Path of an inventory that names nothing, for a build without a network.

    The references to other packages are plain text then, and the build does not fail.
    """
    path = ROOT / "build" / "empty.inv"
    path.parent.mkdir(exist_ok=True)
    head = "# Sphinx inventory version 2\n# Project: none\n# Version: 0\n# The rest is zlib.\n"
    path.write_bytes(head.encode() + zlib.compress(b""))
    return str(path)


_EMPTY = _empty_inventory()
intersphinx_timeout = 5
intersphinx_mapping = {
    name: (url, (None, _EMPTY))
    for name, url in {
        "python": "https://docs.python.org/3",
        "numpy": "https://numpy.org/doc/stable",
        "torch": "https://docs.pytorch.org/docs/stable",
        "ase": "https://ase-lib.org",
        "ipi": "https://docs.ipi-code.org",
        "metatomic": "https://docs.metatensor.org/metatomic/latest",
    }.items()
}

# A page of the site may be a file from elsewhere in the repository, shown as it is: it has nothing
# but an include of it. Links in it are written for a reader of the repository.
_INCLUDE = re.compile(r"\A```\{include\} (\S+)\n```\s*\Z")
_LINK = re.compile(r"(!?\[[^\]]*\]\()((?!https?:|mailto:|#)[^)#\s]+)(#[^)\s]*)?(\))")


def _included(page: Path) -> Path | None:
    """The file that a page of the site shows, if it is from elsewhere."""
    found = _INCLUDE.match(page.read_text(encoding="utf-8"))
    return (page.parent / found[1]).resolve() if found else None


_PAGES = {
    target: page for page in DOCS.rglob("*.md") if (target := _included(page)) is not None
} | {ROOT / "README.md": DOCS / "index.md"}


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put in the included file, and turn links to such files into links to their pages."""
    page = Path(app.env.doc2path(docname))
    if page.suffix != ".md":
        return
    origin = _included(page)
    if origin is not None:
        app.env.note_dependency(str(origin))
        source[0] = origin.read_text(encoding="utf-8")
    folder = (origin or page).parent

    def retarget(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        shown = _PAGES.get(target) or _PAGES.get(target / "README.md") or target
        return f"{link[1]}{relpath(shown, page.parent)}{link[3] or ''}{link[4]}"

    source[0] = _LINK.sub(retarget, source[0])


class LammpsLexer(RegexLexer):
    """Inputs of LAMMPS: commands, comments, strings and variables."""

    name = "LAMMPS"
    tokens = {  # noqa: RUF012
        "root": [
            (r"#.*$", Comment),
            (r'"[^"\n]*"', String),
            (r"\$(\w|[{(][^})\n]*[})])", Name.Variable),
            (r"^[a-z_]+", Keyword),
            (r"\s+|\S+", Text),
        ]
    }


def _escape(app: Sphinx, context: object, lines: list[str]) -> None:
    """Helps are plain text: a star in them, as in series/*.csv, is no markup."""
    lines[:] = [line.replace("/*", r"/\*") for line in lines]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    for part in ("description", "options", "arguments", "epilog"):
        app.connect(f"sphinx-click-process-{part}", _escape)
    app.connect("source-read", _read)
    app.add_lexer("lammps", LammpsLexer)

"""The title and text of a page by its media type. trafilatura finds the main part of HTML, and pypdf reads PDF.

Both are in the extra `penstock[web]`, and imported with the first page.
"""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO

from penstock.ports import PageContent, PageFailed, PageText

from .charsets import decoded
from .html_text import title_and_text

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_MAIN_CHARS_MIN = 200
"""A shorter main part was probably not found: then all of the text is returned."""
_PARSED_CHARS_MAX = 2**20
"""Finding the main part of a longer page takes too long."""
_BEGINNING_CHARS = 4_096
_PDF_PAGES_MAX = 200


def needs_process(content: PageContent) -> bool:
    """Whether a parser reads the page. All other pages are text as they are."""
    return content.type in _HTML or content.type == "application/pdf"


def read(content: PageContent, chars_max: int) -> PageText:
    """The title and text. Raises `PageFailed`, and whatever parsers raise."""
    if content.type == "application/pdf":
        return _pdf(content, chars_max)
    if content.type not in _HTML:
        return PageText(text=_decoded(content)[:chars_max])
    html = _decoded(content)
    title, text = title_and_text(html, content.url)
    return PageText(title=title, text=(_main_part(html, content.url) or text)[:chars_max])


def _decoded(content: PageContent) -> str:
    return decoded(content.body, content.charset, is_html=content.type in _HTML, is_cut=content.is_cut)


def _main_part(html: str, url: str) -> str:
    """The main part of a page in Markdown. Empty if it was not found."""
    if len(html) > _PARSED_CHARS_MAX or find_spec("trafilatura") is None:
        return ""
    from trafilatura import extract

    if "<html" not in html[:_BEGINNING_CHARS].lower():  # it refuses pages without this tag, which may be left out
        html = f"<html><body>{html}</body></html>"
    text = extract(html, url=url, output_format="markdown", include_links=True, include_formatting=True) or ""
    return text if len(text) >= _MAIN_CHARS_MIN else ""


def _pdf(content: PageContent, chars_max: int) -> PageText:
    if find_spec("pypdf") is None:
        raise PageFailed("it is a PDF file, and this server has no reader for it: pip install 'penstock[web]'")
    if content.is_cut:
        raise PageFailed("it is a PDF file, and too large")
    from pypdf import PdfReader

    reader = PdfReader(BytesIO(content.body))
    pieces: list[str] = []
    chars = 0
    for page in reader.pages[:_PDF_PAGES_MAX]:
        pieces.append(page.extract_text())
        chars += len(pieces[-1])
        if chars > chars_max:
            break
    title = reader.metadata.title if reader.metadata else ""
    return PageText(title=title or "", text="\n\n".join(pieces)[:chars_max])

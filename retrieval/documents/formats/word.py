"""Word (.docx) by mammoth: headings, paragraphs, lists, tables, notes and text boxes."""

from __future__ import annotations

import io

from retrieval.documents.archive import open_archive
from retrieval.documents.document import Document, Options, Parsed
from retrieval.documents.formats.html import tree
from retrieval.documents.markup import blocks_of

STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name^='heading 7'] => h6:fresh
comment-reference =>
"""
_BACK = "↑"  # from a footnote to its place


def parse(data: bytes, options: Options) -> Parsed:
    """One document, called after its first heading where it begins with one."""
    import mammoth

    open_archive(data).close()
    # Pictures would be written into the HTML as text; what describes them stays.
    pictures = mammoth.images.img_element(lambda _: {"src": ""})
    html = mammoth.convert_to_html(io.BytesIO(data), style_map=STYLES, convert_image=pictures).value
    root = tree(html)
    if root is None:
        return
    blocks = [
        block._replace(text=block.text.removesuffix(_BACK).rstrip()) for block in blocks_of(root)
    ]
    title = options.title
    if len(blocks) > 1 and blocks[0].level:
        title, blocks = blocks[0].text, blocks[1:]
    if blocks:
        yield Document(title, tuple(blocks))

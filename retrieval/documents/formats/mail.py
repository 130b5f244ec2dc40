"""E-mail (.eml): subject, sender, receivers and date, the body, and what is attached to it."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import PurePosixPath

from retrieval.documents.document import Block, Document, Omission, Options, Parsed
from retrieval.documents.encoding import decode
from retrieval.documents.formats.html import page
from retrieval.documents.reader import parser_of
from retrieval.errors import DocumentError

SHOWN = ("From", "To", "Cc", "Date")


def parse(data: bytes, options: Options) -> Parsed:
    """One document; attachments are sections of it, those that cannot be read are told."""
    message = message_from_bytes(data, policy=policy.default)
    if not any(name in message for name in (*SHOWN, "Subject")):
        raise DocumentError("not an e-mail: it has no sender and no subject.")
    blocks = [Block(f"{name}: {message[name]}") for name in SHOWN if message[name]]
    blocks += _body(message)
    for number, part in enumerate(message.iter_attachments(), 1):
        name = part.get_filename() or f"{number}{_ending(part)}"
        try:
            for found in parser_of(name)(
                _content(part), Options(PurePosixPath(name).stem, options.ocr)
            ):
                if isinstance(found, Omission):
                    yield Omission(f"attachment {name}, {found.part}".strip(", "), found.reason)
                else:
                    blocks.append(Block(name, level=1))
                    blocks += (
                        block._replace(level=min(6, block.level + 1)) if block.level else block
                        for block in found.blocks
                    )
        except DocumentError as error:
            yield Omission(f"attachment {name}", str(error))
    yield Document(str(message["Subject"] or "").strip() or options.title, tuple(blocks))


def _body(message: EmailMessage) -> Iterator[Block]:
    """The body as plain text, else as HTML."""
    for kind in ("plain", "html"):
        part = message.get_body(preferencelist=(kind,))
        if not isinstance(part, EmailMessage):
            continue
        text = decode(_content(part), part.get_content_charset()).text
        if not text.strip():
            continue
        if kind == "plain":
            yield from (Block(line.rstrip()) for line in text.split("\n") if line.strip())
        elif (document := page(text, "")) is not None:
            yield from document.blocks
        return


def _content(part: EmailMessage) -> bytes:
    """The bytes of a part; of an attached message all of it."""
    if part.get_content_type() == "message/rfc822":
        inner = part.get_content()
        return bytes(inner) if isinstance(inner, EmailMessage) else b""
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _ending(part: EmailMessage) -> str:
    kinds = {"message/rfc822": ".eml", "text/plain": ".txt", "text/html": ".html"}
    return kinds.get(part.get_content_type(), "")

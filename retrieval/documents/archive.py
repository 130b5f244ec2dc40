"""Archives: the ZIP files that office documents and e-books are, within bounds."""

from __future__ import annotations

import io
import zipfile

from retrieval.errors import DocumentError

MAX_UNPACKED = 512 * 2**20  # bytes of all parts together: more is a bomb, or not for reading
OLE = b"\xd0\xcf\x11\xe0"  # how encrypted office files begin, and those of old programs


def open_archive(data: bytes) -> zipfile.ZipFile:
    """The archive; DocumentError where it is none or would unpack to more than MAX_UNPACKED."""
    if data.startswith(OLE):
        raise DocumentError(
            "encrypted with a password, or written by an old program. Save it anew without a password."
        )
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise DocumentError(f"damaged ({error}). Open it and save it again.") from error
    size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_UNPACKED:
        raise DocumentError(
            f"unpacks to {size >> 20:,} MiB, {MAX_UNPACKED >> 20} are read. Split it."
        )
    return archive

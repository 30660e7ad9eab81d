"""Keep each outline of a PDF once: Chromium writes a formula's letters out wherever they stand.

They were a third of the book's weight. What is drawn stays the same.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    NumberObject,
    StreamObject,
)

# What is filled and comes right after its colour: nothing else belongs to the same path.
OUTLINE = re.compile(rb"(?<= gs\n)(?:(?:-?[\d.]+ )+[mlc]\n|h\n)+f\n")
LEAST = 60  # bytes
ROOM = 50  # around an outline, in its own units, so that the blur of its edge is not cut


def share(writer: PdfWriter) -> None:
    """Replace the outlines that a document draws more than once by one form each."""
    times = Counter(
        outline for page in writer.pages for outline in OUTLINE.findall(_stream(page).get_data())
    )
    forms: dict[bytes, tuple[NameObject, IndirectObject]] = {}
    for outline, count in times.items():
        if count > 1 and len(outline) >= LEAST:
            name = NameObject(f"/Outline{len(forms)}")
            forms[outline] = name, writer._add_object(_form(outline))
    for page in writer.pages:
        stream = _stream(page)
        data = stream.get_data()
        used = DictionaryObject(forms[one] for one in OUTLINE.findall(data) if one in forms)
        if used:
            resources: Any = page["/Resources"]
            own = resources.setdefault(NameObject("/XObject"), DictionaryObject())
            own.get_object().update(used)
            stream.set_data(OUTLINE.sub(lambda found: _drawing(found[0], forms), data))


def _stream(page: DictionaryObject) -> StreamObject:
    stream = page["/Contents"].get_object()
    assert isinstance(stream, StreamObject)  # Chromium writes one for each page
    return stream


def _drawing(outline: bytes, forms: dict[bytes, tuple[NameObject, IndirectObject]]) -> bytes:
    return f"{forms[outline][0]} Do\n".encode() if outline in forms else outline


def _form(outline: bytes) -> StreamObject:
    numbers = [float(number) for number in re.findall(rb"-?[\d.]+", outline)]
    low = [NumberObject(math.floor(min(numbers[axis::2])) - ROOM) for axis in (0, 1)]
    high = [NumberObject(math.ceil(max(numbers[axis::2])) + ROOM) for axis in (0, 1)]
    form = DecodedStreamObject()
    form.set_data(outline)
    form.update(
        {
            NameObject("/Type"): NameObject("/XObject"),
            NameObject("/Subtype"): NameObject("/Form"),
            NameObject("/BBox"): ArrayObject([*low, *high]),
            NameObject("/Resources"): DictionaryObject(),
        }
    )
    return form.flate_encode()

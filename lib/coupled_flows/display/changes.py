"""What changes from frame to frame of a drawing: one SVG, and a table for all the others."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

OWN = "\ue000"  # stands in ids for what tells this drawing's from another's
GAP = "~"  # stands in a template for a word that changes
SAME = "\ue001"  # starts the id of an axis; an empty one looks as it does in the first frame
DECIMAL = re.compile(r"-?\d+\.\d+")
REFERENCE = re.compile(r"(?<=#)[\w.-]+")


def plain(text: str) -> ET.Element:
    """Return the SVG as a tree without name spaces, white space and the sheet for all pages."""
    text = re.sub(r'\s+xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    root = ET.fromstring(text)
    for element in root.iter():
        element.text = element.tail = None
        if "d" in element.attrib:
            element.set("d", " ".join(element.attrib["d"].split()))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    return root


class Drawing:
    """Frames as one drawing, that of frame `start`, and a table of what changes.

    Parameters
    ----------
    frames : sequence of Element
    start : int
        The frame that is written, and whose axes are drawn.

    Attributes
    ----------
    root : Element
        The SVG of frame `start`; what changes has the attribute data-v.
    moves : list
        For each change [data-v, attribute or "" for what is inside, template or "", values] and,
        where frames share values, the index of each frame's. A template's gaps are filled by the
        words of the value.
    """

    def __init__(self, frames: Sequence[ET.Element], start: int) -> None:
        self.moves: list[list[Any]] = []
        self._marked = 0
        self._pool: dict[str, str] = {}
        self._start = start
        self.root = frames[start]
        axes = {e.get("id"): e for e in self.root.iter() if e.get("id", "").startswith(SAME)}
        for frame in frames:
            self._gather(frame)
        for frame in frames:
            _restore(frame, axes)
        self._merge(frames)
        for element in self.root.iter():
            element.attrib.pop("id", None)
        shared = ET.Element("defs")
        for content, name in self._pool.items():
            element = ET.fromstring(content)
            element.set("id", name)
            shared.append(element)
        self.root.insert(0, shared)

    def markup(self) -> str:
        """Return the drawing as text."""
        return ET.tostring(self.root, encoding="unicode")

    def _gather(self, frame: ET.Element) -> None:
        """Take out what is drawn by reference, and let the frame refer to the shared copies."""
        names = {}
        for parent in list(frame.iter()):
            for defs in parent.findall("defs"):
                parent.remove(defs)
                for element in defs:
                    if (old := element.attrib.pop("id", None)) is not None:
                        content = ET.tostring(element, encoding="unicode")
                        fresh = f"{OWN}{len(self._pool)}"
                        names[old] = self._pool.setdefault(content, fresh)
        for element in frame.iter():
            for key, value in element.items():
                if "#" in value:
                    value = REFERENCE.sub(lambda m: names.get(m[0], m[0]), value)
                elif key in {"d", "x", "y"}:
                    value = DECIMAL.sub(_tenth, value)
                element.set(key, value)

    def _merge(self, same: Sequence[ET.Element]) -> None:
        """Fold one element of all frames into the first's."""
        first = same[self._start]
        if all(element is first for element in same):
            return
        changed = [k for k in list(first.attrib) if k != "id" and len({e.get(k) for e in same}) > 1]
        if changed:
            number = self._mark(first)
            for key in changed:
                self._note(number, key, [element.attrib[key] for element in same])
        children = [list(element) for element in same]
        before, after = _ends(children)
        for i in range(before):
            self._merge([row[i] for row in children])
        for i in range(-after, 0):
            self._merge([row[i] for row in children])
        middles = [row[before : len(row) - after] for row in children]
        if any(middles):
            group = ET.Element("g")
            for element in middles[self._start]:
                first.remove(element)
            first.insert(before, group)
            self._note(self._mark(group), "", [_inside(middle) for middle in middles])
            group.extend(middles[self._start])

    def _mark(self, element: ET.Element) -> int:
        element.set("data-v", str(self._marked))
        self._marked += 1
        return self._marked - 1

    def _note(self, number: int, key: str, values: Sequence[str]) -> None:
        template, values = ("", values) if key == "" else _template(values)
        distinct = list(dict.fromkeys(values))
        move = [number, key, template, distinct]
        if len(distinct) < len(values):
            where = {value: i for i, value in enumerate(distinct)}
            move.append([where[value] for value in values])
        self.moves.append(move)


def _restore(frame: ET.Element, axes: Mapping[str | None, ET.Element]) -> None:
    """Put the axes that were left out in their places."""
    for parent in list(frame.iter()):
        for i, child in enumerate(list(parent)):
            if (key := child.get("id")) in axes and not len(child):
                parent[i] = axes[key]


def _tenth(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _kind(element: ET.Element) -> tuple[object, ...]:
    stem = re.sub(r"_?\d+$", "", element.get("id", ""))
    return element.tag, stem, tuple(sorted(element.attrib))


def _ends(children: Sequence[Sequence[ET.Element]]) -> tuple[int, int]:
    """Return how many children are alike in all frames from the first on, and from the last."""
    kinds = [[_kind(element) for element in row] for row in children]
    shortest = min(map(len, kinds))

    def alike(rows: Sequence[Sequence[object]], most: int) -> int:
        columns = enumerate(zip(*rows, strict=False))
        return min(next((i for i, row in columns if len(set(row)) > 1), shortest), most)

    before = alike(kinds, shortest)
    if before == max(map(len, kinds)):
        return before, 0
    return before, alike([row[::-1] for row in kinds], shortest - before)


def _inside(elements: Sequence[ET.Element]) -> str:
    copies = [ET.fromstring(ET.tostring(element)) for element in elements]
    for copy in copies:
        for element in copy.iter():
            element.attrib.pop("id", None)
    return "".join(ET.tostring(copy, encoding="unicode") for copy in copies)


def _template(values: Sequence[str]) -> tuple[str, list[str]]:
    """Return what is the same in all values, with gaps, and what fills the gaps."""
    words = [value.split(" ") for value in values]
    if len(words[0]) == 1 or len(set(map(len, words))) > 1 or GAP in values[0]:
        return "", list(values)
    changes = [len(set(column)) > 1 for column in zip(*words, strict=True)]
    template = " ".join(GAP if c else word for c, word in zip(changes, words[0], strict=True))
    return template, [
        " ".join(word for c, word in zip(changes, row, strict=True) if c) for row in words
    ]

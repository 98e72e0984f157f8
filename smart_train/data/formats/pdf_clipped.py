"""Text that a clip path cuts away: nothing of it is on the drawn page.

Only what is certain is told: a text object (a word or a line, as the file draws it) that is nowhere near the box around
its clip path. One of which a part is seen stays whole, and so does one that is inside the box and outside a clip path
which is not a rectangle. Comparing the page with one that is drawn without the text was rejected: it costs a drawing
for each text, and tells white text on white paper from clipped text no better.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from smart_train.data.formats.pdf_glyphs import PageObject, objects_of

Edges = tuple[float, float, float, float]  # left, bottom, right, top
Matrix = tuple[float, float, float, float, float, float]  # a, b, c, d, e, f

_Clips = tuple[tuple[Matrix, Edges | None], ...]

_WHOLE: Matrix = (1, 0, 0, 1, 0, 0)
_NEAR = 1.0  # points: what is not farther from the box may show its edge


def clipped_objects(objects: Iterable[PageObject]) -> set[int]:
    """The addresses of a page's text objects of which nothing is seen, by the page's objects. Text in the invisible
    mode is not among them."""
    return set(_clipped(objects, ()))


def _clipped(objects: Iterable[PageObject], around: _Clips) -> Iterator[int]:
    """`around`: of each form around these objects, its matrix and the box of its clip path, the innermost first."""
    import pypdfium2.raw as pdfium

    for kind, item in objects:
        if kind == pdfium.FPDF_PAGEOBJ_FORM:
            inner = objects_of(item, pdfium.FPDFFormObj_CountObjects, pdfium.FPDFFormObj_GetObject)
            yield from _clipped(inner, ((_matrix(item), _clip_box(item)), *around))
        elif kind == pdfium.FPDF_PAGEOBJ_TEXT:
            clips = ((_WHOLE, _clip_box(item)), *around)
            if any(clip is not None for _, clip in clips) and _is_outside(item, clips):
                yield ctypes.addressof(item.contents)


def _is_outside(item: Any, clips: _Clips) -> bool:
    """Whether the box of a text is away from the box of a clip path around it. `clips`: from the text outwards, the
    matrix that leads into the coordinates of each clip path."""
    import pypdfium2.raw as pdfium

    if pdfium.FPDFTextObj_GetTextRenderMode(item) == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE:
        return False
    edges = [ctypes.c_float() for _ in range(4)]
    if not pdfium.FPDFPageObj_GetBounds(item, *edges):
        return False
    left, bottom, right, top = (edge.value for edge in edges)
    for matrix, clip in clips:
        left, bottom, right, top = _moved((left, bottom, right, top), matrix)
        if clip is not None and (
            max(clip[0] - right, left - clip[2]) > _NEAR or max(clip[1] - top, bottom - clip[3]) > _NEAR
        ):
            return True
    return False


def _clip_box(item: Any) -> Edges | None:
    """What the boxes around all clip paths of an object have in common; None where it has none."""
    import pypdfium2.raw as pdfium

    paths = pdfium.FPDFPageObj_GetClipPath(item)
    count = pdfium.FPDFClipPath_CountPaths(paths) if paths else 0
    if count <= 0:
        return None
    across, up = ctypes.c_float(), ctypes.c_float()
    common: Edges | None = None
    for path in range(count):
        points = []
        for place in range(pdfium.FPDFClipPath_CountPathSegments(paths, path)):
            segment = pdfium.FPDFClipPath_GetPathSegment(paths, path, place)
            if pdfium.FPDFPathSegment_GetPoint(segment, across, up):  # of a curve, its control points: around it
                points.append((across.value, up.value))
        if points:
            box = _around(points)
            common = box if common is None else _both(common, box)
    return common


def _matrix(item: Any) -> Matrix:
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, ctypes.byref(matrix)):
        return _WHOLE
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _moved(edges: Edges, matrix: Matrix) -> Edges:
    """The box around a box in other coordinates."""
    a, b, c, d, e, f = matrix
    return _around([(a * x + c * y + e, b * x + d * y + f) for x in edges[::2] for y in edges[1::2]])


def _around(points: Sequence[tuple[float, float]]) -> Edges:
    across, up = zip(*points, strict=True)
    return min(across), min(up), max(across), max(up)


def _both(first: Edges, second: Edges) -> Edges:
    """What two boxes have in common; where they have nothing, a box that is turned inside out, outside of which all
    is."""
    return max(first[0], second[0]), max(first[1], second[1]), min(first[2], second[2]), min(first[3], second[3])

"""What stands on a page beside its content: values of form fields, and text that somebody typed over it in a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage


def with_annotations(pdf: PdfDocument, index: int) -> PdfPage:
    """A page, its annotations that are drawn made a part of its content: PDFium's text has none of them.

    Most pages with annotations have links only, which hold no text: they stay as they are.
    """
    import pypdfium2.raw as pdfium

    page = pdf[index]
    places = range(pdfium.FPDFPage_GetAnnotCount(page.raw))
    annotations = [item for item in (pdfium.FPDFPage_GetAnnot(page.raw, place) for place in places) if item]
    try:
        kinds = {pdfium.FPDFAnnot_GetSubtype(item) for item in annotations}
        if kinds <= {pdfium.FPDF_ANNOT_LINK, pdfium.FPDF_ANNOT_POPUP}:
            return page
        _hide_unseen(annotations)
    finally:
        for item in annotations:
            pdfium.FPDFPage_CloseAnnot(item)
    # Where the page takes its boxes from its parent, `FPDFPage_Flatten` makes US Letter of it.
    box = page.get_bbox()
    page.set_mediabox(*box)
    page.set_cropbox(*box)
    if pdfium.FPDFPage_Flatten(page.raw, pdfium.FLAT_NORMALDISPLAY) != pdfium.FLATTEN_SUCCESS:
        return page
    page.close()
    return pdf[index]


def _hide_unseen(annotations: list[Any]) -> None:
    """Hides the annotations that are for print only: `FPDFPage_Flatten` does not ask, and they are not drawn. Those of
    a layer that is switched off stay: PDFium draws them."""
    import pypdfium2.raw as pdfium

    for item in annotations:
        flags = pdfium.FPDFAnnot_GetFlags(item)
        if flags & pdfium.FPDF_ANNOT_FLAG_NOVIEW:
            pdfium.FPDFAnnot_SetFlags(item, flags | pdfium.FPDF_ANNOT_FLAG_HIDDEN)

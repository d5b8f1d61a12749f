"""A figure as files: vector PDF and PNG, the same bytes for the same figure."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from analysis.figures.settings import own_settings
from atlas.output.files import write_file

DPI = 150
# Dates and versions would change the bytes of the same picture.
METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


@own_settings()
def figure_bytes(figure: Figure, form: str, *, software: str | None = None) -> bytes:
    """A figure as PNG of 150 dpi or as vector PDF with its fonts, without dates.

    Parameters
    ----------
    figure : Figure
    form : {"png", "pdf"}
    software : str, optional
        Written into a PNG as what made it.

    Returns
    -------
    bytes
    """
    buffer, metadata = io.BytesIO(), METADATA[form]
    if software is not None:
        metadata = metadata | {"Software": software}
    figure.savefig(buffer, format=form, dpi=DPI, metadata=metadata)
    return buffer.getvalue()


def write_figure(figure: Figure, path: Path) -> list[Path]:
    """Write ``path.png`` and ``path.pdf``; ``path`` is without suffix, its folder there."""
    return [
        write_file(path.with_name(f"{path.name}.{form}"), figure_bytes(figure, form))
        for form in METADATA
    ]

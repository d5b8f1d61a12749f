"""``atlas overlay``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas.cli.app import Force, app, plain_errors
from atlas.cli.terminal import say


@app.command()
def overlay(
    dataset: Annotated[Path, typer.Argument(help="Archive, folder of subjects, or one subject.")],
    subject: Annotated[str, typer.Argument(help="sub-03")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="FILE.png: one sheet; a folder: a sheet an image.")
    ] = Path("overlay.png"),
    images: Annotated[
        Path | None, typer.Option(help="Where rawdata/ is, if not in the dataset or beside it.")
    ] = None,
    every: Annotated[
        int | None, typer.Option(help="Every so-manieth slice with a contour; about 20 by default.")
    ] = None,
    slices: Annotated[
        str | None,
        typer.Option(help="These slices of the image instead, counted from 0: 12,40,64."),
    ] = None,
    margin_mm: Annotated[float, typer.Option(help="Shown around the contours, mm.")] = 8.0,
    force: Force = False,
) -> None:
    """Draw contours and root points over the CISS image, ganglia over T2-TSE, to judge them."""
    with plain_errors():
        from analysis.figures.overlays import write_overlay

        lost = write_overlay(
            dataset,
            subject,
            out,
            images=images,
            every=every,
            slices=() if slices is None else _numbers(slices),
            margin_mm=margin_mm,
            force=force,
        )
    for line in lost:
        say(line)
    say(f"written to {out}")


def _numbers(text: str) -> tuple[int, ...]:
    from atlas.errors import AtlasError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise AtlasError(f"--slices: expected whole numbers with commas, got {text!r}") from None

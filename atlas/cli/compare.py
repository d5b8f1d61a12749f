"""``atlas compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas.cli.app import Exit, Force, app, plain_errors, progress
from atlas.cli.terminal import open_console, print_table, say

if TYPE_CHECKING:
    from atlas.compare import Comparison


@app.command()
def compare(
    dataset: Annotated[Path, typer.Argument(help="Annotations.")],
    models: Annotated[Path, typer.Argument(help="Folder of sub-XX_{Cord,Dura,Nerveroots}.stl.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")],
    force: Force = False,
) -> None:
    """Measure our surfaces of annotated subjects against meshes others made of them.

    Exit code 1 where something could not be compared.
    """
    with plain_errors(), progress() as stage:
        from atlas.compare import compare_dataset

        found, lost = compare_dataset(dataset, models, out, force=force, stage=stage)
    _print_comparisons(found)
    for line in lost:
        say(f"not compared: {line}")
    say(f"Radii of our roots are assumed (0.5 mm). Written to {out}")
    raise typer.Exit(Exit.FINDINGS if lost else Exit.DONE)


def _print_comparisons(found: Sequence[Comparison]) -> None:
    rows = []
    for c in found:
        ways = (c.ours_to_theirs_mm, c.theirs_to_ours_mm)
        volumes = (c.volume_ours_mm3, c.volume_theirs_mm3)
        rows.append(
            (
                c.subject,
                c.structure,
                *("  ".join(f"{d:.2f}" for d in way) for way in ways),
                *("open" if v != v else f"{v:.0f}" for v in volumes),  # noqa: PLR0124
            )
        )
    headings = ("ours to theirs", "theirs to ours", "ours mm³", "theirs mm³")
    title = "Distance, mm: mean, RMS, 95 %, max"
    print_table(open_console(), title, ("subject", "structure", *headings), rows, names=2)

"""``atlas show``, and an atlas in a screenful for the commands that make one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas.cli.app import app, plain_errors
from atlas.cli.terminal import as_markup, open_console, print_table

if TYPE_CHECKING:
    from atlas.store import Atlas


# More subjects than this are a wall of names.
MOST_NAMES = 40


@app.command()
def show(
    model: Annotated[Path, typer.Argument(help="model.h5, or the folder of a build.")],
) -> None:
    """Print an atlas in a screenful."""
    with plain_errors():
        from atlas.store import load_atlas

        atlas = load_atlas(model)
    print_atlas(atlas)


def print_atlas(atlas: Atlas) -> None:
    """Print what an atlas is made of, and its first modes."""
    console = open_console()
    model, alignment, origin = atlas.model, atlas.alignment, atlas.provenance
    state = "converged" if alignment.converged else "NOT converged"
    lines = {
        "subjects": f"n = {model.n_subjects}: {_named(alignment.landmarks.subject_ids)}",
        "cohort": origin.get("notice") or "annotated images",
        "landmarks": f"{model.scheme.size}, depth from {model.scheme.origin}",
        "alignment": f"anchor {alignment.anchor}, rotation {alignment.rotations}, "
        f"scale {alignment.scaling}, weights by {alignment.weighting}; "
        f"{state} in {alignment.n_iterations} rounds",
        "variance": f"{model.total_variance:.0f} mm² in {model.n_modes} modes "
        f"({(model.total_variance / model.scheme.size) ** 0.5:.2f} mm RMS per landmark)",
        "dura": "{} rings over {:.1f} to {:.1f} mm".format(
            model.scheme.block("dura").levels, *model.scheme.block("dura").extent_mm or (0, 0)
        ),
        "made": f"{origin.get('created', '?')} with lumbosacral-atlas "
        f"{origin.get('software', {}).get('version', '?')}",
        "note": origin.get("disclaimer", ""),
    }
    for name, text in lines.items():
        console.print(f"[bold]{name:10}[/] {as_markup(text)}")
    shares = 100 * model.explained
    rows = [
        (k + 1, *(f"{v:.1f}" for v in (model.variance[k] ** 0.5, shares[k], shares[: k + 1].sum())))
        for k in range(min(8, model.n_modes))
    ]
    print_table(console, "modes of variation", ("mode", "SD mm", "share %", "cumulative %"), rows)


def _named(subject_ids: tuple[str, ...]) -> str:
    """Names of subjects; of many the first and the last."""
    if len(subject_ids) <= MOST_NAMES:
        return ", ".join(subject_ids)
    return f"{subject_ids[0]}, {subject_ids[1]}, … {subject_ids[-1]}"


def print_model_findings(atlas: Atlas) -> None:
    """Findings about the model itself; those about subjects are what `atlas check` is for."""
    console = open_console()
    for finding in atlas.provenance["findings"]:
        if finding["severity"] == "warning" and not finding["subject"]:
            console.print(
                f"[yellow]warning[/] {as_markup(finding['rule'])}  "
                f"{as_markup(finding['place'])}: {as_markup(finding['message'])}"
            )

"""The command ``atlas``: parses and prints, computes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from atlas.data.dataset import Dataset
    from atlas.data.subject import Finding
    from atlas.predict import Predictor
    from atlas.prediction_files import RootPrediction
    from atlas.store import Atlas

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Statistical atlas of the human lumbosacral cord, its sac and its nerve roots. "
    "Research software; not a medical device.",
)


PIPE_WIDTH = 120


class Exit(IntEnum):
    """What an exit code says."""

    DONE = 0
    FINDINGS = 1
    BAD_INPUT = 2


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Bad input gets one clear message and exit code 2; a defect of ours keeps its traceback."""
    from atlas.errors import AtlasError

    try:
        yield
    except AtlasError as error:
        typer.echo(f"atlas: {error}", err=True)
        raise typer.Exit(Exit.BAD_INPUT) from None


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show the running stage on a terminal; stay quiet when piped."""
    if not sys.stderr.isatty():
        yield lambda _name: None
        return
    console = _console(stderr=True)
    with console.status("") as status:

        def stage(name: str) -> None:
            status.update(f"{name} …")

        yield stage


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    # A pipe has no width of its own: give tables the room they need instead of cutting them.
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=width)


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Options of every command."""
    if version:
        from atlas import __version__

        typer.echo(f"atlas {__version__}")
        raise typer.Exit(Exit.DONE)


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="Archive, folder of subjects, or one subject.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Look through a dataset: what is there, and what is wrong with it.

    Exit code 0: nothing found but notes; 1: warnings; 2: something cannot be used.
    """
    with _plain_errors():
        from atlas.build import check_dataset
        from atlas.data.dataset import survey_dataset
        from atlas.data.subject import Severity

        dataset = survey_dataset(path)
        findings = check_dataset(dataset)
        if as_json:
            typer.echo(json.dumps(_check_document(dataset, findings), indent=2))
        else:
            _print_check(dataset, findings)
        worst = max((f.severity for f in findings), default=Severity.NOTE)
    raise typer.Exit([Exit.DONE, Exit.FINDINGS, Exit.BAD_INPUT][worst])


def _check_document(dataset: Dataset, findings: tuple[Finding, ...]) -> dict[str, Any]:
    return {
        "root": dataset.root,
        "notice": dataset.notice,
        "subjects": [
            {
                "id": s.id,
                "n_dura": len(s.dura),
                "n_cord": len(s.cord),
                "n_roots": len(s.roots),
                "n_ganglia": len(s.ganglia),
                "n_points": s.n_points,
                "spacing_mm": round(s.spacing_mm, 4),
                "dura_extent_mm": round(s.dura_extent_mm, 3),
                "cord_extent_mm": round(s.cord_extent_mm, 3),
                "covariates": dict(s.covariates),
                "n_findings": sum(f.subject == s.id for f in findings),
            }
            for s in dataset.subjects
        ],
        "findings": [f.document() for f in findings],
    }


def _print_check(dataset: Dataset, findings: tuple[Finding, ...]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from atlas.data.subject import Severity

    console = _console()
    table = Table(title=escape(f"{dataset.root}"), title_justify="left")
    table.add_column("subject", no_wrap=True)
    headings = ("dura", "cord", "roots", "ganglia", "points")
    for heading in (*headings, "spacing mm", "dura mm", "cord mm", "warnings"):
        table.add_column(heading, justify="right")
    for s in dataset.subjects:
        counts = (len(s.dura), len(s.cord), len(s.roots), len(s.ganglia), s.n_points)
        own = sum(f.subject == s.id and f.severity > Severity.NOTE for f in findings)
        table.add_row(
            escape(s.id),
            *map(str, counts),
            f"{s.spacing_mm:.1f}",
            f"{s.dura_extent_mm:.1f}",
            f"{s.cord_extent_mm:.1f}",
            str(own or "–"),
        )
    console.print(table)
    if dataset.notice:
        console.print(escape(dataset.notice), style="italic")
    styles = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
    for finding in sorted(findings, key=lambda f: (-f.severity, f.subject)):
        word = finding.severity.name.lower()
        console.print(
            f"[{styles[finding.severity]}]{word:8}[/] {finding.rule}  {escape(str(finding))}"
        )
    totals = [sum(f.severity is s for f in findings) for s in reversed(Severity)]
    console.print("{} errors, {} warnings, {} notes".format(*totals))


Origin = Annotated[str, typer.Option(help="Depth counted from: dura-apex or conus.")]
Anchor = Annotated[
    str | None,
    typer.Option(help="Point held fixed: dura-apex, conus, centroid, or a landmark or block name."),
]
Rotation = Annotated[str, typer.Option(help="full, axial or none.")]


@app.command()
def build(
    dataset: Annotated[Path, typer.Argument(help="Archive, folder of subjects.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the result.")] = Path("atlas"),
    origin: Origin = "dura-apex",
    anchor: Anchor = None,
    rotation: Rotation = "full",
    scale: Annotated[str, typer.Option(help="none, or unit: same centroid size.")] = "none",
    weights: Annotated[
        str, typer.Option(help="What counts alike: landmark, structure or area.")
    ] = "landmark",
    extent: Annotated[
        str, typer.Option(help="Dura rings over the common or the full extent.")
    ] = "common",
    bridged: Annotated[
        str, typer.Option(help="Bridged landmarks: as-measured, uncertain or missing.")
    ] = "as-measured",
    slide: Annotated[
        str | None,
        typer.Option(help="Slide semilandmarks: bending or procrustes; read docs/alignment.md."),
    ] = None,
) -> None:
    """Build the atlas of a group: model, meshes, tables, figures, provenance."""
    with _plain_errors(), _progress() as stage:
        from atlas.build import build as build_folder
        from atlas.store import Settings

        settings = Settings(
            origin=origin,
            anchor=anchor,
            rotation=rotation,
            scale=scale,
            weights=weights,
            extent=extent,
            bridged=bridged,
            slide=slide,
        )
        result = build_folder(dataset, out, settings, stage=stage)
    _print_atlas(result)
    _print_model_findings(result)
    typer.echo(f"written to {out}")


@app.command()
def show(
    model: Annotated[Path, typer.Argument(help="model.h5, or the folder of a build.")],
) -> None:
    """Print an atlas in a screenful."""
    with _plain_errors():
        from atlas.store import load_atlas

        atlas = load_atlas(model)
    _print_atlas(atlas)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="model.h5, or the folder of a build.")],
    to: Annotated[str, typer.Option("--to", help="statismo, slicermorph, csv or npz.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File or folder to write.")],
) -> None:
    """Write an atlas for another program: statismo, SlicerMorph, CSV or NumPy."""
    with _plain_errors():
        from atlas.exchange.exports import export_atlas
        from atlas.store import load_atlas

        export_atlas(load_atlas(model), to, out)
    typer.echo(f"written to {out}")


def _print_atlas(atlas: Atlas) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = _console()
    model, alignment, origin = atlas.model, atlas.alignment, atlas.provenance
    state = "converged" if alignment.converged else "NOT converged"
    lines = {
        "subjects": f"n = {model.n_subjects}: {', '.join(alignment.landmarks.subject_ids)}",
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
        console.print(f"[bold]{name:10}[/] {escape(text)}")
    table = Table("mode", title="modes of variation", title_justify="left")
    for heading in ("SD mm", "share %", "cumulative %"):
        table.add_column(heading, justify="right")
    shares = 100 * model.explained
    for k in range(min(8, model.n_modes)):
        table.add_row(
            str(k + 1),
            f"{model.variance[k] ** 0.5:.1f}",
            f"{shares[k]:.1f}",
            f"{shares[: k + 1].sum():.1f}",
        )
    console.print(table)


def _print_model_findings(atlas: Atlas) -> None:
    """Findings about the model itself; those about subjects are what `atlas check` is for."""
    from rich.markup import escape

    console = _console()
    for finding in atlas.provenance["findings"]:
        if finding["severity"] == "warning" and not finding["subject"]:
            console.print(
                f"[yellow]warning[/] {finding['rule']}  "
                f"{escape(finding['place'])}: {escape(finding['message'])}"
            )


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="model.h5, or the folder of a build.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the result.")] = Path(
        "evaluation"
    ),
    dataset: Annotated[
        Path | None, typer.Option(help="Its annotations, for the floor of their noise.")
    ] = None,
) -> None:
    """Say how good an atlas is: generalisation, specificity, stability, prediction."""
    with _plain_errors(), _progress() as stage:
        from atlas.build import evaluate as evaluate_folder

        evaluate_folder(model, dataset, out, stage=stage)
    typer.echo(f"written to {out}")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="model.h5, or the folder of a build.")],
    markers: Annotated[Path, typer.Argument(help="A subject's folder with a part of its markers.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the result.")] = Path(
        "prediction"
    ),
    given: Annotated[
        str | None,
        typer.Option(help="Structures to predict from, by comma; what is there of dura and cord."),
    ] = None,
) -> None:
    """Predict the roots of a subject from its dura and cord, with calibrated intervals."""
    with _plain_errors(), _progress() as stage:
        from atlas.data.dataset import read_dataset
        from atlas.predict import fit_predictor, only_subject, walls_of
        from atlas.predict import predict as predict_subject
        from atlas.prediction_files import root_predictions, write_prediction
        from atlas.store import load_atlas

        atlas = load_atlas(model)
        subject = only_subject(read_dataset(markers, optional=("cord",)))
        structures = tuple(given.split(",")) if given else walls_of(subject)
        stage("leaving out each subject of the atlas")
        predictor = fit_predictor(atlas.alignment, structures)
        stage("predicting")
        prediction = predict_subject(atlas.alignment, atlas.model, predictor, subject)
        write_prediction(atlas, prediction, predictor, out)
        rows = root_predictions(prediction, predictor)
    _print_prediction(atlas, predictor, rows)
    typer.echo(f"written to {out}")


def _print_prediction(atlas: Atlas, predictor: Predictor, rows: list[RootPrediction]) -> None:
    from rich.table import Table

    console = _console()
    table = Table("root", title="predicted roots; ± held 95 % of what was left out")
    for heading in ("begin mm", "±", "angle °", "±", "ganglion mm", "±"):
        table.add_column(heading, justify="right")
    for row in rows:
        numbers = (
            row.begin_below_apex_mm,
            row.begin_radius_mm,
            row.angle_deg,
            row.angle_radius_deg,
            row.ganglion_below_apex_mm,
            row.ganglion_radius_mm,
        )
        table.add_row(f"{row.key.level} {row.key.side}", *(f"{v:.1f}" for v in numbers))
    console.print(table)
    better = "better" if predictor.error_mm < predictor.baseline_mm else "NO better"
    console.print(
        f"left out in turn, n = {predictor.n_subjects}: error {predictor.error_mm:.1f} mm RMS from "
        f"{', '.join(predictor.given)}; mean shape {predictor.baseline_mm:.1f} mm: {better} "
        f"than the mean shape ({predictor.n_modes} modes, {predictor.noise_mm:g} mm noise, chosen "
        "on the same subjects, which flatters it: `atlas evaluate` chooses anew for each)"
    )
    if atlas.provenance.get("notice"):
        console.print(f"atlas {atlas.provenance['notice']}", style="italic")


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Folder of cohort and atlas.")] = Path("atlas-demo"),
    seed: Annotated[int, typer.Option(help="Draw of the built-in cohort.")] = 1,
) -> None:
    """Make the built-in cohort, check it, build its atlas, and say what to open."""
    with _plain_errors(), _progress() as stage:
        from atlas.build import build_demo

        result = build_demo(out, seed=seed, stage=stage)
    _print_atlas(result)
    _print_model_findings(result)
    typer.echo(
        f"""
Made in {out}:
  cohort/                14 subjects in the layout of the published archive
                         ({result.provenance["notice"]})
  atlas/figures/         anatomy.png: the mean from front and side; mode1.png …; scree.png
  atlas/tables/          segment_variability.csv: how each level varies; README.md names columns
  atlas/meshes/mean/     STL in LPS mm: dura, cord and each root; open them in 3D Slicer
  atlas/model.h5         the shape model; `atlas show {out}/atlas` prints it

Open first: {out}/atlas/figures/anatomy.png
The same for your own data: atlas check DATASET, then atlas build DATASET -o OUT"""
    )

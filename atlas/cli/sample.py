"""``atlas sample``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from atlas.cli.app import Force, app, plain_errors, refuse_idle
from atlas.cli.terminal import open_console, say

# Share of the population within which draws lie unless told otherwise.
COVERAGE = 0.99


@app.command()
def sample(
    model: Annotated[Path, typer.Argument(help="model.h5, or the folder of a build.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the result.")] = Path(
        "samples"
    ),
    n: Annotated[int, typer.Option("-n", "--number", help="How many anatomies.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed, the same anatomies.")] = 0,
    design: Annotated[
        str,
        typer.Option(help="independent, antithetic, latin-hypercube, sobol or sweep."),
    ] = "independent",
    method: Annotated[
        str, typer.Option(help="parametric (the model's normal), bootstrap or kde of the subjects.")
    ] = "parametric",
    coverage: Annotated[
        str | None,
        typer.Option(help="Share of the population the draws lie within: 0.99; none: no limit."),
    ] = None,
    truncate_sd: Annotated[
        float | None, typer.Option(help="Limit of every mode in SD, in place of coverage.")
    ] = None,
    modes: Annotated[int | None, typer.Option(help="Leading modes that vary; all.")] = None,
    noise: Annotated[bool, typer.Option("--noise", help="Add the noise of the model.")] = False,
    invalid: Annotated[
        str, typer.Option(help="Impossible anatomies: redraw, repair, keep (marked), or unchecked.")
    ] = "redraw",
    given: Annotated[
        list[str] | None,
        typer.Option(help="'dorsal CSF at L1 = 2.5 mm ± 0.3'; may be given several times."),
    ] = None,
    covariate: Annotated[
        list[str] | None, typer.Option(help="'height=180'; may be given several times.")
    ] = None,
    seen: Annotated[
        Path | None, typer.Option(help="A subject's folder with a part of its markers.")
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="Structure that varies, as cord or root/L5; all others as expected."),
    ] = None,
    symmetric: Annotated[bool, typer.Option("--symmetric", help="Left as right.")] = False,
    rotation: Annotated[float, typer.Option(help="Random turn up to so many degrees.")] = 0.0,
    translation: Annotated[float, typer.Option(help="Random shift up to so many mm.")] = 0.0,
    formats: Annotated[str, typer.Option(help="Of meshes, by comma; none for no meshes.")] = "stl",
    edge: Annotated[
        float | None, typer.Option(help="Length of mesh edges aimed at, mm: 1.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; one a core.")] = None,
    force: Force = False,
) -> None:
    """Draw synthetic anatomies: markers, meshes, measures, and what was rejected.

    A cohort that was stopped goes on when the same command is run again.
    """
    with plain_errors(), _counted() as progress:
        from analysis.morphometry import named_values
        from atlas.mesh.formats.writing import MESHES, known_formats
        from atlas.mesh.surfaces.layout import EDGE_MM
        from atlas.sampling.cohort import write_cohort
        from atlas.sampling.making import CohortOptions
        from atlas.sampling.recipe import Recipe, parse_covariates

        recipe = Recipe(
            n=n,
            seed=seed,
            design=design,
            method=method,
            invalid="keep" if invalid == "unchecked" else invalid,
            coverage=_coverage(coverage, truncate_sd),
            truncate_sd=truncate_sd,
            n_modes=modes,
            noise=noise,
            check=invalid != "unchecked",
            given=tuple(given or ()),
            covariates=parse_covariates(covariate or ()),
            seen=None if seen is None else str(seen),
            vary=tuple(vary or ()),
            symmetric=symmetric,
            rotation_deg=rotation,
            translation_mm=translation,
        )
        names = () if formats == "none" else known_formats(formats.split(","))
        meshed = bool(MESHES & set(names))
        refuse_idle("--edge", "a format of meshes", given=edge is not None, used=meshed)
        options = CohortOptions(
            formats=names,
            edge_mm=EDGE_MM if edge is None else edge,
            measure=named_values,
            workers=_cores() if workers is None else workers,
        )
        write_cohort(model, recipe, out, options, force=force, progress=progress)
    _print_acceptance(out)
    say(f"written to {out}")


def _coverage(text: str | None, truncate_sd: float | None) -> float | None:
    """The share, where nothing else limits the draws."""
    if truncate_sd is not None and text is not None:
        raise typer.BadParameter("--coverage, --truncate-sd: expected one of them, got both")
    if text == "none" or truncate_sd is not None:
        return None
    if text is None:
        return COVERAGE
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"--coverage: expected a share or none, got {text!r}") from None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _print_acceptance(out: Path) -> None:
    """The lines of the cohort's own README that say what was made."""
    lines = (out / "README.md").read_text("utf-8").splitlines()
    for line in lines[2 : lines.index("## samples.csv")]:
        if line:
            say(line)


@contextmanager
def _counted() -> Iterator[Callable[[int, int], None]]:
    """Samples done, rate and time left on a terminal; quiet when piped."""
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    begun: list[tuple[float, int]] = []
    with open_console(stderr=True).status("") as status:

        def progress(done: int, of: int) -> None:
            now = time.monotonic()
            if not begun:
                begun.append((now, done))
            made, seconds = done - begun[0][1], now - begun[0][0]
            rate = ""
            if made and seconds:
                left = (of - done) * seconds / made
                rate = f", {made / seconds:.1f} a second, {left:.0f} s left"
            status.update(f"{done} of {of} anatomies{rate} …")

        yield progress

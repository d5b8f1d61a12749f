"""``atlas predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas.cli.app import Force, app, plain_errors, progress
from atlas.cli.terminal import as_markup, open_console, print_table, say

if TYPE_CHECKING:
    from atlas.prediction.calibration import Predictor
    from atlas.prediction.files import RootPrediction
    from atlas.store import Atlas


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
    force: Force = False,
) -> None:
    """Predict the roots of a subject from its dura and cord, with calibrated intervals."""
    with plain_errors(), progress() as stage:
        from atlas.data.dataset import read_dataset
        from atlas.output.results import claim_folder
        from atlas.prediction.calibration import fit_predictor
        from atlas.prediction.files import root_predictions, write_prediction
        from atlas.prediction.predicting import only_subject, walls_of
        from atlas.prediction.predicting import predict as predict_subject
        from atlas.store import load_atlas

        claim = claim_folder(out, command="predict", inputs=(model, markers), force=force)
        atlas = load_atlas(model)
        subject = only_subject(read_dataset(markers, optional=("cord",)))
        structures = walls_of(subject) if given is None else _names(given)
        stage("leaving out each subject of the atlas")
        predictor = fit_predictor(atlas.alignment, structures)
        stage("predicting")
        prediction = predict_subject(atlas.alignment, atlas.model, predictor, subject)
        write_prediction(atlas, prediction, predictor, claim)
        rows = root_predictions(prediction, predictor)
    _print_prediction(atlas, predictor, rows)
    say(f"written to {out}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _print_prediction(atlas: Atlas, predictor: Predictor, rows: list[RootPrediction]) -> None:
    console = open_console()
    table = []
    for row in rows:
        numbers = (
            row.begin_below_apex_mm,
            row.begin_radius_mm,
            row.angle_deg,
            row.angle_radius_deg,
            row.ganglion_below_apex_mm,
            row.ganglion_radius_mm,
        )
        table.append((f"{row.key.level} {row.key.side}", *(f"{v:.1f}" for v in numbers)))
    headings = ("root", "begin mm", "±", "angle °", "±", "ganglion mm", "±")
    print_table(console, "predicted roots; ± held 95 % of what was left out", headings, table)
    given = as_markup(", ".join(predictor.given))
    better = "better" if predictor.error_mm < predictor.baseline_mm else "NO better"
    console.print(
        f"left out in turn, n = {predictor.n_subjects}: error {predictor.error_mm:.1f} mm RMS from "
        f"{given}; mean shape {predictor.baseline_mm:.1f} mm: {better} "
        f"than the mean shape ({predictor.n_modes} modes, {predictor.noise_mm:g} mm noise, chosen "
        "on the same subjects, which flatters it: `atlas evaluate` chooses anew for each)"
    )
    if atlas.provenance.get("notice"):
        console.print(f"atlas {as_markup(atlas.provenance['notice'])}", style="italic")

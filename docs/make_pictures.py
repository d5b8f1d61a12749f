"""Make the pictures of the documentation from the built-in cohort: python docs/make_pictures.py."""

from __future__ import annotations

import tempfile
from pathlib import Path

from analysis.figures.atlas_figures import png_bytes, population_figure
from atlas.build import build_demo

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """Build the demo atlas in a temporary folder and draw it."""
    with tempfile.TemporaryDirectory() as folder:
        atlas = build_demo(Path(folder) / "demo")
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "atlas.png").write_bytes(png_bytes(population_figure(atlas)))


if __name__ == "__main__":
    main()

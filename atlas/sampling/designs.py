"""Standard normal scores by design: which points of the score space a cohort of n takes.

Every design gives the point of sample i by itself, so that a cohort can be made in any order, by
any number of processes, and continued after it was stopped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from atlas.errors import AtlasError

# More are no cohort that a disk holds.
MOST_SAMPLES = 10_000_000
DESIGNS = ("independent", "antithetic", "latin-hypercube", "sobol", "sweep")
# Designs that place points with respect to each other: a rejected point cannot be drawn again.
SPACE_FILLING = frozenset({"latin-hypercube", "sobol", "sweep"})
# What a stream of a sample is for; the scores, the noise and the pose never share numbers.
SCORES, NOISE, POSE = range(3)


class SamplingError(AtlasError):
    """Draws that were asked for and cannot be; the text says expected and got."""


@dataclass(frozen=True, slots=True)
class Design:
    """Where in the space of scores the samples lie.

    Parameters
    ----------
    name : str
        One of :data:`DESIGNS`.  ``independent``: by chance.  ``antithetic``: pairs 2k, 2k + 1 of
        opposite sign, so that means of odd functions have no error.  ``latin-hypercube``: each mode
        cut into n equally probable parts, one sample in each (McKay, Beckman & Conover 1979,
        doi:10.1080/00401706.1979.10489755); sample i depends on n.  ``sobol``: scrambled Sobol
        points (Owen 1998, doi:10.1006/jcom.1998.0487); best at powers of two.  ``sweep``: one mode
        at a time, from -2 to +2 SD.
    n : int
        Samples of the whole cohort.
    n_modes : int
    seed : int

    Raises
    ------
    SamplingError
        Unknown name, n below 1, or an odd number of antithetic samples.
    """

    name: str
    n: int
    n_modes: int
    seed: int

    def __post_init__(self) -> None:
        if self.name not in DESIGNS:
            raise SamplingError(f"design: expected one of {DESIGNS}, got {self.name!r}")
        if self.n < 1:
            raise SamplingError(f"n: expected at least 1 sample, got {self.n}")
        if self.n > MOST_SAMPLES:
            raise SamplingError(f"n: expected at most {MOST_SAMPLES:,} samples, got {self.n:,}")
        if self.n_modes < 1:
            raise SamplingError(f"modes: expected 1 or more, got {self.n_modes}")
        if self.seed < 0:
            raise SamplingError(f"seed: expected 0 or more, got {self.seed}")
        if self.name == "antithetic" and self.n % 2:
            raise SamplingError(f"antithetic: expected an even number of samples, got {self.n}")

    @property
    def may_redraw(self) -> bool:
        """Whether a rejected sample may be replaced by another draw."""
        return self.name not in SPACE_FILLING

    def stream(self, index: int, purpose: int = SCORES) -> np.random.Generator:
        """The generator of one sample for one purpose: the same whatever else is drawn."""
        source = self.root_of(index) if purpose == SCORES else index
        sequence = np.random.SeedSequence(self.seed, spawn_key=(source, purpose))
        return np.random.Generator(np.random.PCG64(sequence))

    def root_of(self, index: int) -> int:
        """The sample whose stream a sample draws its scores from: the first of its pair."""
        return index - index % 2 if self.name == "antithetic" else index

    def sign_of(self, index: int) -> float:
        """-1 for the second of an antithetic pair."""
        return -1.0 if self.name == "antithetic" and index % 2 else 1.0

    def placed(self, first: int, last: int) -> np.ndarray:
        """Scores (last - first, n_modes) of a space-filling design, samples first to last - 1."""
        if self.name == "sweep":
            return self._sweep()[first:last]
        if self.name == "sobol":
            engine = stats.qmc.Sobol(self.n_modes, scramble=True, rng=self.seed)
            # Sobol points are drawn in powers of two; the first of more are the first of few.
            share = engine.random_base2(max(last - 1, 1).bit_length())[first:last]
        else:
            cube = stats.qmc.LatinHypercube(self.n_modes, rng=self.seed)
            share = cube.random(self.n)[first:last]
        # A scrambled point may come to lie on the edge to rounding, which has no normal score.
        tiny = np.finfo(float).eps
        return stats.norm.ppf(np.clip(share, tiny, 1 - tiny))

    def _sweep(self) -> np.ndarray:
        """The mean first, then the modes in turn at equal steps."""
        steps = np.array([-2.0, -1.0, 1.0, 2.0])
        rows = np.kron(np.eye(self.n_modes), steps[:, None])
        rows = np.concatenate([np.zeros((1, self.n_modes)), rows])
        if self.n > len(rows):
            raise SamplingError(
                f"sweep: expected at most {len(rows)} samples of {self.n_modes} modes at "
                f"{len(steps)} places and the mean, got {self.n}"
            )
        return rows

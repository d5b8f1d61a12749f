"""One subject's landmarks as parameters on its own curves and surfaces.

A change of parameters is a change of landmarks that never leaves the annotation as fitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from atlas.data.subject import ROOT_KEYS
from atlas.errors import AtlasError
from atlas.landmarks.fitting_curves import FittedSubject
from atlas.landmarks.scheme import LandmarkScheme, Status, block_name
from atlas.procrustes.sliding_surfaces import Carrier, RootCarrier, TubeCarrier

# How far a landmark stands from its curve or surface by rounding, mm.
ON_CARRIER_MM = 1e-4


class SlidingError(AtlasError):
    """Landmarks that cannot slide; the text says where, expected and got."""


@dataclass(frozen=True, slots=True, eq=False)
class Semilandmarks:
    """One subject's landmarks as parameters on its own curves and surfaces.

    Parameters
    ----------
    subject_id : str
    scheme : LandmarkScheme
    carriers : dict of block name to Carrier
        A block without one has nothing that slides.
    """

    subject_id: str
    scheme: LandmarkScheme
    carriers: dict[str, Carrier]

    @classmethod
    def of(cls, fitted: FittedSubject, scheme: LandmarkScheme) -> Semilandmarks:
        """What the landmarks of a scheme stand on in one subject."""
        apex = scheme.origin == "dura-apex"
        carriers: dict[str, Carrier] = {
            "dura": TubeCarrier(fitted.dura, scheme.block("dura"), apex=apex),
            "cord": TubeCarrier(fitted.cord, scheme.block("cord"), conus=True),
        }
        for key in ROOT_KEYS:
            if key in fitted.roots:
                name = block_name(key)
                carriers[name] = RootCarrier(fitted.roots[key], scheme.block(name).levels)
        return cls(fitted.subject.id, scheme, carriers)

    def free(self, present: np.ndarray) -> np.ndarray:
        """Which parameters (L, 2) may change, of landmarks present (L,)."""
        free = np.zeros((self.scheme.size, 2), dtype=bool)
        for name, carrier in self.carriers.items():
            free[self.scheme.span(name)] = carrier.free
        return free & present[:, None]

    def locate(self, points: np.ndarray) -> np.ndarray:
        """Parameters (L, 2) of landmarks (L, 3); NaN where missing or on nothing that slides.

        Raises
        ------
        SlidingError
            A landmark that does not lie on the subject's own curve or surface.
        """
        parameters = np.full((self.scheme.size, 2), np.nan)
        for name, carrier in self.carriers.items():
            span = self.scheme.span(name)
            there = np.flatnonzero(~np.isnan(points[span]).any(axis=1)) + span.start
            parameters[there] = carrier.locate(points[there])
        apart = np.linalg.norm(self.points(parameters) - points, axis=1)
        if np.nanmax(apart, initial=0.0) > ON_CARRIER_MM:
            worst = int(np.nanargmax(apart))
            raise SlidingError(
                f"{self.subject_id}, {self.scheme.names[worst]}: expected a landmark on the "
                f"subject's own curve or surface, got one {apart[worst]:.2g} mm from it; slide "
                "landmarks as place_landmarks puts them on this dataset"
            )
        return parameters

    def points(self, parameters: np.ndarray) -> np.ndarray:
        """Landmarks (L, 3) at parameters (L, 2), mm in the subject's own frame."""
        return self._gather(parameters, "points", (3,))

    def tangents(self, parameters: np.ndarray) -> np.ndarray:
        """Derivative (L, 2, 3) of the landmarks by their parameters."""
        return self._gather(parameters, "tangents", (2, 3))

    def limited(self, parameters: np.ndarray, step: np.ndarray) -> np.ndarray:
        """A step (L, 2) as far as it keeps the order of neighbours and stays on the carriers."""
        limited = np.zeros_like(step)
        for name, carrier in self.carriers.items():
            span = self.scheme.span(name)
            limited[span] = carrier.limited(parameters[span], step[span])
        return limited

    def status(self, parameters: np.ndarray) -> np.ndarray:
        """Status (L,) at parameters."""
        status = np.where(np.isnan(parameters[:, 0]), Status.MISSING, Status.MEASURED)
        for span, root in self._roots():
            there = status[span] != Status.MISSING
            status[span][there] = root.status(parameters[span])[there]
        return status

    def bridge_sd(self, parameters: np.ndarray, roughness: float) -> np.ndarray:
        """Uncertainty (L,) of landmarks in gaps, mm; 0 elsewhere."""
        spread = np.zeros(self.scheme.size)
        for span, root in self._roots():
            spread[span] = np.nan_to_num(root.bridge_sd(parameters[span], roughness))
        return spread

    def _roots(self) -> Iterator[tuple[slice, RootCarrier]]:
        for name, carrier in self.carriers.items():
            if isinstance(carrier, RootCarrier):
                yield self.scheme.span(name), carrier

    def _gather(self, parameters: np.ndarray, what: str, shape: tuple[int, ...]) -> np.ndarray:
        gathered = np.full((self.scheme.size, *shape), np.nan)
        for name, carrier in self.carriers.items():
            span = self.scheme.span(name)
            there = np.flatnonzero(~np.isnan(parameters[span]).any(axis=1)) + span.start
            gathered[there] = getattr(carrier, what)(parameters[there])
        return gathered

"""Runs menpo's own generalised Procrustes analysis, which scales, unlike all others."""

from __future__ import annotations

from menpo.shape import PointCloud
from menpo.transform import GeneralizedProcrustesAnalysis
from serving import Group, Task, serve

NOTES = {
    "alignment": "`GeneralizedProcrustesAnalysis`; proper rotations; centres; always scales; stops "
    "where the mean moves by less than 1e-6 mm in all, or after 100 rounds",
}


def clouds(group: Group) -> list[PointCloud]:
    return [PointCloud(points) for points in group.points]


TASKS = {
    "align": Task(
        clouds,
        GeneralizedProcrustesAnalysis,
        lambda out: {"mean": out.mean_aligned_shape().points},
    )
}

if __name__ == "__main__":
    serve(TASKS, ("menpo",), NOTES)

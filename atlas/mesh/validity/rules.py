"""The rules an anatomy must keep, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from atlas.mesh.validity.root_rules import (
    levels_in_order,
    roots_apart,
    roots_inside_sac,
    roots_outside_cord,
    roots_self,
    sides_apart,
)
from atlas.mesh.validity.rule_margins import Batch, Margins
from atlas.mesh.validity.tube_rules import (
    cord_inside_sac,
    cord_within_rings,
    csf_positive,
    rings_in_order,
    rings_simple,
)

Kind = Literal["geometry", "anatomy", "extent"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by name.

    Parameters
    ----------
    name : str
    kind : {"geometry", "anatomy", "extent"}
        What a break means: no solid can be made; a solid no body has; the annotated stretch of
        one structure does not cover another, which says nothing against either.
    says : str
        The rule in words, and what its margin is.
    measure : callable
    """

    name: str
    kind: Kind
    says: str
    measure: Callable[[Batch], Margins]


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            Rule("cord-inside-sac", "geometry", "the cord lies in the sac", cord_inside_sac),
            Rule("cord-within-rings", "extent", "the sac's rings span the cord", cord_within_rings),
            Rule("csf-positive", "geometry", "fluid surrounds the cord", csf_positive),
            Rule("rings-in-order", "geometry", "rings do not cross each other", rings_in_order),
            Rule("rings-simple", "geometry", "a ring does not cross itself", rings_simple),
            Rule(
                "roots-outside-cord", "geometry", "roots run outside the cord", roots_outside_cord
            ),
            Rule(
                "roots-inside-sac",
                "geometry",
                "roots stay in the sac until they leave it once, on their own side",
                roots_inside_sac,
            ),
            Rule("roots-apart", "geometry", "no root runs through another", roots_apart),
            Rule(
                "no-self-intersection",
                "geometry",
                "a root is not bent closer than its radius and does not meet itself",
                roots_self,
            ),
            Rule(
                "levels-in-order",
                "anatomy",
                "begins and ganglia descend from L1 to S2",
                levels_in_order,
            ),
            Rule("sides-apart", "anatomy", "left is left of right", sides_apart),
        )
    }
)

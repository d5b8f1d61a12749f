"""Inference over the subjects of a group: models, components, sides, shape on covariates.

Every table gives the effect with its interval first, then p with p_holm and p_bh beside it.
"""

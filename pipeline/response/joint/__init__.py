"""Curves from outcomes that are known for groups of lines only: the marketing-mix setting."""

from pipeline.response.joint.fit import fit_joint
from pipeline.response.joint.posterior import JointPosterior

__all__ = ["JointPosterior", "fit_joint"]

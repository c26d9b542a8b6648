"""Curves from outcomes that are known for groups of lines only: the marketing-mix setting."""

from pipeline.response.joint.fit import fit_joint
from pipeline.response.joint.posterior import JointPosterior
from pipeline.response.joint.predict import JointPredictive, joint_predictive

__all__ = ["JointPosterior", "JointPredictive", "fit_joint", "joint_predictive"]

"""From spend to outcome: what each line's money earns, with how sure we are of it."""

from pipeline.response.fit import FitSettings, fit_response
from pipeline.response.joint import JointPosterior, fit_joint
from pipeline.response.metric import Fitted, fit_metric
from pipeline.response.posterior import Posterior

__all__ = [
    "FitSettings",
    "Fitted",
    "JointPosterior",
    "Posterior",
    "fit_joint",
    "fit_metric",
    "fit_response",
]

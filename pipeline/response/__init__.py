"""From spend to outcome: what each line's money earns, with how sure we are of it."""

from pipeline.response.fit import FitSettings, fit_response
from pipeline.response.posterior import Posterior

__all__ = ["FitSettings", "Posterior", "fit_response"]

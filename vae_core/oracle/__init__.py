"""Oracle: models whose evidence and posterior are exact, against which everything else is checked. Float64, nats."""

from vae_core.oracle.grid import GridPosterior as GridPosterior
from vae_core.oracle.linear import ExpectedEvidence as ExpectedEvidence
from vae_core.oracle.linear import LinearGaussian as LinearGaussian
from vae_core.oracle.ppca import PpcaOptimum as PpcaOptimum
from vae_core.oracle.ppca import ppca_optimum as ppca_optimum
from vae_core.oracle.quadrature import QuadratureModel as QuadratureModel
from vae_core.oracle.quadrature import bernoulli_model as bernoulli_model

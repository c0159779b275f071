"""Evidence: estimates of ln p(x), from below, how far each of them errs, and what of the gap is whose fault."""

from vae_core.evidence.annealing import Annealed as Annealed
from vae_core.evidence.annealing import anneal as anneal
from vae_core.evidence.annealing import annealed_evidence as annealed_evidence
from vae_core.evidence.curves import EvidenceCurve as EvidenceCurve
from vae_core.evidence.curves import evidence_curve as evidence_curve
from vae_core.evidence.gaps import Gaps as Gaps
from vae_core.evidence.gaps import gaps as gaps
from vae_core.evidence.gaps import optimise_posterior as optimise_posterior
from vae_core.evidence.grids import image_posterior as image_posterior
from vae_core.evidence.importance import LogLikelihood as LogLikelihood
from vae_core.evidence.importance import chi_square as chi_square
from vae_core.evidence.importance import effective_sample_size as effective_sample_size
from vae_core.evidence.importance import image_log_likelihood as image_log_likelihood
from vae_core.evidence.importance import importance_log_evidence as importance_log_evidence
from vae_core.evidence.importance import importance_weights as importance_weights
from vae_core.evidence.importance import log_weights as log_weights
from vae_core.evidence.importance import weights_of as weights_of
from vae_core.evidence.iwae import IwaeBounds as IwaeBounds
from vae_core.evidence.iwae import iwae_bounds as iwae_bounds
from vae_core.evidence.proposals import moved as moved
from vae_core.evidence.proposals import prior as prior

"""Gradients of an expectation: by the path, by the score; and what changing variables does to a density."""

from vae_core.gradients.change import Affine as Affine
from vae_core.gradients.change import Bent as Bent
from vae_core.gradients.change import Density as Density
from vae_core.gradients.change import both_densities as both_densities
from vae_core.gradients.decoder import DecoderGradient as DecoderGradient
from vae_core.gradients.decoder import decoder_gradient as decoder_gradient
from vae_core.gradients.effort import affordable as affordable
from vae_core.gradients.encoder import EncoderGradient as EncoderGradient
from vae_core.gradients.encoder import Measured as Measured
from vae_core.gradients.encoder import encoder_gradient as encoder_gradient
from vae_core.gradients.halves import expected_log_posterior as expected_log_posterior
from vae_core.gradients.halves import expected_log_prior as expected_log_prior
from vae_core.gradients.halves import sampled_kl as sampled_kl
from vae_core.gradients.halves import sampled_kl_error as sampled_kl_error
from vae_core.gradients.square import ESTIMATORS as ESTIMATORS
from vae_core.gradients.square import Estimator as Estimator
from vae_core.gradients.square import Square as Square

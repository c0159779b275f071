"""Diagnostics: what the codes of a set of images say about a model. Each is a function of `Encoded`."""

from vae_core.diagnostics.bounds import broken_bounds as broken_bounds
from vae_core.diagnostics.codes import ACTIVE as ACTIVE
from vae_core.diagnostics.codes import Regime as Regime
from vae_core.diagnostics.codes import active_units as active_units
from vae_core.diagnostics.codes import active_units_curve as active_units_curve
from vae_core.diagnostics.codes import collapsed as collapsed
from vae_core.diagnostics.codes import collapsed_curve as collapsed_curve
from vae_core.diagnostics.codes import collapsed_fraction as collapsed_fraction
from vae_core.diagnostics.codes import kl_per_dimension as kl_per_dimension
from vae_core.diagnostics.codes import kl_quantiles as kl_quantiles
from vae_core.diagnostics.codes import polarised_regime as polarised_regime
from vae_core.diagnostics.codes import sigma_per_dimension as sigma_per_dimension
from vae_core.diagnostics.codes import variance_of_means as variance_of_means
from vae_core.diagnostics.decoder import dead_units as dead_units
from vae_core.diagnostics.decoder import decoder_response as decoder_response
from vae_core.diagnostics.decoder import decoder_responses as decoder_responses
from vae_core.diagnostics.decoder import encoder_signal as encoder_signal
from vae_core.diagnostics.decoder import noise_variance as noise_variance
from vae_core.diagnostics.decoder import shuffle_cost as shuffle_cost
from vae_core.diagnostics.decoder import silent_units as silent_units
from vae_core.diagnostics.decoder import zeroing_cost as zeroing_cost
from vae_core.diagnostics.encoded import EVALUATION_SEED as EVALUATION_SEED
from vae_core.diagnostics.encoded import PAIRS as PAIRS
from vae_core.diagnostics.encoded import Diagnostic as Diagnostic
from vae_core.diagnostics.encoded import Encoded as Encoded
from vae_core.diagnostics.encoded import elbo as elbo
from vae_core.diagnostics.encoded import encode as encode
from vae_core.diagnostics.encoded import encode_prepared as encode_prepared
from vae_core.diagnostics.encoded import prepare_once as prepare_once
from vae_core.diagnostics.information import Bracket as Bracket
from vae_core.diagnostics.information import Surgery as Surgery
from vae_core.diagnostics.information import elbo_surgery as elbo_surgery
from vae_core.diagnostics.information import marginal_kl as marginal_kl
from vae_core.diagnostics.information import mutual_information as mutual_information
from vae_core.diagnostics.information import mutual_information_bracket as mutual_information_bracket
from vae_core.diagnostics.information import mutual_information_ceiling as mutual_information_ceiling
from vae_core.diagnostics.information import pairwise_log_prob as pairwise_log_prob
from vae_core.diagnostics.price import data_eigenvalues as data_eigenvalues
from vae_core.diagnostics.price import worth_of_a_code as worth_of_a_code

# What a worker measures of the test images and writes down: one number each, and one list, which all readers know.
DIAGNOSTICS: tuple[Diagnostic, ...] = (
    kl_per_dimension, active_units, collapsed_fraction, mutual_information, shuffle_cost, decoder_response,
)  # fmt: skip

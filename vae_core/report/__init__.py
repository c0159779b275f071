"""A report: every diagnostic of a run after some step, and what its log says of the way there."""

from vae_core.report.factors import Disentangled as Disentangled
from vae_core.report.factors import disentangled as disentangled
from vae_core.report.making import report as report
from vae_core.report.values import Codes as Codes
from vae_core.report.values import Listening as Listening
from vae_core.report.values import Past as Past
from vae_core.report.values import Price as Price
from vae_core.report.values import Report as Report

"""Training: the loop a reader can follow (`fit`), and the worker that runs it for a run's directory (`train`)."""

from vae_core.training.fit import Step as Step
from vae_core.training.fit import adam as adam
from vae_core.training.fit import fit as fit
from vae_core.training.fit import train_step as train_step
from vae_core.training.process import Halted as Halted
from vae_core.training.worker import device_of as device_of
from vae_core.training.worker import train as train

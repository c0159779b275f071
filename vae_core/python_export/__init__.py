"""A run as one file of plain PyTorch: the same training without this package, for a reader who wants to see all of it.

The file is put together from the lines that its config needs, with the config's values written in. On a CPU its losses
are those of `training.fit`, up to rounding.
"""

from vae_core.python_export.program import program as program
from vae_core.python_export.program import python_text as python_text
from vae_core.python_export.program import to_python as to_python

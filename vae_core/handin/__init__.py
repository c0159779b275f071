"""Hand in: a run as one HTML page, with its figure, its numbers, how they came about, the reader's words, and code.

The page holds everything that it shows, opens from a disk without a network, and is laid out for printing on A4.
"""

from vae_core.handin.finding import Finding as Finding
from vae_core.handin.page import hand_in as hand_in
from vae_core.handin.parts import LONGEST as LONGEST
from vae_core.handin.parts import NAME as NAME
from vae_core.handin.race import hand_in_race as hand_in_race

"""ln p(x): how far the bound is from the truth."""

from ui.evidence import evidence_page
from ui.parts import next_step

evidence_page()
next_step("Why we reparametrise", "gradients")

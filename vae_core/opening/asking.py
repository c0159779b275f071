"""What opening may have to ask, because the files do not say."""

from __future__ import annotations

from vae_core.spec import InputError

# The questions, and the answers that there are.
CHOICES = {
    "second": ("logvar", "sigma"),
    "range": ("0:1", "-1:1", "logits"),
    "layout": ("nchw", "nhwc", "flat", "flat-nhwc"),
}


class Question(InputError):
    """Something only a person can say; `option` is a key of CHOICES, and what an answer is given as."""

    def __init__(self, option: str, what: str, where: str, limit: str = "") -> None:
        self.option = option
        super().__init__(what, where, limit, f"say which with --{option} {'|'.join(CHOICES[option])}")


def check_answer(option: str, answer: str | None) -> None:
    """Refuse an answer that there is not."""
    if answer is not None and answer not in CHOICES[option]:
        raise InputError(f"--{option} {answer[:40]!r} is not known", fix="give " + " or ".join(CHOICES[option]))

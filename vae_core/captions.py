"""Captions: rules that turn the rows of a run into the one sentence that matters now."""

from __future__ import annotations

from vae_core.records import Record, number

MINUS = "\u2212"


def nats(value: float | int) -> str:
    """A number of nats for a reader: one decimal from 1 up, two below, a real minus sign."""
    text = f"{abs(value):,.1f}" if abs(value) >= 0.995 else f"{abs(value):.2f}"
    return (MINUS if value < 0 and float(text.replace(",", "")) else "") + text


def caption(rows: list[Record], state: str = "running") -> str:
    """The most important sentence about these test rows (in order of step); empty before there is one to say."""
    if len(rows) < 2:
        return ""
    first, last = rows[0], rows[-1]
    kl, units = number(last["kl"]), int(number(last.get("active_units", 0)))
    baseline = number(first.get("baseline"))
    if units == 0 and kl < 0.05:
        return _collapsed(rows, state)
    if state == "done" and (beta := number(last["beta"])) < 0.995:
        return f"β ended at {beta:.2f}: this run optimised something looser than the ELBO."
    if number(last["elbo"]) < baseline and number(last["beta"]) < 0.995:
        return f"The code costs {nats(kl)} nats, more than it brings yet; β is {number(last['beta']):.2f}."
    return _in_use(rows, baseline, kl, units, last)


def _collapsed(rows: list[Record], state: str) -> str:
    fell = next((row["step"] for row in rows if number(row["kl"]) < 0.05), rows[-1]["step"])
    if state == "done":
        return f"Collapsed at step {fell:,}: the decoder ignores z, and the ELBO stays on the dots."
    if number(rows[-1]["beta"]) < 0.5:
        return "Nothing is in the code yet; β is still low, so there is time."
    return f"Collapsed at step {fell:,}: q(z|x) fell onto the prior, and the band is gone."


def _in_use(rows: list[Record], baseline: float, kl: float, units: int, last: Record) -> str:
    gain = number(last["reconstruction"]) - baseline
    net = number(last["elbo"]) - baseline
    noun = "latent" if units == 1 else "latents"
    if net > 0:
        return f"{units} {noun} in use: reconstruction gains {nats(gain)} nats, the code costs {nats(kl)}. It pays."
    return f"{units} {noun} in use: reconstruction gains {nats(gain)} nats, the code costs {nats(kl)}."

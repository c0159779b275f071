"""The page of ln p(x): its sections, what they say, and the numbers of the exact models that they move in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import streamlit as st

from ui.data import config_of
from ui.lecture import Section, open_section, show_section
from ui.numbers import table
from ui.parts import duration, told
from ui.tiles import describe_tiles
from vae_core.evaluation import evaluate
from vae_core.latents.cache import newest_weights
from vae_core.opened import Opened
from vae_core.runs import Run

LINEAR = {
    "weight": [[1.0, 0.0], [0.5, 1.0], [-1.0, 2.0]],
    "bias": [0.1, -0.2, 0.3],
    "sigma": 0.5,
    "x": [0.7, -0.4, 1.9],
}
BIT = {"weight": [[2.0], [-1.0], [3.0]], "bias": [0.5, -0.25, -1.0], "x": [1, 0, 1]}
BITS = {
    "weight": [[2.0, 1.0], [-1.0, 2.0], [3.0, -1.0], [1.0, 2.0]],
    "bias": [0.5, -0.25, -1.0, 0.0],
    "x": [1, 0, 1, 1],
}
DATA = [[2.0, 1.1], [1.1, 1.2]]
IMAGES = 16
SAMPLES = (100, 1000, 5000)  # codes of each image
MEASURED = (50, 200, 1000)  # images

SECTIONS = (
    Section(
        "identity",
        "The identity",
        r"""\begin{aligned}
\ln p_\theta(x) &= -F_q(x) + \mathrm{KL}(q\,\|\,p_\theta(z|x))\\
-F_q(x) &= \mathbb{E}_q[\ln p_\theta(x|z)] - \mathrm{KL}(q\,\|\,p)
\end{aligned}""",
        "The left side does not know $q$. Drag $q$: what the ELBO $-F$ gains, the gap loses. A KL divergence is never "
        "negative, so the ELBO is a lower bound of $\\ln p(x)$, whatever $q$ is.",
        "Linear-Gaussian: put q on the best factorised one. Is the gap closed?",
        ("Yes: that is the posterior", "No, and no encoder could close it"),
        1,
        "Look at the gap that is left. The posterior is tilted, and a factorised $q$ has its axes along those of the "
        "latents: it cannot be. The family is at fault, not the encoder.",
        state=("run", "model", "q", "on", "image"),
        run="offered",
        data={"linear": LINEAR, "bit": BIT, "bits": BITS},
    ),
    Section(
        "likelihood",
        "Maximum likelihood",
        r"""\begin{aligned}
\langle \ln p_\theta(x)\rangle_{\text{data}} = {}&-S[p_{\text{data}}]\\
&- \mathrm{KL}(p_{\text{data}}\,\|\,p_\theta)
\end{aligned}""",
        "The entropy $S$ of the data does not know $\\theta$. To raise the mean log-likelihood is to bring the model "
        "closer to the data, and nothing else. Here the data are Gaussian, and so is the model: one latent, "
        "$x = w z + \\sigma\\varepsilon$. All three numbers are exact. Drag $w$.",
        "Can the KL be brought to zero with a single latent?",
        ("Yes", "No, the data have two dimensions"),
        0,
        "Press *The best model*: $w$ along the longest axis of the data, $\\sigma^2$ the variance across it. The "
        "model's covariance $ww^\\top + \\sigma^2 I$ is then that of the data. Probabilistic PCA finds the same.",
        state=("w1", "w2", "sigma"),
        data={"covariance": DATA},
    ),
    Section(
        "bayes",
        "Why inference is hard",
        r"""\begin{aligned}
p_\theta(z|x) &= \frac{p_\theta(x|z)\,p(z)}{p_\theta(x)}\\
p_\theta(x) &= \int p_\theta(x|z)\,p(z)\,dz
\end{aligned}""",
        "Bayes' theorem gives the posterior, if only the denominator were known: it asks about every $z$ there is. "
        "With one latent a sum over a few points will do. Each further latent multiplies their number, and in a VAE "
        "$p_\\theta(x|z)$ is a neural network, of which no integral is known.",
        "With 21 points a dimension: how long does the sum take with ten latents, on this computer?",
        ("Seconds", "Days, or longer", "As long as with one"),
        1,
        "With the slider at 21, read the table's third row: it is the number of points that grows, $21^{10}$. With "
        "fifty latents no computer will ever do it.",
        state=("d", "n"),
        data={"bit": BIT, "bits": BITS},
    ),
    Section(
        "sampling",
        "Importance sampling",
        r"""\begin{aligned}
p_\theta(x) &= \mathbb{E}_{z\sim q}\!\left[\frac{p_\theta(x|z)\,p(z)}{q(z|x)}\right]\\
&\approx \hat p_K = \frac1K\sum_{k=1}^{K} w_k
\end{aligned}""",
        "Draw codes where they are likely, and weigh each by what it stands for. $\\hat p_K$ is right on average for "
        "every $K$; its logarithm is not: it errs low, by about $\\chi^2/2K$ once $K$ is large. Where $q$ has less "
        "than half the posterior's variance, $\\chi^2$ is infinite, and one weight may outvote all others.",
        "More latents, codes drawn from the prior: do 10,000 samples suffice for 20 of them?",
        ("Yes, the estimate is unbiased", "No, hardly one sample counts"),
        1,
        "Choose *More latents*, 20, the prior: the median stays hundreds of nats low, and the samples are worth about "
        "one. The prior hardly ever falls where the posterior is. That is why $q(z|x)$ looks at $x$.",
        state=("run", "model", "J", "proposal", "image", "seed"),
        run="offered",
        data={"linear": LINEAR},
    ),
    Section(
        "gaps",
        "Gaps of a run",
        r"""\begin{aligned}
&\ln p_\theta(x) - \mathrm{ELBO}(q)\\
= {}&\underbrace{\ln p_\theta(x) - \mathrm{ELBO}(q^*)}_{\text{approximation}}\\
+ {}&\underbrace{\mathrm{ELBO}(q^*) - \mathrm{ELBO}(q)}_{\text{amortisation}}
\end{aligned}""",
        "$q^*$ is the best factorised Gaussian for this one image, found by optimising its means and variances with "
        "the decoder held fixed. What $q^*$ leaves is the family's fault; what lies between the two, the encoder's.",
        "Where does the bound from K samples go as K grows, with the encoder's q as it is?",
        ("It stays the ELBO", "To ELBO(q*)", "To ln p(x)"),
        2,
        "At $K = 1$ it is the ELBO. It rises with $K$, in the end past ELBO($q^*$), to $\\ln p(x)$: samples make up "
        "for a poor $q$, slowly. Training on it is the importance-weighted autoencoder.",
        state=("image",),
        run="shown",
    ),
)  # fmt: skip


def evidence_page() -> None:
    """The open section under the row of all; for a run, the likelihood of the whole below it."""
    here, run = open_section("evidence", SECTIONS)
    show_section("evidence", here, run, _about(run))
    if run is not None and here.run == "shown":
        _whole_run(run)


def _about(run: Run | None) -> dict[str, Any]:
    """The pictures that a view offers to choose from."""
    if run is None:
        return {}
    return {
        "tiles": describe_tiles(run, "test"),
        "count": min(IMAGES, config_of(run).dataset.sizes[1]),
        "run": run.name,
    }


def _whole_run(run: Run) -> None:
    """The negative log-likelihood of many test images, as `python -m vae_core evaluate` measures it."""
    if Opened.of(run):
        return
    with st.expander("The whole run: negative log-likelihood"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            samples = st.segmented_control("Samples K", SAMPLES, default=SAMPLES[0], required=True, key="nll-samples")
            images = st.segmented_control("Images", MEASURED, default=MEASURED[0], required=True, key="nll-images")
            wanted = st.button("Measure", key="nll-measure")
        with told(), st.spinner("Drawing codes…"):
            if wanted:
                st.session_state["nll"] = (run.name, run.created, newest_weights(run, None)[0], samples, images)
            asked = st.session_state.get("nll", ())
            if asked[:2] == (run.name, run.created):
                _nll(run, *asked[1:])


def _nll(run: Run, created: float, step: int, samples: int, images: int) -> None:
    """What was measured, of the weights that were the newest then: a run that trains is not measured again unasked."""
    found = _evaluated(str(run.path), created, step, samples, images)
    if found["nll"] is None:
        st.caption("Grey values under a Bernoulli are not a likelihood: there is no ln p(x).")
        return
    error = found["nll_standard_error"]
    rows = [
        ("negative log-likelihood, at most", (f"{found['nll']:.2f} ± {error or 0:.2f}",)),
        ("minus ELBO, all test images", (f"{-found['elbo']:.2f}",)),
    ]
    since = f", step {found['step']:,}" if found["step"] != newest_weights(run, None)[0] else ""
    st.html(table("nats per image", [f"K = {samples:,}, {found['images']:,} images{since}"], rows))
    st.caption(
        f"± is the standard error over images. An estimate of ln p(x) errs low, so this errs high; more samples bring "
        f"it down. Measured in {duration(found['seconds'])}."
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _evaluated(path: str, created: float, step: int, samples: int, images: int) -> dict[str, Any]:
    run, begun = Run(Path(path)), time.monotonic()
    at, vae = run.model(step)
    found = evaluate(vae, run.config.dataset.load()[1], samples, images)
    return {**found, "step": at, "seconds": time.monotonic() - begun}

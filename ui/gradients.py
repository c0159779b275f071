"""The page of gradients: its sections, and what they say."""

from __future__ import annotations

from ui.lecture import Section, open_section, show_section

SECTIONS = (
    Section(
        "reparametrise",
        "z = μ + σε",
        r"""\begin{aligned}
z &= \mu + \sigma\,\varepsilon, \qquad \varepsilon \sim \mathcal N(0, 1)\\
\nabla_\phi\,\mathbb{E}_{q}[f(z)] &= \mathbb{E}_{\varepsilon}\big[\nabla_\phi\, f(\mu + \sigma\varepsilon)\big]
\end{aligned}""",
        r"The expectation depends on $\mu$ and $\sigma$ through the distribution that is drawn from, and a draw cannot "
        r"be differentiated. So draw $\varepsilon$, which knows neither, and let $z$ be a function of all three. Drag "
        r"$\mu$ and $\sigma$: the same $\varepsilon$ are used again, so each $z$ moves along a path that has a slope.",
        "With new ε at every μ, would the estimate of E z² have a slope in μ?",
        ("Yes, only a noisier one", "No, it jumps"),
        1,
        r"Look at the muted curve on the right: between two neighbouring $\mu$ the luck changes, and the difference of "
        r"two estimates is mostly luck. With the same $\varepsilon$ it is a smooth parabola.",
        state=("mu", "sigma", "seed"),
    ),
    Section(
        "jacobian",
        "Change of variables",
        r"""\begin{aligned}
d_\phi(x, \varepsilon) &= \left|\det \frac{\partial z}{\partial \varepsilon}\right|\\
\ln q_\phi(z|x) &= \ln p(\varepsilon) - \ln d_\phi(x, \varepsilon)
\end{aligned}""",
        "An invertible map moves probability without losing any: where it stretches the plane $d$ times, the density "
        r"is $d$ times smaller. For $z = \mu + \sigma\varepsilon$ the determinant is $\prod_j \sigma_j$; but any "
        "invertible map will do. Drag the point in either plane.",
        "For z = μ + σε: does ln d depend on where ε is?",
        ("Yes", "No"),
        1,
        r"Drag the point: $\ln d$ stays $\sum_j \ln \sigma_j$, for the map is straight. Choose the bent map: now the "
        "cells of the grid differ in size, and so does $d.$",
        state=("map", "at", "s1", "s2", "shear", "bend"),
    ),
    Section(
        "estimators",
        "Four estimators",
        r"""\begin{aligned}
\text{path:}\quad &\nabla_\phi\, f(\mu + \sigma\varepsilon)\\
\text{score:}\quad &\big(f(z) - b\big)\,\nabla_\phi \ln q_\phi(z)
\end{aligned}""",
        "Both are right on average, and not only for $f(z) = z^2$: the path for any $f$ with a slope, the score for "
        r"any $f$ at all. The score needs only the values of $f,$ and pays for that. A baseline $b$ changes nothing on "
        r"average, since $\mathbb{E}\,\nabla \ln q = 0$: take $\mathbb{E} f$, or for each sample the mean of $f$ over "
        "the others (leave-one-out).",
        "At μ = 1, let σ go from 1 to 0.1. What becomes of the noise in d/dμ?",
        ("Both fall", "The path's falls, the score's rises"),
        1,
        r"The path's variance is $4\sigma^2$: 0.04. The plain score's is $\mu^4/\sigma^2 + 14\mu^2 + 15\sigma^2$: 114, "
        "which is 2,854 times as much.",
        state=("mu", "sigma", "s", "of", "show"),
    ),
    Section(
        "encoder",
        "An encoder",
        r"\nabla_\phi\,\mathrm{ELBO} = \nabla_\phi\,\mathbb{E}_{q_\phi}[\ln p_\theta(x|z)] - \nabla_\phi\,\mathrm{KL}",
        "The same four estimators on the encoder of this run, for the mean ELBO of its first 64 test images; the KL "
        "is exact in all. The rows count the estimates by how far they lead along the true gradient: 1 is right, and "
        "left of 0 it goes downhill.",
        "From one code an image: how often does a step by the plain score lead downhill?",
        ("Hardly ever", "Nearly half of the time"),
        1,
        r"See the number beside its row. The score multiplies by $\ln p(x|z)$ itself, a large number of little "
        "meaning; a baseline takes the meaningless part away. The path asks the decoder in which direction $z$ should "
        "move.",
        state=("s", "show", "seed"),
        run="shown",
    ),
    Section(
        "decoder",
        "A decoder",
        r"\nabla_\theta\,\mathbb{E}_{q}[\ln p_\theta(x|z)] \approx \frac1S\sum_{s=1}^{S} \nabla_\theta \ln "
        r"p_\theta(x|z_s)",
        r"Here $q$ does not depend on $\theta$, so the gradient may be drawn inside: backpropagation of the "
        "reconstruction error at a drawn code. Usually one code is taken. How far is that from the expectation?",
        "From one code to fifty: how many times smaller is the error?",
        ("Fifty times", "About seven times"),
        1,
        r"Independent errors average out as $1/\sqrt S$, and $\sqrt{50} \approx 7.1$, for fifty times the work. "
        "Another batch of images is the better buy, so one code is what is used.",
        state=("seed",),
        run="shown",
    ),
    Section(
        "kl",
        "The KL's halves",
        r"""\begin{aligned}
\textstyle\int q \ln p &= -\tfrac12\ln 2\pi - \tfrac12(\mu^2 + \sigma^2)\\
\textstyle\int q \ln q &= -\tfrac12\ln 2\pi - \tfrac12(1 + \ln\sigma^2)\\
-\mathrm{KL} &= \tfrac12(1 + \ln\sigma^2 - \mu^2 - \sigma^2)
\end{aligned}""",
        r"Of each latent; they add up over all $J$. No draws are needed, and no gradient is noisy. Drawing $\ln q(z) - "
        r"\ln p(z)$ instead is right on average too, and off by about $\sqrt{(\sigma^2-1)^2/2 + "
        r"\mu^2\sigma^2}\,/\sqrt S$.",
        "At μ = 1, σ = 0.5: how many draws until the error is 0.1 nats?",
        ("About 5", "About 50", "About 500"),
        1,
        r"The error of one draw is 0.73 nats, and $(0.73/0.1)^2 \approx 53$. The closed form takes none. Only where $q "
        "= p$ is a single draw exact: every draw gives 0.",
        state=("mu", "sigma", "seed"),
    ),
)


def gradients_page() -> None:
    """The open section, under the row of all."""
    here, run = open_section("gradients", SECTIONS)
    show_section("gradients", here, run)

"""Data, networks and optimiser of the program: the lines before its loop."""

from __future__ import annotations

from vae_core.config import RunConfig
from vae_core.datasets import IdxSource
from vae_core.likelihoods import Bernoulli, Binomial, Gaussian
from vae_core.nets import ACTIVATIONS, Linear, Mlp
from vae_core.python_export.loop import filled


def layers(config: RunConfig) -> list[str]:
    """The function that makes layers, and draws their initial weights in the same order."""
    if isinstance(config.net, Linear):
        return [
            "def layer(fan_in, fan_out):",
            '    """A linear map: Gaussian weights, and a bias of zero."""',
            "    linear = nn.Linear(fan_in, fan_out)",
            f"    nn.init.normal_(linear.weight, std={config.net.scale!r})",
            "    nn.init.zeros_(linear.bias)",
            "    return linear",
        ]
    assert isinstance(config.net, Mlp)
    activation = ACTIVATIONS[config.net.activation].__name__
    gain = "" if config.net.gain == 1 else f", gain={config.net.gain!r}"
    return [
        "def layers(*widths):",
        f'    """Linear layers with {activation} between them: Glorot-uniform weights, and biases of zero."""',
        "    stack = []",
        "    for fan_in, fan_out in zip(widths, widths[1:]):",
        f"        stack += [nn.Linear(fan_in, fan_out), nn.{activation}()]",
        f"        nn.init.xavier_uniform_(stack[-2].weight{gain})",
        "        nn.init.zeros_(stack[-2].bias)",
        "    return nn.Sequential(*stack[:-1])",
    ]


def images(config: RunConfig) -> list[str]:
    """The training images as uint8 [n, pixels]."""
    count, dataset = config.dataset.sizes[0], config.dataset
    if not isinstance(dataset, IdxSource):
        return [
            f"chosen = np.random.RandomState(0).permutation({sum(dataset.sizes)})[:{count}]  # the rest is for tests",
            "images = torch.tensor(load_digits().data[chosen], dtype=torch.uint8)  # [n, 64], 0 to 16",
        ]
    some, pixels = f"[:{count}]" if dataset.train_size else "", dataset.shape.pixels
    return [
        "# VAE_DATA_DIR is the folder that holds this file.",
        f'path = os.path.join(os.environ.get("VAE_DATA_DIR", "."), "{dataset.kind}/train-images-idx3-ubyte.gz")',
        "with gzip.open(path) as file:",
        "    pixels = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8, offset=16)",
        f"images = pixels.view(-1, {pixels}){some}  # [n, {pixels}], 0 to 255",
    ]


def model(config: RunConfig) -> list[str]:
    """Networks and optimiser."""
    pixels, learned = config.dataset.shape.pixels, ["*encoder.parameters()", "*decoder.parameters()"]
    out = "the mean of each pixel" if isinstance(config.likelihood, Gaussian) else "the logit of each pixel"
    lines = [
        f"torch.set_num_threads({config.threads})",
        "torch.set_flush_denormal(True)  # numbers next to nothing would make Adam slow",
        "torch.manual_seed(SEED)",
    ]
    if isinstance(config.net, Mlp):
        up, down = (", ".join(map(str, widths)) for widths in (config.net.widths, reversed(config.net.widths)))
        lines += [f"encoder = layers({pixels}, {up}, 2 * LATENT)  # from the pixels to mean and ln σ² of z"]
        lines += [f"decoder = layers(LATENT, {down}, {pixels})  # from z to {out}"]
    else:
        lines += [f"encoder = layer({pixels}, LATENT)  # from the pixels to the mean of z"]
        lines += [f"decoder = layer(LATENT, {pixels})  # from z to {out}"]
        lines += ["z_logvar = nn.Parameter(torch.zeros(LATENT))  # ln σ² of z, the same for all images"]
        learned += ["z_logvar"]
    if isinstance(config.likelihood, Gaussian) and config.likelihood.noise == "learned":
        lines += [f"x_logvar = nn.Parameter(torch.tensor(2 * math.log({config.likelihood.sigma!r})))  # of a pixel"]
        learned += ["x_logvar"]
    return [
        *lines,
        filled(f"optimiser = torch.optim.Adam([{', '.join(learned)}], {config.learning_rate!r}, fused=True)"),
    ]


def start(config: RunConfig) -> list[str]:
    """The decoder's last bias, so that untrained it shows the mean image."""
    if not config.net.start_at_mean:
        return []
    top, likelihood = config.dataset.shape.top, config.likelihood
    mean = f"images.sum(0) / ({top} * len(images))"
    if isinstance(likelihood, Binomial):
        mean = f"((images * (1 / {top}) * {likelihood.trials}).round() / {likelihood.trials}).mean(0)"
    elif isinstance(likelihood, Bernoulli) and likelihood.binarise == "threshold":
        mean = f"(images >= {top / 2!r}).float().mean(0)"
    bias = "mean_image" if isinstance(likelihood, Gaussian) else "torch.logit(mean_image.clamp(1e-3, 1 - 1e-3))"
    last = "decoder[-1]" if isinstance(config.net, Mlp) else "decoder"
    return [
        f"mean_image = {mean}",
        "with torch.no_grad():  # untrained, the decoder shows the mean image",
        f"    {last}.bias.copy_({bias})",
    ]


def once(config: RunConfig) -> list[str]:
    """What happens to the data a single time."""
    if not isinstance(config.likelihood, Bernoulli) or config.likelihood.binarise != "fixed":
        return []
    top = config.dataset.shape.top
    return [
        "coins = torch.Generator().manual_seed(1)  # from here on, a pixel is black or white",
        f"images = ({top} * torch.bernoulli(images / {top}, generator=coins)).to(torch.uint8)",
    ]

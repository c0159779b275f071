"""Opening an own model: every good combination of files becomes a run that all readers read."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest
from torch.distributions import Normal, kl_divergence

from tests.opening_helpers import SIGMA, Own
from tests.page_helpers import html, labels, open_page, said
from tests.run_helpers import call
from ui.data import summary
from ui.opening import SENTENCE
from vae_core.branching import branch
from vae_core.cli import main
from vae_core.cli.parser import joined, parser
from vae_core.config import OpenedConfig
from vae_core.diagnostics import EVALUATION_SEED
from vae_core.evaluation import evaluate
from vae_core.imports import add
from vae_core.likelihoods import Bernoulli, Gaussian
from vae_core.opened import Opened, split_of
from vae_core.opening.asking import CHOICES, Question
from vae_core.opening.door import Files, open_model
from vae_core.opening.recipe import ENCODER, LINES
from vae_core.runs import Run, RunStore
from vae_core.runs.asking import requeue
from vae_core.spec import InputError
from vae_core.viewer import card, document, recording

LAYOUTS, RANGES = CHOICES["layout"], CHOICES["range"]


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own.make(tmp_path / "own")


def reader(run: Run) -> Opened:
    opened = Opened.of(run)
    assert opened
    return opened


def readable(run: Run) -> None:
    """What every page and command asks of a run."""
    assert (run.state, run.status().step, run.config.steps) == ("done", 1, 1)
    assert isinstance(run.config, OpenedConfig)
    assert summary(run).name == run.name
    assert json.dumps(card(run))
    assert recording(run)["step"] == 1
    assert document([run]).startswith("<!doctype html>")
    (row,) = run.rows("test")
    assert row["step"] == 0
    assert len(row["kl_per_dimension"]) == run.config.latent


# What may be given


def test_codes_alone_are_enough(own: Own, store: RunStore) -> None:
    run = open_model(Files(own.latents()), store, "mine")
    readable(run)
    (row,) = run.rows("test")
    q = Normal(torch.from_numpy(own.mean), torch.from_numpy(own.sigma))
    kl = kl_divergence(q, Normal(0.0, 1.0)).mean(0)
    torch.testing.assert_close(torch.tensor(row["kl_per_dimension"]), kl, rtol=1e-4, atol=1e-5)
    assert row["kl"] == pytest.approx(float(kl.sum()), rel=1e-4)
    assert (row["elbo"], row["reconstruction"], row["count"], row["active_units"]) == (None, None, 90, 3)
    assert 0 < row["mutual_information"] <= row["mutual_information_ceiling"]
    assert summary(run).measured  # KL and latents in use are known
    assert summary(run).elbo != summary(run).elbo
    assert summary(run).picture == ""
    opened = reader(run)
    torch.testing.assert_close(opened.posterior().std, torch.from_numpy(own.sigma))
    assert (opened.images(), opened.labels(), opened.classes(), opened.has_images) == (None, None, (), False)
    assert (opened.decoder, opened.encoder) == (None, None)
    with pytest.raises(InputError, match="came without a decoder; open it again with its decoder"):
        run.model()[1].picture(torch.zeros(1, 3))
    with pytest.raises(InputError, match="came without an encoder"):
        run.model()[1].encode(torch.zeros(1, 1, 1, 1))


@pytest.mark.parametrize("values", RANGES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_and_range_are_found_on_the_images(own: Own, store: RunStore, layout: str, values: str) -> None:
    run = open_model(Files(own.latents(), own.decoder(layout, values), images=own.npy()), store)
    readable(run)
    found = reader(run).card()["decoder"]
    assert (found["layout"], found["range"]) == (layout, values)
    errors = sorted(found["errors"].values())
    assert found["errors"][f"{layout} in {values}"] == errors[0] < 1e-5
    assert errors[1] > 2 * errors[0]
    z = torch.randn(70, 3)
    torch.testing.assert_close(run.model()[1].picture(z), torch.from_numpy(own.decode(z.numpy())), atol=1e-5, rtol=1e-5)
    assert summary(run).picture == "00000000.png"
    for name, rows in (("00000000", 3), ("inputs", 2)):
        with Image.open(run.path / "frames" / f"{name}.png") as sheet:
            assert sheet.size == (8 * 6, rows * 4)


@pytest.mark.parametrize("layout", ["nchw", "flat", "nhw"])
def test_grey_pictures_come_in_any_layout(tmp_path: Path, store: RunStore, layout: str) -> None:
    own = Own.make(tmp_path / "own", (1, 5, 5), latent=2)
    run = open_model(Files(own.latents(), own.decoder(layout), images=own.npy(own.bytes[:, 0])), store)
    assert reader(run).card()["decoder"]["layout"] == layout
    assert run.config.dataset.shape[:3] == (1, 5, 5)


@pytest.mark.parametrize("second", ["logvar", "sigma", "joined"])
@pytest.mark.parametrize("values", RANGES[:2])
@pytest.mark.parametrize("layout", LAYOUTS[:3])
def test_an_encoder_is_one_that_gives_the_codes(
    own: Own, store: RunStore, layout: str, values: str, second: str
) -> None:
    files = Files(own.latents(), own.decoder(values=values), own.encoder(layout, values, second), own.npy())
    run = open_model(files, store)
    found = reader(run).card()["encoder"]
    assert (found["layout"], found["range"]) == (layout, values)
    q = run.model()[1].encode(torch.from_numpy(own.images))
    torch.testing.assert_close(q.mean, torch.from_numpy(own.mean), atol=1e-3, rtol=0)
    torch.testing.assert_close(q.std, torch.full_like(q.std, 0.25), atol=1e-4, rtol=0)


def test_the_bound_is_that_of_the_model(own: Own, store: RunStore) -> None:
    files = Files(own.latents(), own.decoder(), images=own.npy(), likelihood="gaussian:0.1")
    run = open_model(files, store)
    (row,) = run.rows("test")
    noise = torch.randn(own.mean.shape, generator=torch.Generator().manual_seed(EVALUATION_SEED)).numpy()
    back = torch.from_numpy(own.decode(own.mean + own.sigma * noise))
    terms = Normal(back, 0.1).log_prob(torch.from_numpy(own.bytes / np.float32(255))).sum((1, 2, 3))
    assert row["reconstruction"] == pytest.approx(float(terms.mean()), rel=1e-4)
    assert row["elbo"] == pytest.approx(row["reconstruction"] - row["kl"], rel=1e-4)
    assert row["baseline"] < row["elbo"]
    assert summary(run).measured
    assert card(run)["baseline"] == row["baseline"]


@pytest.mark.parametrize(("values", "sigma"), [("0:1", 0.1), ("-1:1", 0.05)])
def test_sigma_is_in_the_units_of_the_models_pixels(own: Own, store: RunStore, values: str, sigma: float) -> None:
    run = open_model(
        Files(own.latents(), own.decoder(values=values), images=own.npy(), likelihood="gaussian:0.1"), store
    )
    assert run.config.likelihood == Gaussian(sigma=sigma)


@pytest.mark.parametrize(("black", "binarise"), [(False, "never"), (True, "threshold")])
def test_a_bernoulli_of_black_and_white_images_is_a_likelihood(
    own: Own, store: RunStore, black: bool, binarise: str
) -> None:
    images = np.where(own.bytes > 127, 255, 0).astype(np.uint8) if black else own.bytes
    run = open_model(
        Files(own.latents(), own.decoder(values="logits"), images=own.npy(images), likelihood="bernoulli"), store
    )
    assert run.config.likelihood == Bernoulli(binarise=binarise)
    assert run.rows("test")[0]["elbo"] < 0


def test_a_model_with_both_networks_can_be_evaluated(own: Own, store: RunStore, capsys) -> None:
    latents = own.latents(mean=own.mean, sigma=np.full_like(own.mean, SIGMA))
    run = open_model(Files(latents, own.decoder(), own.encoder(), own.npy(), likelihood="gaussian:0.1"), store)
    numbers = evaluate(run.model()[1], split_of(run, "test"), samples=20, images=30)
    assert numbers["elbo"] == pytest.approx(run.rows("test")[0]["elbo"], abs=1)
    assert numbers["nll"] < -numbers["elbo"]
    assert main(["evaluate", str(run.path), "--samples", "20", "--images", "30", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["nll"] == pytest.approx(numbers["nll"], abs=1e-4)
    assert (printed["count"], printed["beta_reached"]) == (len(own.mean), None)
    assert main(["evaluate", str(run.path), "--split", "train"]) == 2


def test_what_a_model_came_without_is_said_by_evaluate(own: Own, store: RunStore, capsys) -> None:
    for files, missing in (
        (Files(own.latents()), "without images"),
        (Files(own.latents(), own.decoder(), images=own.npy(), likelihood="gaussian:0.1"), "without an encoder"),
    ):
        assert main(["evaluate", str(open_model(files, store).path)]) == 2
        assert missing in capsys.readouterr().err


# How the codes may be written


@pytest.mark.parametrize(
    ("keys", "second", "is_"),
    [
        (("mean", "logvar"), None, "logvar"),
        (("mu", "log_var"), None, "logvar"),
        (("mean", "sigma"), None, "sigma"),
        (("z_mean", "std"), None, "sigma"),
        (("arr_0", "arr_1"), "sigma", "sigma"),
        (("mean", "width"), "logvar", "logvar"),
    ],
)
def test_the_second_array_is_known_by_its_name_or_the_users_word(own, store, keys, second, is_) -> None:
    spread = own.sigma if is_ == "sigma" else 2 * np.log(own.sigma)
    path = own.latents(**{keys[0]: own.mean.astype(np.float64), keys[1]: spread})
    run = open_model(Files(path, second=second), store)
    torch.testing.assert_close(reader(run).posterior().std, torch.from_numpy(own.sigma))
    assert reader(run).card()["second"]["is"] == is_


def test_negative_values_decide_and_else_it_is_asked(own: Own, store: RunStore) -> None:
    run = open_model(Files(own.latents(mean=own.mean, other=2 * np.log(own.sigma))), store)
    assert reader(run).card()["second"] == {"is": "logvar", "why": "it has negative values"}
    with pytest.raises(Question, match=r"--second logvar\|sigma") as asked:
        open_model(Files(own.latents(mean=own.mean, other=own.sigma)), store)
    assert asked.value.option == "second"


# How images and labels may be written


@pytest.mark.parametrize("form", ["nchw", "nhwc", "float", "-1:1", "folder", "zip", "fortran", "big-endian"])
def test_images_may_come_in_any_form(own: Own, store: RunStore, form: str) -> None:
    pictures = own.bytes.transpose(0, 2, 3, 1)
    if form == "folder":
        path = own.folder / "images"
        path.mkdir()
        for at, picture in enumerate(pictures):
            Image.fromarray(picture).save(path / f"{at}.png")  # 10 comes after 2
    elif form == "zip":
        path = own.folder / "images.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for at, picture in enumerate(pictures):
                file = io.BytesIO()
                Image.fromarray(picture).save(file, "PNG")
                archive.writestr(f"faces/{at}.png", file.getvalue())
    else:
        forms = {
            "nchw": own.bytes, "nhwc": pictures, "float": own.images, "-1:1": 2 * own.images - 1,
            "fortran": np.asfortranarray(own.bytes), "big-endian": own.images.astype(">f4"),
        }  # fmt: skip
        path = own.npy(forms[form])
    run = open_model(Files(own.latents(), images=path), store)
    images = reader(run).images()
    assert images is not None
    assert np.array_equal(images.numpy(), own.bytes)


def test_labels_come_from_a_table_or_with_the_codes(own: Own, store: RunStore) -> None:
    texts = [("ten", "two", "a\tb")[at % 3] for at in range(90)]
    path = own.folder / "labels.csv"
    path.write_text("\ufeffid,label\n" + "".join(f'{at},"{text}"\n' for at, text in enumerate(texts)), "utf-8")
    opened = reader(open_model(Files(own.latents(), labels=path), store))
    labels = opened.labels()
    assert labels is not None
    assert opened.classes() == ("a b", "ten", "two")
    assert labels[:3].tolist() == [1, 2, 0]
    digits = np.arange(90) % 12
    opened = reader(open_model(Files(own.latents(mean=own.mean, sigma=own.sigma, labels=digits)), store))
    assert opened.classes()[-3:] == ("9", "10", "11")


# Without images


def test_without_images_the_last_layer_says_the_range_or_it_is_asked(own: Own, store: RunStore) -> None:
    for values in RANGES[:2]:
        run = open_model(Files(own.latents(), own.decoder(values=values)), store)
        assert reader(run).card()["decoder"]["range"] == values
        assert run.config.dataset.shape[:3] == own.shape
    with pytest.raises(Question, match="what is black") as asked:
        open_model(Files(own.latents(), own.decoder(values="logits")), store)
    assert asked.value.option == "range"
    assert reader(open_model(Files(own.latents(), own.decoder(values="logits"), range="logits"), store)).decoder


def test_it_is_asked_where_no_reading_is_clearly_best(own: Own, store: RunStore) -> None:
    noise = np.random.default_rng(0).integers(0, 256, own.bytes.shape, np.uint8)
    files = Files(own.latents(), own.decoder(), images=own.npy(noise))
    with pytest.raises(Question, match="nchw in 0:1: 0") as asked:
        open_model(files, store)
    assert asked.value.option == "range"
    run = open_model(Files(files.latents, files.decoder, images=files.images, range="0:1"), store)
    assert "not in one order" in reader(run).card()["notes"][0]


# A run like any other, but that it is not trained


@pytest.mark.parametrize("whole", [False, True], ids=["codes alone", "all files"])
def test_the_pages_show_it(own: Own, store: RunStore, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    monkeypatch.setenv("VAE_RUNS", str(store.root))
    files = Files(own.latents(), own.decoder(), own.encoder(), own.npy(), likelihood="gaussian:0.1")
    run = open_model(files if whole else Files(own.latents()), store, "mine")
    page = open_page("watch", run=run.name)
    assert not page.exception
    assert "Opened, not trained here." in [caption.value for caption in page.caption]
    assert "Resume" not in labels(page)
    assert "nan" not in html(page) + said(page)
    assert not open_page("home").exception


def test_it_cannot_be_trained_and_says_so(own: Own, store: RunStore, tmp_path: Path) -> None:
    run = open_model(Files(own.latents()), store, "mine")
    says = "an opened model is not trained here"
    for act in (lambda: branch(run, 0, store), lambda: requeue(run), lambda: add(run.path, store, "copy")):
        with pytest.raises(InputError, match=says):
            act()
    with pytest.raises(InputError, match=says):
        run.config.dataset.load()
    config = str(run.path / "config.json")
    for words in (["resume", "mine"], ["train", "--config", config]):
        done = call(*words, "--runs", store.root)
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr
    assert [own.name for own in store.own()] == ["mine"]


def test_the_command_line_opens_a_model(own: Own, store: RunStore) -> None:
    files = ["--latents", own.latents(), "--decoder", own.decoder(values="-1:1"), "--images", own.npy()]
    done = call("open", "mine", *files, "--range", "-1:1", "--likelihood", "gaussian:0.2", "--runs", store.root)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{store['mine'].path.resolve()}\n"
    assert "note: The decoder is read as nchw in -1:1, as you said (errors: nchw in -1:1 " in done.stderr
    listed = json.loads(call("list", "--json", "--runs", store.root).stdout)
    assert ("mine", "done") in [(row["name"], row["state"]) for row in listed]
    again = call("open", "mine", *files, "--runs", store.root)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == f"vae_core: a run called 'mine' exists in {store.root}; choose another name\n"
    asked = call("open", "other", "--latents", own.latents(mean=own.mean, x=own.sigma), "--runs", store.root)
    assert asked.returncode == 2
    assert "say which with --second logvar|sigma" in asked.stderr


def test_minus_one_is_a_value_and_not_an_option() -> None:
    words = ["open", "x", "--latents", "z.npz", "--range", "-1:1", "--second", "sigma"]
    options = parser().parse_args(joined(words))
    assert (options.range, options.second) == ("-1:1", "sigma")
    assert joined(["list"]) == ["list"]


# The eight lines

WRITE = """
import warnings
warnings.simplefilter("ignore")
import torch
from torch import nn

class Yours(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(3, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 4, 2, 1), nn.ReLU(), nn.Flatten(),
            nn.Linear(8 * 256, 128))
        self.up = nn.Sequential(
            nn.Linear(64, 8 * 256), nn.ReLU(), nn.Unflatten(1, (8, 16, 16)), nn.ConvTranspose2d(8, 8, 4, 2, 1),
            nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())
    def encode(self, x):
        return self.down(x).chunk(2, -1)
    def decode(self, z):
        return self.up(z)

torch.manual_seed(0)
images = torch.rand(100, 3, 1, 1).expand(-1, -1, 64, 64) * torch.linspace(0.2, 1, 64) * 2 - 1
images = images.contiguous()
vae = Yours()
optimiser = torch.optim.Adam(vae.parameters(), 3e-3)
for step in range(25):
    mean, logvar = vae.encode(images[step % 2 * 50 :][:50])
    back = vae.decode(mean + torch.randn_like(mean) * (logvar / 2).exp())
    loss = (back - images[step % 2 * 50 :][:50]).square().sum() + 0.5 * (mean.square() + logvar.exp() - logvar).sum()
    optimiser.zero_grad(); loss.backward(); optimiser.step()
"""
AFTER = """
with torch.no_grad():
    z = torch.randn(40, 64)
    numpy.savez("truth.npz", z=z.numpy(), x=vae.decode(z).numpy(), mean=vae.encode(images)[0].numpy())
"""


def test_the_eight_lines_write_what_is_opened(tmp_path: Path, store: RunStore) -> None:
    assert len(LINES.splitlines()) == 8
    assert max(map(len, LINES.splitlines())) <= 120
    code = WRITE + LINES + ENCODER + AFTER
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    files = (tmp_path / name for name in ("latents.npz", "decoder.onnx", "encoder.onnx", "images.npy"))
    run = open_model(Files(*files, likelihood="gaussian:0.2"), store)
    readable(run)
    opened = reader(run)
    assert (opened.config.latent, opened.config.dataset.shape[:3]) == (64, (3, 64, 64))
    assert opened.card()["decoder"]["range"] == opened.card()["encoder"]["range"] == "-1:1"
    with np.load(tmp_path / "truth.npz") as truth:
        z, x, mean = (torch.from_numpy(truth[name]) for name in ("z", "x", "mean"))
    vae = run.model()[1]
    torch.testing.assert_close(2 * vae.picture(z) - 1, x, atol=1e-4, rtol=0)
    images = torch.from_numpy(np.load(tmp_path / "images.npy"))
    torch.testing.assert_close(vae.encode((images + 1) / 2).mean, mean, atol=1e-4, rtol=1e-4)


# The form


@pytest.fixture
def form(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("VAE_RUNS", str(store.root))
    monkeypatch.setattr("ui.opening.st.switch_page", lambda *_, **__: None)  # to a page of the whole app
    return AppTest.from_string("from ui.opening import open_form\nopen_form()", default_timeout=60).run()


def upload(form: AppTest, **files: Path) -> AppTest:
    for field, path in files.items():
        form.file_uploader(key=f"open-{field}").set_value((path.name, path.read_bytes(), ""))
    return form.run()


def test_the_form_opens_a_model(form: AppTest, own: Own, store: RunStore) -> None:
    assert SENTENCE in [caption.value for caption in form.caption]
    assert LINES.strip() in [code.value.strip() for code in form.code]
    assert form.button(key="open-go").disabled
    upload(form, latents=own.latents(), decoder=own.decoder("nhwc"), images=own.npy(), encoder=own.encoder())
    form.text_input(key="open-name").set_value("faces")
    form.selectbox(key="open-likelihood").set_value("gaussian").run()
    form.number_input(key="open-sigma").set_value(0.2)
    form.button(key="open-go").click().run()
    assert not form.exception
    assert not form.error
    assert store["faces"].config.likelihood == Gaussian(sigma=0.2)
    assert reader(store["faces"]).encoder


def test_the_form_asks_only_what_is_needed_and_says_what_is_wrong(form: AppTest, own: Own, store: RunStore) -> None:
    upload(form, latents=own.latents(mean=own.mean, other=own.sigma))
    assert not form.radio
    form.button(key="open-go").click().run()
    (question,) = form.radio
    assert question.label == "What stands beside the mean"
    assert "--second" not in form.info[0].value
    question.set_value("sigma")
    form.button(key="open-go").click().run()
    assert not form.error
    (run,) = store.own()
    torch.testing.assert_close(reader(run).posterior().std, torch.from_numpy(own.sigma))
    upload(form, latents=own.latents(mean=own.mean, sigma=own.sigma[:5]))
    form.button(key="open-go").click().run()
    assert "sigma is \\(5, 3\\)" in form.error[0].value
    assert len(store.own()) == 1

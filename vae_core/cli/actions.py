"""What each command does."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from vae_core.cli.parser import complain
from vae_core.spec import InputError

ROOT = Path(__file__).resolve().parents[2]
LARGEST_CONFIG = 2**20


def _store(options: argparse.Namespace):
    from vae_core.runs import RunStore

    return RunStore(options.runs) if options.runs else RunStore.default()


def _find(options: argparse.Namespace):
    from vae_core.runs import find

    return find(options.run, _store(options))


def _train(options: argparse.Namespace) -> int:
    import vae_core.training  # noqa: F401  (which takes a while: not between creating a run and training it)
    from vae_core.config import RunConfig, parse_config, revise
    from vae_core.presets import preset

    if options.preset and options.config:
        raise InputError("--preset and --config were both given", fix="give one of them")
    config = preset(options.preset).config if options.preset else RunConfig()
    if options.config:
        config = parse_config(_config_text(options.config), str(options.config))
    config = revise(config, options.settings)
    for note in config.notes():
        sys.stderr.write(f"note: {note}\n")
    config.dataset.load()  # a run whose data are not there should not come to be
    run = _store(options).create(config, options.name, stem=options.preset, state="running", lock=True)
    code = _work(run)
    print(run.path.resolve())
    return code


def _config_text(path: Path) -> str:
    """The config in a file, which may also be a run's config.json."""
    if not path.is_file() or path.stat().st_size > LARGEST_CONFIG:
        raise InputError("there is no file of at most 1 MiB", str(path), fix="check the path")
    try:
        text = path.read_text("utf-8")
        content = json.loads(text)
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror})", str(path), fix="check the path") from None
    except ValueError:
        raise InputError("the file is not JSON", str(path), fix="write it as one JSON object") from None
    return json.dumps(content["config"]) if isinstance(content, dict) and "config" in content else text


def _resume(options: argparse.Namespace) -> int:
    from vae_core.commands import Pace
    from vae_core.runs import forgive

    run = _find(options)
    run.refuse_opened()
    if run.state == "done":
        print(f"{run.name} is done: all {run.config.steps:,} steps are trained")
        return 0
    run.refuse_shipped()
    forgive(run)
    if run.status().pace:  # a page may have slowed it; here it goes at full speed
        run.post(Pace(seconds=0.0))
    return _work(run)


def _work(run) -> int:
    """Train in this process, with a bar on a terminal."""
    from vae_core.training import Halted, train

    try:
        with _progress(run):
            train(str(run.path))
    except Halted as halted:
        return complain(str(halted), halted.code)
    return 0


@contextlib.contextmanager
def _progress(run) -> Iterator[None]:
    if not sys.stderr.isatty():
        yield
        return
    from tqdm import tqdm

    finished = threading.Event()

    def follow() -> None:
        with tqdm(total=run.config.steps, unit="step", desc=run.name) as bar:
            while not finished.wait(0.2):
                bar.update(run.status().step - bar.n)
            bar.update(run.status().step - bar.n)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _stop(options: argparse.Namespace) -> int:
    from vae_core.commands import Stop
    from vae_core.races.heats import post

    run = _find(options)
    if run.state in ("done", "stopped", "failed"):
        sys.stderr.write(f"note: {run.name} is {run.state}; there is nothing to stop\n")
        return 0
    post(run, Stop())
    return 0


def _list(options: argparse.Namespace) -> int:
    rows = []
    for run in _store(options):
        try:
            steps, created = run.config.steps, run.created
        except InputError as error:
            sys.stderr.write(f"note: {error}\n")
            continue
        row = {"name": run.name, "state": run.state, "step": run.status().step, "steps": steps}
        rows.append(row | {"created": created, "path": str(run.path.resolve())})
    if options.json:
        print(json.dumps(rows))
        return 0
    for row in rows:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["created"]))
        print(f"{row['name']:32} {row['state']:12} {row['step']:>9,} / {row['steps']:<9,} {when}  {row['path']}")
    return 0


def _add(options: argparse.Namespace) -> int:
    from vae_core.imports import add

    if not options.path.exists():
        raise InputError(f"there is nothing at {options.path}", fix="check the path")
    print(add(options.path, _store(options)).path.resolve())
    return 0


def _open(options: argparse.Namespace) -> int:
    from vae_core.opened import Opened
    from vae_core.opening.door import Files, open_model

    fields = ("latents", "decoder", "encoder", "images", "labels", "likelihood", "range", "layout", "second")
    files = Files(**{name: getattr(options, name) for name in fields})
    run = open_model(files, _store(options), options.name, lambda words: print(f"{words} …", file=sys.stderr))
    opened = Opened.of(run)
    for sentence in opened.told() if opened else []:
        sys.stderr.write(f"note: {sentence}\n")
    print(run.path.resolve())
    return 0


def _engine(options: argparse.Namespace) -> int:
    from filelock import Timeout

    from vae_core.engine import serve_store

    if not 1 <= options.slots <= 64:
        raise InputError(f"{options.slots} slots", limit="1 to 64 are possible", fix="change --slots")
    try:
        serve_store(_store(options), options.slots, once=options.once)
    except Timeout:
        return complain("another engine of this host serves that store", 75)
    except OSError as error:
        raise InputError(f"the store cannot be written ({error.strerror})", fix="choose another with --runs") from None
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from vae_core.evaluation import evaluate
    from vae_core.opened import Opened, split_of
    from vae_core.training.course import Course

    run = _find(options)
    step, vae = run.model()
    numbers = evaluate(vae, split_of(run, options.split), options.samples, options.images)
    reached = None if Opened.of(run) else Course(run)(max(0, step - 1))
    document = numbers | {"split": options.split, "step": step, "beta_reached": reached}
    if options.json:
        print(json.dumps({key: _strict(value) for key, value in document.items()}))
    else:
        for key, value in document.items():
            print(f"{key:28} {_shown(value)}")
        print("nats per image; elbo and reconstruction are log-likelihoods, kl and nll are positive", file=sys.stderr)
    return 0


def _race(options: argparse.Namespace) -> int:
    from vae_core.cli.race import run

    return run(options)


def _strict(value: object) -> object:
    """JSON knows no nan: where a number is not finite, its name."""
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _shown(value: object) -> str:
    if isinstance(value, list):
        return " ".join(f"{item:.3f}" for item in value)
    return f"{value:.4f}" if isinstance(value, float) else "—" if value is None else str(value)


def _export(options: argparse.Namespace) -> int:
    from vae_core.exports import FORMATS
    from vae_core.runs import find
    from vae_core.viewer import to_html

    runs = [find(name, _store(options)) for name in options.run]
    if options.step is not None and options.to != "onnx":
        raise InputError("--step was given", limit="only onnx takes one", fix="leave it out")
    if options.to == "html":
        to_html(runs, options.out)
    elif len(runs) > 1:
        raise InputError(f"{len(runs)} runs were given", limit=f"{options.to} takes one", fix="export them one by one")
    elif options.to == "onnx":
        from vae_core.onnx_export import to_onnx

        to_onnx(runs[0], options.out, options.step)
    elif options.to == "python":
        from vae_core.python_export import to_python

        to_python(runs[0], options.out)
    else:
        FORMATS[options.to](runs[0], options.out)
    print(options.out.resolve())
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from vae_core.datasets import FashionMnist, Mnist

    dataset = {"mnist": Mnist(), "fashion-mnist": FashionMnist()}[options.dataset]
    with tqdm(total=dataset.download_bytes, unit="B", unit_scale=True, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        dataset.download(progress)
    return 0


def _serve(options: argparse.Namespace) -> int:
    if options.runs:
        os.environ["VAE_RUNS"] = str(options.runs.resolve())
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py")]
    command += ["--server.address", options.host, "--server.port", str(options.port)]
    # The configuration with our theme lies beside app.py, and Streamlit looks for it in the current directory.
    os.environ.setdefault("VAE_RUNS", str(Path("runs").resolve()))
    with contextlib.suppress(KeyboardInterrupt):
        return subprocess.call(command, cwd=ROOT)
    return 0


ACTIONS = {
    "train": _train, "resume": _resume, "stop": _stop, "list": _list, "add": _add, "open": _open,
    "engine": _engine,
    "evaluate": _evaluate, "race": _race, "export": _export, "fetch": _fetch, "serve": _serve,
}  # fmt: skip

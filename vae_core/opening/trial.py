"""A trial of an ONNX file in a process of its own: `python -m vae_core.opening.trial FOLDER MEMORY`.

FOLDER has `model.onnx` and the inputs `0.in.npy`, `1.in.npy`, …; each gets its outputs `0.out.npz`. What happened is
in `said.json`: {"error": null or a message}. Nothing but numpy and onnxruntime is loaded, and within MEMORY bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from vae_core.system import limit_memory


def main(folder: Path, memory: int) -> None:
    """Run the model on each input."""
    limit_memory(memory)
    try:
        _run(folder)
        message = None
    except MemoryError:
        message = "out of memory"
    except Exception as error:  # whatever the runtime says of a file that is not ours
        message = " ".join(str(error).split())[:300] or type(error).__name__
    (folder / "said.json").write_text(json.dumps({"error": message}))


def _run(folder: Path) -> None:
    import numpy as np
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    # From bytes, so that nothing beside the file can be reached from it.
    data = (folder / "model.onnx").read_bytes()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    for path in sorted(folder.glob("*.in.npy")):
        outputs = session.run(None, {given.name: np.load(path, allow_pickle=False)})
        np.savez(path.with_name(path.name.replace(".in.npy", ".out.npz")), *(np.asarray(one) for one in outputs))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

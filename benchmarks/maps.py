"""Seconds to the first map of MNIST's 60,000 training images: `python -m benchmarks.maps` (MNIST is needed).

In a real browser, from navigation to a canvas that is ready, on a store without caches: PCA and UMAP, each cold (the
images encoded, the network exported, UMAP's code compiled) and again in a fresh profile of the browser.
"""

from __future__ import annotations

import json

from benchmarks.canvas import app, visit

RUN = "mnist-annealed"


def main() -> None:
    """One JSON line for each method."""
    with app() as (server, browser):
        for method in ("pca", "umap"):
            told: dict[str, str | float] = {"method": method}
            for state in ("cold", "warm"):
                context = browser.new_context(viewport={"width": 1360, "height": 768})
                seconds, _ = visit(context, f"{server.url}/latent?run={RUN}&split=train&method={method}")
                told[f"{state}_s"] = round(seconds, 1)
                context.close()
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()

"""Scores of disentanglement: constructed codes have known ones, and no order, scale or offset changes them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.run_helpers import finish, tiny
from vae_core.config import RunConfig
from vae_core.datasets import Shapes
from vae_core.disentanglement import dci, disentanglement_of, mig, sap
from vae_core.nets import Mlp
from vae_core.report import disentangled
from vae_core.runs import RunStore
from vae_core.spec import InputError

COUNT, LEVELS = 5000, 10
DRAW = np.random.RandomState(0)
FACTORS = DRAW.randint(0, LEVELS, (COUNT, 3))
EXACT = FACTORS.astype(np.float64)
ZEROS = np.zeros((COUNT, 1))
TURN = np.array([[1, -1, 0], [1, 1, 0], [0, 0, math.sqrt(2)]]) / math.sqrt(2)
CODES = {
    "noise": np.hstack([EXACT, DRAW.standard_normal((COUNT, 1))]),
    "dead": np.hstack([EXACT, ZEROS]),
    "twice": np.hstack([EXACT, EXACT]),
    "turned": np.hstack([EXACT @ TURN.T, ZEROS]),
    "nothing": DRAW.standard_normal((COUNT, 4)),
}
# MIG, SAP, disentanglement, completeness, informativeness, each with the tolerance after it.
TABLE = {
    "noise": ((0.9925, 0.005), (0.9998, 0.005), (1.0, 0.005), (1.0, 0.005), (1.0, 0.005)),
    "dead": ((0.9963, 0.005), (0.9999, 0.005), (1.0, 0.005), (1.0, 0.005), (1.0, 0.005)),
    "twice": ((0.0, 0.005), (0.0, 0.005), (1.0, 0.005), (1 - math.log(2) / math.log(6), 0.03), (1.0, 0.005)),
    "turned": ((0.332, 0.01), (0.338, 0.01), (0.580, 0.01), (0.667, 0.01), (1.0, 0.005)),
    "nothing": ((0.0002, 0.005), (0.0004, 0.005), (0.0015, 0.005), (0.0013, 0.005), (-0.02, 0.02)),
}


@pytest.mark.parametrize("name", TABLE)
def test_constructed_codes_have_the_known_scores(name: str) -> None:
    found = dci(CODES[name], FACTORS)
    scores = mig(CODES[name], FACTORS), sap(CODES[name], FACTORS)
    scores += found.disentanglement, found.completeness, found.informativeness
    for score, (expected, tolerance) in zip(scores, TABLE[name], strict=True):
        assert score == pytest.approx(expected, abs=tolerance)
    assert found.importance.shape == (CODES[name].shape[1], 3)
    assert found.importance.sum(0) == pytest.approx(np.ones(3))


@pytest.mark.parametrize("name", ["noise", "turned"])
def test_no_order_scale_offset_or_sign_changes_a_score(name: str) -> None:
    codes = CODES[name]
    changed = 7 - 3 * codes[:, ::-1]
    assert mig(changed, FACTORS) == pytest.approx(mig(codes, FACTORS), abs=0.005)
    assert sap(changed, FACTORS) == pytest.approx(sap(codes, FACTORS), abs=1e-9)
    assert sap(codes.astype(np.float32), FACTORS) == pytest.approx(sap(codes, FACTORS), abs=1e-6)


def test_a_table_of_importances_is_scored_by_its_entropies() -> None:
    assert disentanglement_of(np.eye(4)) == pytest.approx((1, 1))
    assert disentanglement_of(np.full((5, 3), 0.2)) == pytest.approx((0, 0), abs=1e-12)
    assert disentanglement_of(np.zeros((3, 2))) == pytest.approx((0, 0), abs=1e-12)
    assert disentanglement_of(np.array([[1.0, 1.0], [0.0, 0.0]])) == pytest.approx((0, 1))
    assert disentanglement_of(np.ones((1, 1))) == pytest.approx((1, 1))


def test_a_single_latent_is_compared_with_none() -> None:
    assert mig(EXACT[:, :1], FACTORS[:, :1]) == pytest.approx(1, abs=1e-9)
    assert sap(EXACT[:, :1], FACTORS[:, :1]) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("codes", "factors", "says"),
    [
        (EXACT[:10], FACTORS[:9], "10 codes and 9 rows of factors"),
        (np.full((10, 2), np.nan), FACTORS[:10], "not all codes are finite"),
        (EXACT[:10], np.zeros((10, 1), np.int64), "the same for all examples"),
        (EXACT[:10], FACTORS[:10] - 5, "a factor is negative"),
    ],
)
def test_what_has_no_score_is_said_in_a_sentence(codes: np.ndarray, factors: np.ndarray, says: str) -> None:
    for score in (mig, sap, dci):
        with pytest.raises(InputError, match=says):
            score(codes, factors)


def test_a_run_of_shapes_is_scored_on_its_ordered_factors(store: RunStore) -> None:
    run = store.create(RunConfig(dataset=Shapes(), net=Mlp(widths=(16,)), latent=3, steps=3, threads=1), "shapes")
    assert finish(run) == 0
    found = disentangled(run)
    assert (found.step, found.count, found.factors) == (3, 1000, ["scale", "x", "y"])
    assert all(0 <= score <= 1 for score in (found.mig, found.sap, found.disentanglement, found.completeness))
    assert found.mig < 0.5  # three steps disentangle nothing
    assert np.array(found.importance).shape == (3, 3)
    # The factors are those of the very images: the brightest column tells x.
    _, test = Shapes().load()
    x = (test.images.float().sum((1, 2)) * torch.arange(32.0)).sum(1) / test.images.float().sum((1, 2, 3))
    factors = Shapes().factors()[-1000:, [1, 3, 4]].numpy()
    assert dci(x[:, None].numpy(), factors).importance[0].tolist() == [1, 1, 1]
    assert np.corrcoef(x.numpy(), factors[:, 1])[0, 1] > 0.99


def test_data_without_factors_is_refused(store: RunStore) -> None:
    with pytest.raises(InputError, match="this data has no known factors in digits"):
        disentangled(store.create(tiny(), "digits"))

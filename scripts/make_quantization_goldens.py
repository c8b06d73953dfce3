#!/usr/bin/env python3
"""Writes Tests/QuantizationTests/Resources/golden.json: second-order rounding of one small matrix, in float64 by numpy.

The reference uses none of our formulas: U and D come from numpy's Cholesky factorization of the reversed matrix, and
codes from GPTQ as published (Frantar et al. 2022, algorithm 1: the inverse of H, its upper Cholesky factor, and updates
of the weights that are left), which Chee et al. 2023 prove to give the codes of LDLQ.

Needs: numpy. The same version writes the same bytes.
"""

import json
import pathlib
import platform

import numpy as np

ROWS, COLUMNS, TOKENS, GROUP, BITS, DAMPING = 6, 40, 96, 32, 4, 0.01
RESOURCE = pathlib.Path(__file__).resolve().parent.parent / "Tests/QuantizationTests/Resources/golden.json"


def gptq(weights, scales, moments):
    """Codes by GPTQ for scales that are given, columns in the order of `moments`."""
    factor = np.linalg.cholesky(np.linalg.inv(moments)).T  # upper: inverse(H) = factor^T factor
    left = weights.copy()
    codes = np.zeros(weights.shape, dtype=int)
    tie = np.inf
    for column in range(weights.shape[1]):
        x = left[:, column] / scales[:, column]
        levels = np.clip(np.rint(x), -(2 ** (BITS - 1)), 2 ** (BITS - 1) - 1)
        inside = np.abs(x) < 2 ** (BITS - 1)
        tie = min(tie, np.min(np.abs(np.abs(x - np.floor(x)) - 0.5)[inside], initial=np.inf))
        codes[:, column] = levels + 2 ** (BITS - 1)
        error = (left[:, column] - levels * scales[:, column]) / factor[column, column]
        left[:, column:] -= np.outer(error, factor[column, column:])
    return codes, tie


def main():
    random = np.random.default_rng(2022)
    # Multiples of small powers of two: exact as float32, and short in JSON.
    mixing = random.normal(size=(COLUMNS, COLUMNS)) / np.arange(1, COLUMNS + 1)[:, None]
    inputs = np.rint(random.normal(size=(TOKENS, COLUMNS)) @ mixing * 64) / 64
    weights = np.rint(random.normal(size=(ROWS, COLUMNS)) * 64) / 1024
    moments = inputs.T @ inputs
    order = sorted(range(COLUMNS), key=lambda column: (-moments[column, column], column))
    damping = DAMPING * np.mean(np.diag(moments))
    damped = moments[np.ix_(order, order)] + damping * np.eye(COLUMNS)

    # H = (U + I) D (U + I)^T: Cholesky's lower factor of the reversed matrix, reversed back, is (U + I) sqrt(D).
    root = np.linalg.cholesky(damped[::-1, ::-1])[::-1, ::-1]
    pivots = np.diag(root) ** 2
    upper = root / np.diag(root)[None, :] - np.eye(COLUMNS)
    assert np.allclose((upper + np.eye(COLUMNS)) * pivots @ (upper + np.eye(COLUMNS)).T, damped)

    groups = [range(first, min(first + GROUP, COLUMNS)) for first in range(0, COLUMNS, GROUP)]
    largest = np.stack([np.abs(weights[:, list(group)]).max(axis=1) for group in groups], axis=1)
    scales = (largest / (2 ** (BITS - 1) - 1)).astype(np.float16)
    wide = scales.astype(np.float64)[:, [column // GROUP for column in range(COLUMNS)]]
    ordered_codes, tie = gptq(weights[:, order], wide[:, order], damped)
    assert tie > 1e-4, "a choice too near to a tie: take another seed"
    codes = np.zeros_like(ordered_codes)
    codes[:, order] = ordered_codes
    error = weights - (codes - 2 ** (BITS - 1)) * wide

    RESOURCE.parent.mkdir(parents=True, exist_ok=True)
    golden = {
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "rows": ROWS, "columns": COLUMNS, "tokens": TOKENS,
        "inputs": inputs.ravel().tolist(), "weights": weights.ravel().tolist(),
        "diagonal": np.diag(moments).tolist(), "order": order, "damping": float(damping),
        "pivots": pivots.tolist(), "upper": [float(f"{value:.9g}") for value in np.triu(upper, 1).ravel()],
        "scales": scales.view(np.uint16).ravel().tolist(), "codes": codes.ravel().tolist(),
        "squared": float(np.trace(error @ moments @ error.T)),
        "reference": float(np.trace(weights @ moments @ weights.T)),
    }
    RESOURCE.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()

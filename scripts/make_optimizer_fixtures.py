"""Record the steps of PyTorch's optimizers as a reference for tests: tests/optim/torch_steps.json.

    python scripts/make_optimizer_fixtures.py        needs torch, as in the extra `bench`

Every case starts from the same 8 parameters and gets the same 12 gradients, in double precision. The gradients range
from 1e-9, where eps matters, to 1e3, change sign, and include zeros at the start, in the middle and at the end.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import torch

FILE = Path(__file__).parents[1] / "tests" / "optim" / "torch_steps.json"
STEPS, SIZES = 12, np.array([1e-9, 1e-6, 1e-3, 1e-1, 1.0, 1.0, 30.0, 1e3])

CASES: list[tuple[str, dict[str, float], float]] = [  # the name, options and eta of a config
    ("sgd", {}, 0.01),
    ("momentum", {"mu": 0.9}, 0.01),
    ("nesterov", {"mu": 0.9}, 0.01),
    ("nesterov", {"mu": 0.0}, 0.01),
    ("adagrad", {"eps": 1e-10}, 0.1),
    ("adadelta", {"rho": 0.95, "eps": 1e-6}, 1.0),
    ("adadelta", {"rho": 0.5, "eps": 1e-3}, 0.3),
    ("rmsprop", {"rho": 0.9, "eps": 1e-8}, 0.05),
    ("rmsprop", {"rho": 0.99, "eps": 1e-3}, 0.05),
    ("adam", {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}, 0.05),
    ("adam", {"beta1": 0.5, "beta2": 0.9, "eps": 1e-3}, 0.05),
    ("adam", {"beta1": 0.0, "beta2": 0.99, "eps": 1e-8}, 0.05),
    ("adamw", {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01}, 0.05),
    ("adamw", {"beta1": 0.8, "beta2": 0.9, "eps": 1e-6, "weight_decay": 1.5}, 0.05),
    ("rprop", {"eta_minus": 0.5, "eta_plus": 1.2, "smallest": 1e-6, "largest": 50.0}, 0.01),
    ("rprop", {"eta_minus": 0.25, "eta_plus": 2.0, "smallest": 4e-3, "largest": 0.03}, 0.01),
]


def optimizer(name: str, options: dict[str, float], eta: float, theta: torch.Tensor) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer for one of ours."""
    o = options
    if name in ("sgd", "momentum", "nesterov"):
        mu = o.get("mu", 0.0)
        return torch.optim.SGD([theta], lr=eta, momentum=mu, nesterov=name == "nesterov" and mu > 0)
    if name == "adagrad":
        return torch.optim.Adagrad([theta], lr=eta, eps=o["eps"])
    if name == "adadelta":
        return torch.optim.Adadelta([theta], lr=eta, rho=o["rho"], eps=o["eps"])
    if name == "rmsprop":
        return torch.optim.RMSprop([theta], lr=eta, alpha=o["rho"], eps=o["eps"])
    if name == "rprop":
        factors, sizes = (o["eta_minus"], o["eta_plus"]), (o["smallest"], o["largest"])
        return torch.optim.Rprop([theta], lr=eta, etas=factors, step_sizes=sizes)
    betas = (o["beta1"], o["beta2"])
    if name == "adam":
        return torch.optim.Adam([theta], lr=eta, betas=betas, eps=o["eps"])
    return torch.optim.AdamW([theta], lr=eta, betas=betas, eps=o["eps"], weight_decay=o["weight_decay"])


def gradients(rng: np.random.Generator) -> np.ndarray:
    """Return made-up gradients (STEPS, parameters), exact in single precision too."""
    g = rng.normal(size=(STEPS, len(SIZES))) * SIZES
    g[:, 4] = np.abs(g[:, 4])  # its sign never turns,
    g[:, 5] = np.abs(g[:, 5]) * (-1) ** np.arange(STEPS)  # and that of this one at every step
    g[:3, 6] = g[-3:, 2] = g[5, 4] = g[6:8, 3] = 0
    return g.astype(np.float32).astype(np.float64)


def main() -> None:
    rng = np.random.default_rng(0)
    start, g = rng.normal(size=len(SIZES)).astype(np.float32).astype(np.float64), gradients(rng)
    cases = []
    for name, options, eta in CASES:
        theta = torch.tensor(start)
        rule, rows = optimizer(name, options, eta, theta), []
        for row in g:
            theta.grad = torch.tensor(row)
            rule.step()
            rows.append(theta.tolist())
        cases.append({"name": name, "options": options, "eta": eta, "theta": rows})
    content = {"torch": torch.__version__, "start": start.tolist(), "gradients": g.tolist(), "cases": cases}
    text = re.sub(r"\s+(?=[-0-9\]])", " ", json.dumps(content, indent=1))  # a row of numbers in a line
    FILE.write_text(text + "\n", encoding="utf-8")
    print(f"{FILE}: {len(cases)} cases")


if __name__ == "__main__":
    main()

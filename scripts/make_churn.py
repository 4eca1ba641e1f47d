"""Write a table of made-up customers, some of whom left: an example for the documentation.

python scripts/make_churn.py churn.csv
"""

from __future__ import annotations

import csv
import sys

import numpy as np

ROWS = 1000


def main(path: str) -> None:
    """Write the table to a file."""
    rng = np.random.default_rng(1)
    tenure, charge = rng.exponential(24, ROWS).round(), rng.normal(70, 25, ROWS).round(2)
    contract = rng.choice(["month", "year", "two years"], ROWS, p=[0.55, 0.25, 0.2])
    payment = rng.choice(["card", "bank", ""], ROWS, p=[0.6, 0.3, 0.1])
    joined = [f"20{20 + k % 5}-{1 + k % 12:02}-01" for k in range(ROWS)]
    z = 1.2 - 0.12 * tenure + 0.03 * (charge - 70) + np.where(contract == "month", 2.5, -2.0)
    churned = np.where(rng.random(ROWS) < 1 / (1 + np.exp(-z)), "yes", "no")
    months = ["" if rng.random() < 0.05 else int(value) for value in tenure]
    with open(path, "w", newline="", encoding="utf-8") as file:
        write = csv.writer(file, lineterminator="\n")
        write.writerow(["customer", "joined", "tenure", "charge", "contract", "payment", "churned"])
        write.writerows(zip(range(1, ROWS + 1), joined, months, charge, contract, payment, churned, strict=True))


if __name__ == "__main__":
    main(sys.argv[1])

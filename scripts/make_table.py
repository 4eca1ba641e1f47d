"""Write a table of made-up customers, on which the documentation trains: python scripts/make_table.py churn.csv.

There are numbers and words, some of them missing, a column without any meaning (shoe_size), and one that no network can
use (customer). Who leaves depends on age, plan, calls and months; what is spent, on plan, income and months.
"""

import csv
import sys

import numpy as np

N = 2000
PLANS = {"basic": 0.9, "plus": 0.0, "premium": -1.1}
SPENT = {"basic": 10, "plus": 25, "premium": 60}


def main(path: str) -> None:
    rng = np.random.default_rng(0)
    age = rng.normal(42, 13, N).clip(18, 85).round().astype(int)
    income = rng.lognormal(10.3, 0.4, N).round(-2).astype(int)
    plan = rng.choice(list(PLANS), N, p=[0.5, 0.35, 0.15])
    region = rng.choice(["north", "south", "east", "west", ""], N, p=[0.25, 0.3, 0.2, 0.2, 0.05])
    calls, months = rng.poisson(1.5, N), rng.integers(1, 61, N)
    score = np.array([PLANS[one] for one in plan]) + 0.8 * calls - 0.04 * (age - 42) - 0.05 * months - 1
    churned = np.where(rng.random(N) < 1 / (1 + np.exp(-1.5 * score)), "yes", "no")
    spent = np.array([SPENT[one] for one in plan]) + income / 2000 + 0.2 * months + rng.normal(0, 4, N)
    known_age = np.where(rng.random(N) < 0.06, "", age.astype(str))
    columns = {
        "customer": [f"C{k:04d}" for k in range(N)],
        "age": known_age,
        "income": income,
        "plan": plan,
        "region": region,
        "calls": calls,
        "months": months,
        "shoe_size": rng.normal(41, 2.5, N).round(1),
        "churned": churned,
        "spent": spent.round(2),
    }
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))


if __name__ == "__main__":
    main(sys.argv[1])

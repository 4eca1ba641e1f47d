#!/usr/bin/env bash
# Run the tests with the lowest versions that pyproject.toml allows:
#
#     scripts/test_lower_bounds.sh [PYTEST ARGUMENTS…]
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" - > "$folder/lowest.txt" <<'PY'
import tomllib

with open("pyproject.toml", "rb") as file:
    for requirement in tomllib.load(file)["project"]["dependencies"]:
        print(requirement.replace(">=", "=="))
PY
"$folder/venv/bin/pip" install -q -e '.[dev]' -c "$folder/lowest.txt"
"$folder/venv/bin/pip" freeze | grep -i -F -f <(sed 's/==.*/==/' "$folder/lowest.txt")
"$folder/venv/bin/python" -m pytest "$@"

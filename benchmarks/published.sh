#!/usr/bin/env bash
# Train the published experiments, three seeds each, and write the results into docs/results.md.
#
#     benchmarks/published.sh                     # all; rows 1 to 19 take minutes, row 20 an hour
#     benchmarks/published.sh 02 13-depth4        # some, by the names of their configs
#
# RUNS (runs/published), SEEDS ("0 1 2") and WORDS (more KEY=VALUE for each) may be set. A finished run is
# not repeated, so the script can be stopped and restarted.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${RUNS:-runs/published}
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for config in configs/published/*.yaml; do names+=("$(basename "$config" .yaml)"); done
fi

for name in "${names[@]}"; do
    for seed in ${SEEDS:-0 1 2}; do
        run="$runs/$name-seed$seed"
        [ -f "$run/run.json" ] && grep -qE '"status": "(finished|stopped_early)"' "$run/run.json" && continue
        echo "$name, seed $seed" >&2
        if [ -f "$run/checkpoints/last.npz" ]; then
            backprop resume "$run" -q >/dev/null
        else # shellcheck disable=SC2086  # WORDS are words
            backprop train "configs/published/$name.yaml" "seed=$seed" ${WORDS:-} \
                --name "$name-seed$seed" --runs-dir "$runs" --overwrite -q >/dev/null
        fi
    done
done
python3 benchmarks/published_results.py "$runs"

#!/usr/bin/env bash
# Train the published experiments, three seeds each, and write the results into docs/results.md.
#
#     benchmarks/published.sh                     # all but the slow ones; rows 1 to 19 take minutes, row 20 an hour
#     benchmarks/published.sh slow                # the slow ones, one seed each: half an hour to an hour a row
#     benchmarks/published.sh 02 13-depth4        # some, by the names of their configs
#
# RUNS (runs/published), SEEDS ("0 1 2", or "0" of the slow ones) and WORDS (more KEY=VALUE for each) may be set. A
# finished run is not repeated, so the script can be stopped and restarted.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${RUNS:-runs/published}
slow=(24 25 26 28 30 33{,-adam} 35-softmax 35 37 39-0-rbm 39-55000{,-random} 39-1000{,-random} 39-100{,-random} 40)
names=("$@")
if [ "$*" = slow ]; then
    names=("${slow[@]}")
elif [ ${#names[@]} -eq 0 ]; then
    for config in configs/published/*.yaml; do
        name=$(basename "$config" .yaml)
        [[ " ${slow[*]} " == *" $name "* ]] || names+=("$name")
    done
fi

for name in "${names[@]}"; do
    seeds="0 1 2"
    if [[ " ${slow[*]} " == *" $name "* ]]; then seeds=0; fi
    for seed in ${SEEDS:-$seeds}; do
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

#!/usr/bin/env bash
# Train a config on a grid of eta and lambda, several runs at a time; then list the runs, the best first.
#
#     scripts/sweep.sh configs/digits.yaml [KEY=VALUE...]
#     ETAS="0.1 0.3" LAMBDAS="0 1 5" JOBS=2 scripts/sweep.sh configs/mnist.yaml epochs=10
#
# It may be stopped and run again: runs that have ended are skipped, those that were interrupted go on.
set -euo pipefail

config=${1:?usage: scripts/sweep.sh CONFIG [KEY=VALUE...]}; shift
name=sweep-$(basename "$config" .yaml)$(printf -- '-%s' "$@" | tr -c 'a-zA-Z0-9=.\n-' _)
export config runs=${RUNS_DIR:-runs}/${name%-}

train_one() { # [KEY=VALUE...] ETA LAMBDA
    local words=(eta="${*: -2:1}" lambda="${*: -1}" "${@:1:$#-2}")
    local name=eta${*: -2:1}-lambda${*: -1}
    if grep -qsE '"status": "(finished|stopped_early|diverged)"' "$runs/$name/run.json"; then
        echo "$name: done before" >&2
    elif [ -e "$runs/$name/checkpoints/last.npz" ]; then
        backprop resume "$runs/$name" -q
    else
        backprop train "$config" "${words[@]}" threads=1 --runs-dir "$runs" --name "$name" --overwrite -q
    fi
}
export -f train_one

for eta in ${ETAS:-0.03 0.1 0.3}; do
    for lambda in ${LAMBDAS:-0 1 5}; do echo "$eta $lambda"; done
done | xargs -P "${JOBS:-$(getconf _NPROCESSORS_ONLN)}" -n 2 bash -c 'train_one "$@" >&2' train_one "$@" || failed=1

echo "validation  epoch  run"
for metrics in "$runs"/*/metrics.csv; do
    [ -e "$metrics" ] || continue
    awk -F, -v run="$(basename "$(dirname "$metrics")")" '
        NR > 1 && $5 > best { best = $5; epoch = $1 }
        END { printf "%10.4f  %5d  %s\n", best, epoch, run }' "$metrics"
done | sort -rn
exit "${failed:-0}"

#!/usr/bin/env bash
# Train a config on a grid of eta and lambda, several runs at a time, and list the runs, the best on validation first.
#
#     scripts/sweep.sh configs/digits.yaml [KEY=VALUE...]
#     ETAS="0.1 0.3" LAMBDAS="0 1 5" JOBS=2 scripts/sweep.sh configs/mnist.yaml epochs=10
#
# The runs are in sweeps/CONFIG-CHECKSUM, or in RUNS_DIR. Run the same command again to continue an interrupted sweep.
set -euo pipefail

case ${1:-} in "" | -*) echo "usage: scripts/sweep.sh CONFIG [KEY=VALUE...]" >&2; exit 2 ;; esac
config=$1; shift
experiment=$(backprop check "$config" "$@")  # reports problems once; another experiment has another checksum
export config runs=${RUNS_DIR:-sweeps/$(basename "$config" .yaml)-$(cksum <<<"$experiment" | cut -d' ' -f1)}

train_one() { # [KEY=VALUE...] ETA LAMBDA
    local eta=${*: -2:1} lambda=${*: -1}
    backprop train "$config" "${@:1:$#-2}" eta="$eta" lambda="$lambda" threads=1 --runs-dir "$runs" \
        --name "eta$eta-lambda$lambda" --continue -q >&2
}
export -f train_one

for eta in ${ETAS:-0.03 0.1 0.3}; do
    for lambda in ${LAMBDAS:-0 1 5}; do echo "$eta $lambda"; done
done | xargs -P "${JOBS:-$(getconf _NPROCESSORS_ONLN)}" -n 2 bash -c 'train_one "$@"' train_one "$@" || failed=1

if grep -qs val_accuracy "$runs"/*/metrics.csv; then best=-val_accuracy; else best=val_cost; fi
echo "backprop runs list --runs-dir $runs --sort $best" >&2
backprop runs list --runs-dir "$runs" --sort "$best"
exit "${failed:-0}"

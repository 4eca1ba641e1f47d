#!/usr/bin/env bash
# Make the pictures of the documents again, from nothing, with `backprop` itself: docs/images/*.png.
#
#     scripts/make_pictures.sh            about two minutes; MNIST is downloaded if it is not there
#
# The commands are those of docs/tutorial.md, in its order, and what they print is what stands there. The picture of a
# report needs Chromium (CHROMIUM names it, if it is not `chromium`); without, that one picture stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD images=$PWD/docs/images work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$images"
cd "$work"
ln -s "$top/configs" "$top/scripts" .

run() { echo "\$ $*"; "$@"; echo; }

run backprop data show mnist --count 20 -o digits.png
run backprop train configs/digits.yaml
run backprop train configs/mnist.yaml
run backprop eval @last
run backprop train configs/mnist.yaml cost=cross_entropy eta=0.5 --name ce
run backprop train configs/mnist.yaml cost=cross_entropy eta=0.5 lambda=5 --name decay
run backprop train configs/mnist.yaml cost=cross_entropy eta=0.5 lambda=5 layers=784-100-10 --name wider
run backprop runs list --where dataset=mnist --sort -val_accuracy
run backprop plot ce decay --kind curves -o by-heart.png
run backprop plot wider -o wider
run backprop plot decay --kind weights -o weights.png
run backprop report ce decay wider

run backprop gradcheck configs/mnist.yaml
run backprop trace configs/xor.yaml --rows 1

run backprop train configs/classics/and.yaml
run backprop train configs/classics/xor.yaml epochs=10
run backprop train configs/xor.yaml --name hidden -q
run backprop eval hidden
run backprop plot hidden --kind function -o xor.png

depth="configs/mnist.yaml cost=cross_entropy eta=0.1 lambda=5 epochs=10 diagnostics=true"
run backprop train $depth --name shallow
run backprop train $depth layers=784-30-30-30-30-10 --name deep
run backprop plot deep --kind gradients -o gradients.png
run backprop train $depth layers=784-30-30-30-30-10 activation=relu output=sigmoid initializer=he --name deep-relu
run backprop runs compare shallow deep deep-relu

for optimizer in "optimizer=sgd eta=0.1" "optimizer=momentum eta=0.03" "optimizer=adam eta=0.001"; do
    for seed in 0 1 2; do
        run backprop train configs/digits.yaml $optimizer seed=$seed --runs-dir optimizers -q
    done
done
run backprop runs list --runs-dir optimizers --group-by-seed --sort -val_accuracy
run backprop plot optimizers/* --kind curves -o curves.png
run scripts/sweep.sh configs/digits.yaml

cat >spirals.yaml <<'YAML'
dataset: {name: spirals, classes: 3}
layers: [2, 30, 30, 3]
activation: tanh
output: softmax
cost: cross_entropy
optimizer: adam
eta: 0.01
epochs: 300
YAML
run backprop train spirals.yaml -q
run backprop plot @last --kind function -o spirals.png

screenshot() { # HTML PNG
    "${CHROMIUM:-chromium}" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync \
        --disable-background-networking --disable-component-update --user-data-dir="$work/chromium" --hide-scrollbars \
        --window-size=1100,1250 --screenshot="$2" "file://$work/$1" 2>/dev/null >&2
}
if command -v "${CHROMIUM:-chromium}" >/dev/null; then screenshot report.html report.png; fi

python3 - "$images" digits.png by-heart.png wider/confusion.png wider/mistakes.png weights.png xor.png gradients.png curves.png spirals.png report.png <<'PY'
"""Copy PNGs at most 1,000 pixels wide, with so many colours that they stay below 100 KB."""
import sys
from pathlib import Path
from PIL import Image

for path in (path for path in map(Path, sys.argv[2:]) if path.exists()):
    image = Image.open(path).convert("RGB")
    if image.width > 1000:
        image = image.resize((1000, round(image.height * 1000 / image.width)), Image.Resampling.LANCZOS)
    name = f"wider-{path.name}" if path.parent.name == "wider" else path.name
    target = Path(sys.argv[1], name)
    for colours in (128, 64, 32, 16):
        image.quantize(colours, dither=Image.Dither.NONE).save(target, optimize=True)
        if target.stat().st_size < 100_000:
            break
    print(f"{target.name}: {target.stat().st_size / 1024:.0f} KB")
PY

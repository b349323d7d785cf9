#!/usr/bin/env bash
# Every stage at toy size on the CPU, on made-up text: does it run from end to end? Under two minutes. Skips where PyTorch is absent.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PYTHON=${PYTHON:-python3}
if ! "$PYTHON" -c 'import torch, tokenizers, safetensors, numpy' 2>/dev/null; then
  echo "training/toy.sh: skipped, PyTorch or one of requirements.txt is not installed"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" - "$work" <<'PY'
import random, sys
r = random.Random(0)
def story():
    who, what, where = r.choice(["Lily", "Tom", "a cat", "the dog"]), r.choice(["a ball", "the red kite", "some cake"]), r.choice(["park", "garden", "house"])
    return " ".join(r.choice([f"One day {who} went to the {where}.", f"{who} saw {what} in the {where}.", f"“Look!” said {who}.", f"{who} was happy with {what}."]) for _ in range(12))
for name, n in (("real", 40), ("synthetic", 120), ("heldout", 20)):
    open(f"{sys.argv[1]}/{name}.txt", "w").write("\n<|endoftext|>\n".join(story() for _ in range(n)))
PY
size="--hidden 64 --blocks 2 --heads 2 --cond 32"
student="--tokens 128 --lengths 32:2,64:1 --look 0.5 --look-rows 4 $size"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
METHOD=${METHOD:-match} CORPUS=$work WORK=$work/w REAL=real.txt SYNTHETIC=synthetic.txt HELDOUT=heldout.txt GPUS=${GPUS:-1} PYTHON=$PYTHON \
  TOKENIZE="--vocab 4096" JUDGE="--steps 8 --tokens 256 --length 128 --width 48 --layers 2 --heads 2 --check 0.5" \
  PRETRAIN="--steps 8 --tokens 256 --lengths 32:1,64:1 $size" \
  SETTLE="--steps 4 --tokens 256 --lengths 32:1,64:1 $size" \
  MATCH_FAST="--steps 4 --warm 2 $student" MATCH="--steps 6 $student" DISTILL="--steps 6 $student ${TOY_DISTILL:-}" \
  EVALUATE="--scale 0.002 --tokens 128 --short 32 --long 64 --judge-heads 2 $size" \
  bash "$here/run.sh" >"$work/log" 2>&1 || { tail -40 "$work/log"; exit 1; }
tail -30 "$work/log"
ls -l "$work"/w/assets/*/model.safetensors | awk '{print $5, $NF}' | sed "s#$work/w/##"
echo "training/toy.sh: every stage ran"

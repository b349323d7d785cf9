#!/usr/bin/env bash
# All stages, in order; a stage that has finished is skipped, one that was interrupted goes on from its last checkpoint.
#   CORPUS=dir with tinystories_train.txt.xz, synthetic_stories.txt.xz, tinystories_heldout.txt
#   WORK=dir for checkpoints   GPUS=1 or more
# METHOD=calibrate (what the bundled model was made with) or distill: how the student is made.
# JUDGE, PRETRAIN, DISTILL, EVALUATE: extra flags for those stages (`--steps N` or `--seconds S`, sizes).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
CORPUS=${CORPUS:?} WORK=${WORK:?} GPUS=${GPUS:-1} REAL=${REAL:-tinystories_train.txt.xz} SYNTHETIC=${SYNTHETIC:-synthetic_stories.txt.xz}
HELDOUT=${HELDOUT:-tinystories_heldout.txt} PYTHON=${PYTHON:-python3} OUT=${OUT_ASSETS:-$WORK/assets}
mkdir -p "$WORK"
launch() { # one process a GPU
  if [ "$GPUS" -gt 1 ]; then "$PYTHON" -m torch.distributed.run --standalone --nproc-per-node "$GPUS" "$@"; else "$PYTHON" "$@"; fi
}
cd "$here"
tok=${TOKENIZER:-$WORK/tokenizer.json}
[ -f "$tok" ] || "$PYTHON" tokenizer.py "$CORPUS/$REAL" "$CORPUS/$SYNTHETIC" --out "$tok" ${TOKENIZE:-}
[ -f "$WORK/data/heldout.npz" ] || "$PYTHON" corpus.py --tokenizer "$tok" --real "$CORPUS/$REAL" --synthetic "$CORPUS/$SYNTHETIC" \
  --heldout "$CORPUS/$HELDOUT" --out "$WORK/data"
[ -f "$WORK/judge.pth.done" ] || launch judge.py --data "$WORK/data" --out "$WORK" ${JUDGE:-}
[ -f "$WORK/pretrained.pth.done" ] || launch pretrain.py --data "$WORK/data" --out "$WORK" ${PRETRAIN:-}
if [ "${METHOD:-calibrate}" = calibrate ]; then
  [ -f "$WORK/distilled.pth" ] || "$PYTHON" calibrate.py --pretrained "$WORK/pretrained.pth" --out "$WORK/distilled.pth"
else
  [ -f "$WORK/distilled.pth.done" ] || "$PYTHON" distill.py --data "$WORK/data" --pretrained "$WORK/pretrained.pth" --judge "$WORK/judge.pth" \
    --out "$WORK" ${DISTILL:-}
fi
"$PYTHON" export.py --student "$WORK/distilled.pth" --judge "$WORK/judge.pth" --tokenizer "$tok" --out "$OUT"
launch evaluate.py --data "$WORK/data" --pretrained "$WORK/pretrained.pth" --distilled "$WORK/distilled.pth" --judge "$WORK/judge.pth" \
  --assets "$OUT" --out "$WORK/rows" ${EVALUATE:-}
"$PYTHON" memorise.py --data "$WORK/data" --rows "$WORK/rows"
"$PYTHON" report.py --rows "$WORK/rows" --out "$WORK"

#!/usr/bin/env bash
# All stages, in order; a stage that has finished is skipped, one that was interrupted goes on from its last checkpoint.
#   CORPUS=dir with tinystories_train.txt.xz, synthetic_stories.txt.xz, tinystories_heldout.txt
#   WORK=dir for checkpoints   GPUS=1 or more
# METHOD=match (what the bundled model was made with), distill or calibrate: how the student is made.
# JUDGE, PRETRAIN, SETTLE, MATCH_FAST, MATCH, DISTILL, EVALUATE: extra flags for those stages (`--steps N` or `--seconds S`, sizes);
# SETTLE is pre-training's second part, on selected stories; MATCH_FAST the student's first minutes, at a high rate.
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
[ -f "$WORK/data/selected.npz" ] || "$PYTHON" select_stories.py --data "$WORK/data"
[ -f "$WORK/all/pretrained.pth.done" ] || launch pretrain.py --data "$WORK/data" --out "$WORK/all" ${PRETRAIN:-}
[ -f "$WORK/pretrained.pth.done" ] || launch pretrain.py --data "$WORK/data" --out "$WORK" --start "$WORK/all/pretrained.pth" --synthetic selected \
  --seconds 1440 --muon-lr 0.012 --adam-lr 1.2e-3 --cooldown 0.75 --ema 0.999 --seed 11 ${SETTLE:-}
from="--data $WORK/data --pretrained $WORK/pretrained.pth --judge $WORK/judge.pth"
case ${METHOD:-match} in
match)
  [ -f "$WORK/fast/distilled.pth.done" ] || "$PYTHON" match.py $from --out "$WORK/fast" --seconds 198 --cooldown 0 --muon-lr 0.006 --adam-lr 5e-4 \
    --critic-muon-lr 0.015 --critic-adam-lr 1e-3 --critic-steps 2 --critic-floor 0.3 --warm 120 --data-weight 0.1 --sharpen 1 --ema 0.995 ${MATCH_FAST:-}
  [ -f "$WORK/distilled.pth.done" ] || "$PYTHON" match.py $from --out "$WORK" --start "$WORK/fast/distilled.pth" ${MATCH:-} ;;
distill) [ -f "$WORK/distilled.pth.done" ] || "$PYTHON" distill.py $from --out "$WORK" ${DISTILL:-} ;;
calibrate) [ -f "$WORK/distilled.pth" ] || "$PYTHON" calibrate.py --pretrained "$WORK/pretrained.pth" --out "$WORK/distilled.pth" ;;
*) echo "run.sh: METHOD is match, distill or calibrate, not $METHOD" >&2; exit 2 ;;
esac
"$PYTHON" export.py --student "$WORK/distilled.pth" --judge "$WORK/judge.pth" --tokenizer "$tok" --out "$OUT"
launch evaluate.py --data "$WORK/data" --pretrained "$WORK/pretrained.pth" --distilled "$WORK/distilled.pth" --judge "$WORK/judge.pth" \
  --assets "$OUT" --out "$WORK/rows" ${EVALUATE:-}
"$PYTHON" memorise.py --data "$WORK/data" --rows "$WORK/rows"
"$PYTHON" report.py --rows "$WORK/rows" --out "$WORK"

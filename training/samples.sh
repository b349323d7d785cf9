#!/usr/bin/env bash
# Writes samples.md: twenty uncurated texts of the bundled model, seeds 0 to 19, eight steps.
#   FEWSTEP=path of the program
set -euo pipefail
cd "$(dirname "$0")"
{
  echo "# Twenty samples"
  echo
  echo "Uncurated: seeds 0 to 19, 8 steps, 256 tokens, made by \`training/samples.sh\` with the bundled model."
  echo
  echo '```text'
  "${FEWSTEP:-fewstep}" sample --steps 8 --seed 0 --samples 20 --tokens 256 --plain
  echo '```'
} >samples.md.part
mv samples.md.part samples.md

#!/usr/bin/env bash
# The examples as their first lines say. Run as: run.sh SIGNET EXAMPLES_FOLDER (of the built programs)
set -euo pipefail
signet=$1 examples=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$examples/example_op"
"$examples/example_layer"
"$signet" data signs hands --signers 3 --takes 2 --lights dif --image-size 32 >log
"$examples/example_train_folder" hands net.safetensors 2
test "$("$signet" predict net.safetensors hands/a --format csv | wc -l)" -gt 1
if "$examples/example_train_folder" absent net.safetensors 2>err; then
  echo "a missing folder was not refused" >&2
  exit 1
fi
grep -q '^train_folder: absent: ' err

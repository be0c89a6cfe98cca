#!/bin/sh
# run.sh SIGNET: runs check_export.py with the Python named by SIGNET_PYTHON (or python3). Ends with 77, which ctest
# reports as skipped, where there is none.
python=${SIGNET_PYTHON:-python3}
command -v "$python" >/dev/null || { echo "skipped: no $python"; exit 77; }
exec "$python" "$(dirname "$0")/check_export.py" "$1"

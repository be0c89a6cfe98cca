#!/usr/bin/env bash
# What users of the library do: installs a build into a folder of its own, and builds and runs an example against it by
# find_package. Run as: run.sh BUILD_FOLDER EXAMPLES_FOLDER [CMAKE_ARGUMENT ...]
set -euo pipefail
build=$1 examples=$2
shift 2
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

cmake --install "$build" --prefix "$prefix" >"$prefix/install.log"
"$prefix/bin/signet" --version
for file in share/man/man1/signet.1.gz share/bash-completion/completions/signet share/zsh/vendor-completions/_signet \
  share/fish/vendor_completions.d/signet.fish; do
  test -s "$prefix/$file" || { echo "$file was not installed" >&2; exit 1; }
done
# Wherever it lies: nothing in it may name the folders it was built in.
mv "$prefix" "$prefix-moved"
trap 'rm -rf "$prefix-moved"' EXIT
cd "$prefix-moved"
if grep -rIl "$(dirname "$examples")" lib include share; then
  echo "these files name the source folder" >&2
  exit 1
fi
cmake -S "$examples" -B build -DCMAKE_PREFIX_PATH="$prefix-moved" -DCMAKE_BUILD_TYPE=Debug "$@" >configure.log
cmake --build build --target example_op >build.log || { cat build.log; exit 1; }
build/example_op

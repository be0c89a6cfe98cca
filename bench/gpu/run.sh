# ./dev gpu: everything that a machine with a card can tell, in one file of results. Sourced by ./dev, whose functions
# (say, need) and packages it uses; started in the root of the repository.

gpu_usage='./dev gpu [--batches 1,32,256] [--samples 30], or ./dev gpu --simulated'

# One sentence and exit 2: nothing here can be done without a card.
gpu_refuse() {
  echo "dev gpu: $*" >&2
  exit 2
}

# Installs the first of the packages that apt offers; false if it offers none.
gpu_install_first() {
  local package
  for package in "$@"; do
    if apt-cache show "$package" >/dev/null 2>&1; then
      need "$package"
      return 0
    fi
  done
  return 1
}

gpu_find_nvcc() {
  command -v nvcc 2>/dev/null || ls /usr/local/cuda/bin/nvcc 2>/dev/null
}

gpu_find_cudnn() {
  local root
  for root in "${CUDA_HOME:-/usr/local/cuda}" /usr/local /usr; do
    find "$root/include" -maxdepth 2 -name cudnn_graph.h 2>/dev/null | head -1 | grep . && return 0
  done
  return 1
}

gpu_check_machine() {
  command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU ||
    gpu_refuse "no CUDA card answers (nvidia-smi lists none); ./dev gpu --simulated tries the same steps without one"
  gpu_find_nvcc >/dev/null || gpu_install_first cuda-toolkit-13-0 cuda-toolkit || gpu_refuse \
    "nvcc is missing and apt offers no toolkit of CUDA 12.8 or newer; add NVIDIA's repository (package cuda-keyring), or set CUDA_HOME"
  gpu_find_cudnn >/dev/null || gpu_install_first cudnn9-cuda-13 cudnn9-cuda-12 libcudnn9-dev-cuda-13 || gpu_refuse \
    "cuDNN 9 is missing and apt does not offer it; add NVIDIA's repository (package cuda-keyring)"
}

# gpu_step TITLE LOG COMMAND...: runs a step, keeps what it prints, and goes on whatever comes of it.
gpu_step() {
  local title=$1 log=$2 start=$SECONDS status=0
  shift 2
  say "$title"
  "$@" >"$log" 2>&1 || status=$?
  tail -n 3 "$log"
  gpu_commands+="$*"$'\n'
  if [ "$status" -ne 0 ]; then
    gpu_failures+=("$title (exit status $status, see $log)")
    echo "dev gpu: $title failed" >&2
  fi
  gpu_outcomes+="| $title | $([ "$status" -eq 0 ] && echo passed || echo "**failed** ($status)") | $((SECONDS - start)) s |"$'\n'
}

# Training on rendered hands, so small that a simulated device is done in seconds: what counts is that it ends.
gpu_study_simulated() {
  local signet=$1 work=$2 folder kept=0
  gpu_step "rendering hands" "$work/render.log" "$signet" data signs "$work/signs" --signers 2 --takes 2 --lights dif \
    --image-size 32 --seed 1
  for folder in "$work"/signs/*/; do
    kept=$((kept + 1))
    [ "$kept" -le 3 ] || rm -r "$folder"
  done
  gpu_step "study" "$work/study.log" "$signet" study --device cuda --data "$work/signs" --models mlp --folds 2 \
    --epochs 1 --batch-size 4 --fliplr 0 --output "$work/study"
}

# The shared data set and weights, or rendered hands and a network pretrained on others' handshapes, as in ./dev demo.
gpu_study() {
  local signet=$1 work=$2 shared=${SIGNET_SHARED:-../shared}
  if [ -d "$shared/data/asl_dataset" ] && [ -e "$shared/weights/resnet18-imagenet.pth" ]; then
    gpu_step "study" "$work/study.log" "$signet" study --device cuda --data "$shared/data/asl_dataset" \
      --weights "$shared/weights/resnet18-imagenet.pth" --output "$work/study"
    return
  fi
  gpu_step "rendering hands" "$work/render.log" "$signet" data signs "$work/signs" --signers 5 --takes 3 \
    --lights dif,left --image-size 64 --seed 1
  gpu_step "rendering handshapes" "$work/handshapes.log" "$signet" data handshapes "$work/handshapes" --image-size 64
  gpu_step "pretraining" "$work/pretraining.log" "$signet" train --device cuda --data "$work/handshapes" --model resnet18 \
    --width 16 --image-size 64 --epochs 10 --lr-scheduler cosine --fliplr 0 --output "$work/pretraining"
  gpu_step "study" "$work/study.log" "$signet" study --device cuda --data "$work/signs" \
    --weights "$work/pretraining/weights/resnet18-last.safetensors" --width 16 --image-size 64 --fliplr 0 \
    --finetune-folds all --finetune-lr 0.001 --split random,signer --output "$work/study"
}

# compute-sanitizer's four tools on the kernels' tests.
gpu_sanitize() {
  local tests=$1 work=$2 tool sanitizer
  sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null) || {
    gpu_outcomes+="| compute-sanitizer | not installed | |"$'\n'
    return 0
  }
  for tool in memcheck racecheck initcheck synccheck; do
    gpu_step "compute-sanitizer $tool" "$work/$tool.log" "$sanitizer" --tool "$tool" --error-exitcode 1 "$tests"
  done
}

# gpu_write FILE CARD BUILD WORK: the file of results.
gpu_write() {
  local file=$1 card=$2 build=$3 work=$4
  {
    echo "# Results on $card"
    echo
    if [ "$gpu_simulated" = yes ]; then
      echo "Written by \`./dev gpu --simulated\`: the steps were taken, and nothing below says how fast anything is."
    else
      echo "Measured by \`./dev gpu\` on $(date -u +%F), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)."
      echo
      echo '```'
      nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.max.sm,clocks.mem,clocks.max.mem,power.limit --format=csv
      "$(gpu_find_nvcc)" --version | tail -n 2
      echo '```'
    fi
    printf '\n| step | result | time |\n|---|---|---|\n%s' "$gpu_outcomes"
    printf '\n## Kernels beside the vendor\n\n'
    "$build/bench/bench_table" "$work/gpu.json" 2>&1
    printf '\n## The study\n\n```\n'
    # The table is the last thing that a study prints.
    tail -n 12 "$work/study.log" 2>/dev/null
    printf '```\n\n## Commands\n\n```\n%s```\n' "$gpu_commands"
  } >"$file.new"
  mv "$file.new" "$file"
}

run_gpu() {
  local batches=1,32,256 samples=30 preset=cuda card file work build_folder bench=() configure=()
  gpu_simulated=no gpu_commands="" gpu_outcomes="" gpu_failures=()
  while [ $# -gt 0 ]; do
    case $1 in
      --simulated) gpu_simulated=yes preset=simulated ;;
      --batches) batches=${2:?} && shift ;;
      --samples) samples=${2:?} && shift ;;
      *) gpu_refuse "unknown flag $1; usage: $gpu_usage" ;;
    esac
    shift
  done
  if [ "$gpu_simulated" = yes ]; then
    card="a simulated device" file=build/RESULTS-simulated.md bench=(--tiny)
  else
    gpu_check_machine
    card=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)
    file=bench/RESULTS-$(tr -cs '[:alnum:]' - <<<"$card" | sed 's/-*$//').md
    bench=("--batches=$batches" "--samples=$samples")
    configure=(-DCMAKE_CUDA_ARCHITECTURES=native)
  fi
  build_folder=build/$preset work=build/gpu-$preset
  rm -rf "$work" && mkdir -p "$work"
  need "${packages[@]}" libbenchmark-dev
  gpu_step "configuring" "$work/configure.log" cmake --preset "$preset" -DSIGNET_BENCH=ON "${configure[@]}"
  if [ "$gpu_simulated" = yes ]; then
    gpu_step "building" "$work/build.log" cmake --build --preset "$preset" -j "$jobs" --target signet bench_gpu bench_table
    [ ${#gpu_failures[@]} -eq 0 ] && gpu_step "tests" "$work/tests.log" ctest --test-dir "$build_folder" -R '^dev_gpu_without_card$' --output-on-failure
  else
    gpu_step "building" "$work/build.log" cmake --build --preset "$preset" -j "$jobs"
    [ ${#gpu_failures[@]} -eq 0 ] && gpu_step "tests" "$work/tests.log" ctest --test-dir "$build_folder" --output-on-failure
  fi
  if ! [ -x "$build_folder/bench/gpu/bench_gpu" ]; then
    echo "dev gpu: the build failed; $work/build.log says where" >&2
    exit 1
  fi
  gpu_step "comparison" "$work/comparison.log" "$build_folder/bench/gpu/bench_gpu" "${bench[@]}" \
    "--benchmark_out=$work/gpu.json" --benchmark_out_format=json
  if [ "$gpu_simulated" = yes ]; then
    gpu_study_simulated "$build_folder/apps/signet" "$work"
  else
    gpu_study "$build_folder/apps/signet" "$work"
    gpu_sanitize "$build_folder/tests/test_kernels" "$work"
  fi
  gpu_write "$file" "$card" "$build_folder" "$work"
  say "results: $file"
  if [ ${#gpu_failures[@]} -gt 0 ]; then
    printf 'dev gpu: failed: %s\n' "${gpu_failures[@]}" >&2
    exit 1
  fi
}

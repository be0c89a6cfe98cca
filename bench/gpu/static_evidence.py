#!/usr/bin/env python3
"""What can be known of the shipped CUDA kernels without a card: registers, spills, shared memory and occupancy on each
architecture; what they ask of memory, counted by the simulated device; and the time that a roofline model gives
ResNet18's convolutions.

    cmake --preset simulated && cmake --build --preset simulated --target signet
    cmake --preset cuda && bench/gpu/static_evidence.py      # writes docs/kernels-static.md

Compiles kernels/cuda with the build's own commands (compile_commands.json), asking ptxas for its figures, and runs
`signet profile-kernel` of the simulated build. Fails if a kernel spills registers on sm_80 or newer, or if ptxas adds
waits to wgmma. Only Python's standard library is needed.
"""

import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Per multiprocessor: warps, blocks, bytes of shared memory; and what the system takes of those for each block. From the
# CUDA C++ Programming Guide 13.0, "Compute Capabilities", table "Technical Specifications per Compute Capability", and
# the tuning guides (1 KB a block from 8.0 on). All have 65536 registers, allotted to warps 256 at a time.
LIMITS = {75: (32, 16, 64, 0), 80: (64, 32, 164, 1), 86: (48, 16, 100, 1), 89: (48, 24, 100, 1), 90: (64, 32, 228, 1),
          100: (64, 32, 228, 1), 120: (48, 24, 100, 1)}

# Threads a block, where the name does not tell. Kept with the launches in kernels/cuda.
THREADS = {"for_each_kernel": 256, "for_each_together_kernel": 256, "sum_of_squares_kernel": 256, "sum_kernel": 256, "sum_rows_kernel": 256,
           "spread_rows_kernel": 256, "maxpool_forward_kernel": 128, "maxpool_backward_kernel": 128,
           "pool_windows_kernel": 128, "spread_windows_kernel": 128,
           "softmax_kernel": 256, "cross_entropy_rows_kernel": 256, "mean_loss_kernel": 256,
           "gradient_scale_kernel": 256, "cross_entropy_backward_kernel": 256, "warp_kernel": 128,
           "mean_grey_kernel": 128, "contrast_kernel": 128, "put_blocks_kernel": 256, "add_filters_kernel": 64,
           "moments_kernel": 256,
           "statistics_kernel": 256, "normalise_kernel": 256, "fold_kernel": 256, "first_pass_kernel": 256,
           "gradients_kernel": 256, "data_gradient_kernel": 256,
           "transform_input_kernel": 128, "transform_filters_kernel": 128, "transform_output_kernel": 128}

# Peaks without sparsity, in TFLOP/s, and memory in TB/s. H200 SXM: NVIDIA's H200 datasheet (2024), whose rates for
# tensor cores are with sparsity, twice these. RTX 4090: NVIDIA Ada GPU architecture whitepaper 1.1, appendix A; bf16
# with sums in float.
PEAKS = {"H200": {"f32": 67.0, "TF32": 494.5, "bf16": 989.5, "memory": 4.8},
         "RTX 4090": {"f32": 82.6, "TF32": 82.6, "bf16": 165.2, "memory": 1.008}}
# For Winograd's model, a card whose second-level cache, 6 MB, holds no planes: the peaks published for it.
SMALL_CACHE = {"RTX 3090": {"f32": 35.6, "memory": 0.936}}

# ResNet18's convolutions: name, pixels along a side of y, input channels, output channels, kernel, stride, how many.
LAYERS = [("stem", 112, 3, 64, 7, 2, 1), ("layer1 3x3", 56, 64, 64, 3, 1, 4), ("layer2 3x3 /2", 28, 64, 128, 3, 2, 1),
          ("layer2 3x3", 28, 128, 128, 3, 1, 3), ("layer3 3x3 /2", 14, 128, 256, 3, 2, 1),
          ("layer3 3x3", 14, 256, 256, 3, 1, 3), ("layer4 3x3 /2", 7, 256, 512, 3, 2, 1),
          ("layer4 3x3", 7, 512, 512, 3, 1, 3)]


# What is counted on the simulated device: title, kernel and sizes of `signet profile-kernel`.
CONVOLUTIONS = [("3x3, 64 to 64, 28x28", "--in 64 --out 64 --size 28"),
                ("3x3 /2, 64 to 128, 28x28", "--in 64 --out 128 --size 28 --stride 2"),
                ("1x1 /2, 64 to 128, 28x28", "--in 64 --out 128 --size 28 --window 1 --stride 2 --padding 0"),
                ("3x3, 256 to 256, 14x14", "--in 256 --out 256 --size 14"),
                ("3x3 /2, 20 to 36, 15x15", "--in 20 --out 36 --size 15 --stride 2")]
WINOGRAD = ("3x3, 64 to 64, 28x28", "3x3, 256 to 256, 14x14")
COLOURS = [("7x7 /2, 3 to 64, 112x112", "--in 3 --out 64 --size 112 --window 7 --stride 2 --padding 3"),
           ("3x3, 3 to 32, 32x32", "--in 3 --out 32 --size 32"),
           ("3x3 /2, 3 to 64, 32x32", "--in 3 --out 64 --size 32 --stride 2")]
OTHERS = [("batchnorm_forward_train", "1568x64", "--rows 1568 --channels 64"),
          ("batchnorm_forward_train", "98x512", "--rows 98 --channels 512"),
          ("batchnorm_forward_eval", "1568x64", "--rows 1568 --channels 64"),
          ("batchnorm_backward_train", "1568x64", "--rows 1568 --channels 64"),
          ("batchnorm_backward_train", "98x512", "--rows 98 --channels 512"),
          ("maxpool_forward", "3x3 /2, 64, 56x56", "--in 64 --size 56"),
          ("maxpool_backward", "3x3 /2, 64, 56x56", "--in 64 --size 56"),
          ("global_avgpool_forward", "512, 7x7", "--in 512 --size 7"),
          ("image_warp", "3, 64x64, turned", "--size 64"),
          ("softmax_forward", "32x1000", "--rows 32 --channels 1000"),
          ("sum_rows", "1024x512", "--rows 1024 --channels 512"),
          ("add", "65536", "--rows 1024"), ("relu_forward", "65536", "--rows 1024"),
          ("relu_backward", "65536", "--rows 1024"), ("dropout", "65536", "--rows 1024"),
          ("adam_step", "65536", "--rows 1024")]
MATHS, TILES = ("f32", "tf32", "bf16"), ("small", "narrow", "large")
WARPGROUP_TILES = ("warpgroup-small", "warpgroup-narrow", "warpgroup-large")  # of bf16 activations
TENSOR_MEMORY_TILES = ("tensor-memory-small", "tensor-memory-narrow", "tensor-memory-large")  # the same
STORED = "bf16 activations"  # as they are kept in memory
ACTIVATION_KERNELS = {"batchnorm_forward_train", "batchnorm_forward_eval", "batchnorm_backward_train", "maxpool_forward",
                      "maxpool_backward", "global_avgpool_forward", "sum_rows", "add", "relu_forward", "relu_backward"}


def included(path, seen):
    """The file and what it includes of Signet, directly or not."""
    if path not in seen:
        seen.add(path)
        for name in re.findall(r'^#include "(kernels/[^"]+)"', path.read_text(), re.M):
            included(ROOT / name, seen)
    return seen


# Kernels that one architecture has instructions for.
ONLY_ON = {"WgmmaTile": 90, "Tcgen05Tile": 100}

# Bytes of shared memory beside the tiles of a product: an mbarrier, and where its sums are.
OWN_SHARED = {"Tcgen05Tile": 16}

# Whose PTX code is assembled from, as in cmake/SignetCuda.cmake.
PTX_OF = {86: 80, 89: 80, 120: 100}


def target(arch, command=""):
    """What code for a compute capability is assembled for, as in cmake/SignetCuda.cmake: of sm_100 the build's command
    for the source says it."""
    return f"sm_{arch}a" if arch == 90 or f"sm_{arch}a" in command else f"sm_{arch}"


def code_generation(arch, command):
    code = target(arch, command)
    return f"-gencode arch=compute_{PTX_OF.get(arch, code[3:])},code={code}"


def compile_one(entry, arch, cache):
    """ptxas's report for one source and architecture; kept in `cache` until a source or the command changes."""
    command, directory = entry["command"], entry["directory"]
    digest = hashlib.sha256(f"{command} {code_generation(arch, command)}".encode())
    for path in sorted(included(pathlib.Path(entry["file"]), set())):
        digest.update(path.read_bytes())
    kept = cache / f"{pathlib.Path(entry['file']).stem}.{target(arch, command)}.{digest.hexdigest()[:16]}.txt"
    if kept.exists():
        return kept.read_text()
    words = re.sub(r"--generate-code=\S+|-gencode\s+\S+|-MD|-M[TF] \S+|\bccache\b", "", command)
    words = re.sub(r"^\s*\S*/ccache ", "", words)
    words = re.sub(r" -x cu -c ", " -x cu -cubin ", words)
    words = re.sub(r" -o \S+", " -o /dev/null", words)
    run = subprocess.run(f"{words} {code_generation(arch, command)} -Xptxas -v", shell=True, cwd=directory, capture_output=True,
                         text=True)
    if run.returncode != 0:
        sys.exit(f"static_evidence: {words} failed:\n{run.stdout}{run.stderr}")
    # Where sums are touched too early ptxas says that it serialises (C7510), or adds waits (C7517) and fences (C7519).
    if remarks := re.findall(r".*(?:\bGMMA\b|wgmma\.mma_async).*", run.stdout + run.stderr):
        sys.exit(f"static_evidence: {words}: wgmma is not as it was written:\n" + "\n".join(remarks))
    kept.write_text(run.stdout + run.stderr)
    return run.stdout + run.stderr


def demangle(names):
    text = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    short = []
    for name in text.splitlines():
        name = re.sub(r"signet::cuda::|implicit_gemm::|batchnorm::|\(anonymous namespace\)::|^void |signet::", "", name)
        name = re.sub(r"\((?:[^()]|\([^()]*\))*\)( \[clone.*)?$", "", name).replace("> >", ">>")
        short.append(name)
    return short


def parse(report):
    """{mangled name: (registers, spilled bytes, bytes of static shared memory)}."""
    kernels, name, spill = {}, None, 0
    for line in report.splitlines():
        if found := re.search(r"Compiling entry function '(\S+)'", line):
            name = found[1]
        elif found := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            spill = int(found[1]) + int(found[2])
        elif (found := re.search(r"Used (\d+) registers", line)) and name:
            shared = re.search(r"(\d+) bytes smem", line)
            kernels[name] = (int(found[1]), spill, int(shared[1]) if shared else 0)
            name = None
    return kernels


def block_of(name):
    """Threads and bytes of dynamic shared memory of a kernel's blocks."""
    if tile := re.search(r"Tile<(\w+), (\d+), (\d+), (\d+), (\d+), (\d+), (\d+)>", name):
        rows, columns, depth, warp_rows, warp_columns, stages = map(int, tile.groups()[1:])
        element = {"float": 4, "BFloat16": 2}[tile[1]]
        own = sum(size for kind, size in OWN_SHARED.items() if kind in name)
        return 32 * (rows // warp_rows) * (columns // warp_columns), element * stages * (rows + columns) * depth + own
    plain = re.match(r"\w+", name)[0]
    if plain not in THREADS:
        sys.exit(f"static_evidence: add the threads a block of {plain} to THREADS")
    return THREADS[plain], 0


def occupancy(arch, threads, registers, shared):
    """Warps resident on a multiprocessor, and blocks."""
    most_warps, most_blocks, kilobytes, reserved = LIMITS[arch]
    warps = threads // 32
    warps_by_registers = 65536 // (-(-registers * 32 // 256) * 256) // 4 * 4  # four schedulers with a quarter each
    blocks = min(most_blocks, most_warps // warps, warps_by_registers // warps)
    bytes_a_block = -(-shared // 128) * 128 + 1024 * reserved
    if bytes_a_block:
        blocks = min(blocks, kilobytes * 1024 // bytes_a_block)
    return blocks * warps, blocks


def resource_table(kernels, arches):
    lines = ["| kernel | threads | shared, KB | " + " | ".join(target(a) for a in arches) + " |",
             "|---|---|---|" + "---|" * len(arches)]
    for name in sorted(kernels):
        threads, dynamic = block_of(name)
        static = max(figures[2] for figures in kernels[name].values())
        cells = []
        for arch in arches:
            if arch not in kernels[name]:
                cells.append("-")
                continue
            registers, spill, shared = kernels[name][arch]
            warps, _ = occupancy(arch, threads, registers, shared + dynamic)
            cells.append(f"{registers}, {100 * warps // LIMITS[arch][0]}%" + (f", **spills {spill} B**" if spill else ""))
        lines.append(f"| `{name}` | {threads} | {(static + dynamic) / 1024:.1f} | " + " | ".join(cells) + " |")
    return lines


def count(signet, kernel, sizes):
    """[global, shared][read, write] of one call: (moved, ideal) in sectors or wavefronts."""
    run = subprocess.run([signet, "profile-kernel", kernel, *sizes.split()], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"static_evidence: signet profile-kernel {kernel} {sizes} failed:\n{run.stdout}{run.stderr}")
    totals = {(space, access): [0, 0] for space in ("global", "shared") for access in ("read", "write")}
    for line in run.stdout.splitlines():
        words = line.split()
        if len(words) == 8 and (words[1], words[2]) in totals:
            totals[words[1], words[2]][0] += int(words[5])
            totals[words[1], words[2]][1] += int(words[6])
    return totals


def memory_table(signet, jobs):
    rows = []
    for math in MATHS:
        for tile in TILES:
            rows.append(("gemm", "256x256x256", math, tile, "-m 256 -n 256 -k 256"))
            for kernel in ("conv2d_forward", "conv2d_backward_data", "conv2d_backward_weight"):
                for title, sizes in CONVOLUTIONS + (COLOURS if kernel != "conv2d_backward_data" else []):
                    rows.append((kernel, title, math, tile, sizes + " --algorithm implicit_gemm"))
                    if math == "f32" and kernel != "conv2d_backward_weight" and title in WINOGRAD:
                        rows.append((kernel, title + ", Winograd", math, tile, sizes + " --algorithm winograd"))
    rows += [(kernel, title, STORED, tile, sizes) for tile in TILES + WARPGROUP_TILES + TENSOR_MEMORY_TILES for title, sizes in CONVOLUTIONS
             for kernel in ("conv2d_forward", "conv2d_backward_data", "conv2d_backward_weight")]
    rows.sort(key=lambda row: row[:2])  # the order of MATHS and TILES stays
    rows += [(kernel, title, "", "", sizes) for kernel, title, sizes in OTHERS]
    rows += [(kernel, title, STORED, "", sizes) for kernel, title, sizes in OTHERS if kernel in ACTIVATION_KERNELS]

    def run(row):
        kernel, _, math, tile, sizes = row
        if math == STORED:
            sizes += " --precision bf16 --activations bf16"
        elif math:
            sizes += f" --precision {math}"
        return count(signet, kernel, sizes + (f" --tile {tile}" if tile else ""))

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        counts = list(pool.map(run, rows))
    share = lambda moved, ideal: f"{ideal / moved:.3f}" if moved else "-"
    lines = ["| kernel | sizes | math | tile | sectors read | of their bytes used | sectors written | of their bytes used | "
             "wavefronts of shared memory | of which conflicts |", "|---|---|---|---|---:|---:|---:|---:|---:|---:|"]
    for (kernel, title, math, tile, _), c in zip(rows, counts):
        read, written = c["global", "read"], c["global", "write"]
        shared = [a + b for a, b in zip(c["shared", "read"], c["shared", "write"])]
        lines.append(f"| `{kernel}` | {title} | {math} | {tile} | {read[0]} | {share(*read)} | {written[0]} | "
                     f"{share(*written)} | {shared[0] or '-'} | {shared[0] - shared[1] if shared[0] else '-'} |")
    return lines


def convolution(layer, batch):
    """Multiply-adds, and bytes that have to move at least: x and w read, y written."""
    _, side, channels_in, channels_out, kernel, stride, _ = layer
    pixels = batch * side * side
    weights = channels_out * kernel * kernel * channels_in
    return pixels * weights, 4 * (pixels * stride * stride * channels_in + weights + pixels * channels_out)


def microseconds(flops, moved, peaks, number):
    return max(flops / peaks[number] / 1e6, moved / peaks["memory"] / 1e6)


def roofline_table(batch):
    lines = ["| layer | times | GFLOP | MB | FLOP/B | " +
             " | ".join(f"{card} {number}, µs" for card in PEAKS for number in ("f32", "TF32", "bf16")) + " |",
             "|---|---|---|---|---|" + "---|" * 6]
    for layer in LAYERS:
        multiply_adds, moved = convolution(layer, batch)
        flops = 2 * multiply_adds
        cells = []
        for peaks in PEAKS.values():
            for number in ("f32", "TF32", "bf16"):
                time = microseconds(flops, moved, peaks, number)
                bound = "m" if moved / peaks["memory"] / 1e6 >= time else "c"
                cells.append(f"{time:.0f} {bound}")
        lines.append(f"| {layer[0]} | {layer[6]} | {flops / 1e9:.2f} | {moved / 1e6:.1f} | {flops / moved:.0f} | " +
                     " | ".join(cells) + " |")
    return lines


def winograd_table(batch):
    """F(4x4, 3x3) as transforms and 36 products: 36 multiplications for 16 pixels instead of 144, and its traffic."""
    columns = [("H200", "f32"), ("H200", "TF32"), ("RTX 4090", "f32"), ("RTX 3090", "f32")]
    lines = ["| layer | direct GFLOP | Winograd GFLOP | direct MB | Winograd MB | launches | " +
             " | ".join(f"{card} {number}, µs" for card, number in columns) + " |",
             "|---|---|---|---|---|---|" + "---|" * len(columns)]
    for layer in LAYERS:
        if layer[4] != 3 or layer[5] != 1:
            continue
        _, side, channels_in, channels_out, _, _, _ = layer
        multiply_adds, moved = convolution(layer, batch)
        tiles = batch * (-(-side // 4)) ** 2
        products = 36 * tiles * channels_in * channels_out
        # The transformed images, filters and products are written once and read once.
        planes = 4 * 2 * 36 * (tiles * channels_in + channels_in * channels_out + tiles * channels_out)
        # As kernels/cuda/winograd.cu cuts the tiles into chunks, of at most 32 MB.
        chunks = -(-tiles // max(128, (32 << 20) // (4 * 36 * (channels_in + channels_out)) // 128 * 128))
        cells = []
        for card, number in columns:
            peaks = (PEAKS | SMALL_CACHE)[card]
            # One after another: the transforms move bytes, the products compute.
            best = 2 * products / peaks[number] / 1e6 + moved / peaks["memory"] / 1e6
            cells.append(f"{microseconds(2 * multiply_adds, moved, peaks, number):.0f}; {best:.0f} to "
                         f"{best + planes / peaks['memory'] / 1e6:.0f}")
        lines.append(f"| {layer[0]} | {2 * multiply_adds / 1e9:.2f} | {2 * products / 1e9:.2f} | {moved / 1e6:.0f} | "
                     f"{(moved + planes) / 1e6:.0f} | {3 * chunks + 1} | " + " | ".join(cells) + " |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/cuda", help="a configured CUDA build")
    parser.add_argument("--signet", type=pathlib.Path, default=ROOT / "build/simulated/apps/signet",
                        help="the program of a simulated build")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs/kernels-static.md")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32, help="of the roofline model")
    parser.add_argument("--arch", type=int, nargs="*", default=sorted(LIMITS), help="e.g. 80 90")
    options = parser.parse_args()

    commands = options.build / "compile_commands.json"
    if not commands.exists():
        sys.exit(f"static_evidence: {commands} is missing; configure first: cmake --preset cuda")
    sources = [entry for entry in json.loads(commands.read_text())
               if entry["file"].endswith(".cu") and "/kernels/cuda/" in entry["file"]]
    if not options.signet.exists():
        sys.exit(f"static_evidence: {options.signet} is missing; build it first: "
                 "cmake --preset simulated && cmake --build --preset simulated --target signet")
    cache = options.build / "static-evidence"
    cache.mkdir(exist_ok=True)
    work = [(entry, arch) for entry in sources for arch in options.arch]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        reports = list(pool.map(lambda job: compile_one(*job, cache), work))

    kernels, spilled = {}, []
    for (_, arch), report in zip(work, reports):
        found = parse(report)
        for name, figures in zip(demangle(found), found.values()):
            if any(tile in name and arch != only for tile, only in ONLY_ON.items()):
                continue  # there a trap, and never launched
            kernels.setdefault(name, {})[arch] = figures
            if figures[1] and arch >= 80:
                spilled.append(f"{name} on sm_{arch}: {figures[1]} bytes")
    version = subprocess.run([re.search(r"\S*nvcc", sources[0]["command"])[0], "--version"], capture_output=True,
                             text=True, check=True).stdout
    version = re.search(r"release (\S+),", version)[1]

    text = ["# What is known of the CUDA kernels without a card", "",
            f"Written by `bench/gpu/static_evidence.py` with nvcc {version}. Nothing here was measured on a card.", "",
            "## Registers and occupancy", "",
            "For each kernel of `kernels/cuda`: registers a thread, and the share of a multiprocessor's warps that can be "
            "resident. " + ("Kernels that spill from sm_80 on: " + "; ".join(spilled) + "." if spilled else
                            "No kernel spills registers on sm_80 or newer.") +
            " Matrix products keep their sums in registers and live from independent multiply-adds, not from many warps: "
            "low occupancy is their design. The loops over elements live from many.", ""]
    text += resource_table(kernels, options.arch)
    text += ["", "## What is asked of memory", "",
             "Counted by the simulated device (`signet profile-kernel`, one image a call), all kernels of a call "
             "together: sectors of 32 bytes of global memory, and the share of their bytes that the warp's request "
             "wanted; wavefronts of shared memory, and how many of them only wait for others of the same bank. `tile` "
             "is what a block of threads computes of a product (small 64x64, narrow 128x64, large 128x128); which one a "
             "call takes depends on its size. Tiles of warpgroups and of tensor memory are read by wgmma and tcgen05.mma, "
             "past the threads: of shared memory little more than what their copies write is counted. Nothing in the loop of a product conflicts, whatever its math, layout "
             "and tile. Where a product of a colour image has conflicts, they are in the kernels that rearrange image "
             "and filters (colour_images.cu). Batchnorm's statistics pass through shared memory as structures of 36 "
             "bytes, which g++ moves whole and nvcc word by word, nine words from lane to lane, without a conflict; and "
             "its backward pass reads four neighbours there that nvcc reads at once.", "",
             "Where products read bytes that they do not use, it is at the ends of things. A 3x3 filter of colours has "
             "36 floats, four sectors and a half; a pad would be read for nothing as well. At stride 2 its windows also "
             "lose because a step of 16 floats has 4 taps and a line of the window 3: of a tap that stands alone in a "
             "step only half a sector is read. Blocks of 2x2 pixels, or a fourth tap, would avoid that for a third more "
             "multiplications. Where channels are no multiple of 8 (20 to 36), pixels and filters begin within "
             "sectors, and 64 bytes of every second one are three sectors. Copies with a pitch would cost a kernel and "
             "its bytes at each call, for shapes that no network here has.", ""]
    text += memory_table(options.signet, options.jobs)
    text += ["", f"## Roofline of ResNet18's convolutions, batch {options.batch}", "",
             "**A model, not a measurement**: the greater of arithmetic at the card's published peak and of the bytes that "
             "have to move (x and w read once, y written once, in float) at its published bandwidth. `c`: arithmetic "
             "decides, `m`: memory. A real kernel takes longer. Forward; either gradient has the same arithmetic and "
             "about the same bytes. A layer occurs so many times.", ""]
    text += roofline_table(options.batch)
    text += ["", f"## Winograd F(4x4, 3x3), batch {options.batch}", "",
             "**A model again.** Winograd's algorithm takes 36 multiplications for 16 pixels instead of 144, but its "
             "transformed images and products, 2.25 times the size of x and y and more where tiles stick out of the image, "
             "are written and read once more, and so are filters of four times the size. The transforms take the time of "
             "their bytes and the products that of their arithmetic, one after the other. A cell has the direct product's "
             "time, then Winograd's if a cache gives the planes for nothing, and if all of them come from memory. What "
             "passes through in chunks of 32 MB (`kernels/cuda/winograd.cu`) is to stay in a second-level cache of 40 MB "
             "or more (A100, H100, H200, RTX 4090; RTX 3090 has 6); the filters of layer4, 38 MB, may not.", ""]
    text += winograd_table(options.batch)
    text += ["",
             "On tensor cores, which multiply several times as fast, Winograd would be the faster one only if the planes "
             "cost next to nothing, and differences of rounded operands would lose digits besides: there implicit "
             "products ship. In float arithmetic is the limit, and from 128 channels on Winograd ships: H200 gains even "
             "with all planes from memory, RTX 4090 where its cache holds them. On RTX 3090, which has little memory "
             "bandwidth for its float units and no such cache, the model finds a tenth to gain at best and nothing to "
             "lose. For 64 channels it has H200 gain a fifth and RTX 3090 take two thirds longer, and more launches come on "
             "top, so layer1 stays direct. The choice (`winograd_pays` in `kernels/cuda/winograd.cu`) may depend neither "
             "on the card nor on the batch, or the bits would. No card has confirmed any of it: `bench_gpu` times both, "
             "and the F(2x2, 3x3) of `kernels/ladder/conv_03_winograd.cu`, which for 16/9 as many multiplications as "
             "F(4x4, 3x3) also moves 16/9 as many bytes of planes.", ""]
    options.output.write_text("\n".join(text))
    print(f"{options.output}: {len(kernels)} kernels on {len(options.arch)} architectures")
    if spilled:
        sys.exit("static_evidence: registers are spilled: " + "; ".join(spilled))


if __name__ == "__main__":
    main()

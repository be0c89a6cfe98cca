"""What `signet export` writes, read by the programs it is written for: PyTorch, torchvision, safetensors, ONNX Runtime.

Run by ctest (run.sh); ends with 77, which counts as skipped, where a module is missing.
"""

import csv
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

try:
    import numpy as np
    import onnx
    import onnxruntime
    import torch
    import torchvision
    from PIL import Image
    from safetensors import safe_open
    from safetensors.torch import load_file
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SIGNET = str(Path(sys.argv[1]).resolve())
# Relative to the largest logit. Where ONNX Runtime resizes, a pixel in a hundred comes out 1 of 255 off, and most of it
# is used.
TOLERANCE = 1e-4
CLASSES = ["a", "b", "c"]


def signet(*words):
    done = subprocess.run([SIGNET, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"signet {' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


def check_close(actual, expected, what, tolerance=TOLERANCE):
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, (what, actual.shape, expected.shape)
    error = np.abs(actual - expected).max() / np.abs(expected).max()
    print(f"  {what}: {error:.1e}")
    assert error <= tolerance, f"{what}: {error} > {tolerance}"  # a NaN fails as well


def predicted(checkpoint, images):
    """Log-probabilities [images, classes] by `signet predict`."""
    table = signet("predict", checkpoint, *images, "--top", len(CLASSES), "--format", "csv", "--threads", 2)
    rows = list(csv.DictReader(io.StringIO(table)))
    result = np.empty((len(images), len(CLASSES)))
    for row in rows:
        result[images.index(row["path"]), CLASSES.index(row["class"])] = np.log(float(row["probability"]))
    return result


def log_softmax(logits):
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def network_input(images, about):
    """[images, channels, size, size], made by Pillow as the metadata says."""
    spec = about["preprocessing"]
    batch = []
    for path in images:
        picture = Image.open(path).convert("L" if spec["channels"] == 1 else "RGB")
        pixels = np.asarray(picture.resize((spec["size"],) * 2, Image.BILINEAR), np.float32) / 255
        pixels = pixels[None] if spec["channels"] == 1 else pixels.transpose(2, 0, 1)
        mean, deviation = (np.float32(spec[k][: spec["channels"]])[:, None, None] for k in ("mean", "deviation"))
        batch.append((pixels - mean) / deviation)
    return np.stack(batch)


def run_onnx(path, images):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["signet"])
    assert about["classes"] == CLASSES and "seed" in about and "mean" in about["preprocessing"], about
    return session.run(["logits"], {"images": images})[0]


def make_pytorch(architecture):
    if architecture.startswith("resnet"):
        return getattr(torchvision.models, architecture)(num_classes=len(CLASSES))
    n = torch.nn
    if architecture == "mlp":
        return n.Sequential(n.Flatten(), n.Linear(784, 300), n.ReLU(), n.Dropout(), n.Linear(300, 100), n.ReLU(),
                            n.Dropout(), n.Linear(100, len(CLASSES)))
    convolutions = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        convolutions += [n.Conv2d(inputs, outputs, 3, padding=1), n.ReLU(), n.MaxPool2d(2)]
    return n.Sequential(*convolutions, n.Flatten(), n.Linear(2048, 256), n.ReLU(), n.Dropout(),
                        n.Linear(256, len(CLASSES)))


def check(architecture, data, folder):
    print(architecture)
    flags = ["--image-size", 64] if architecture.startswith("resnet") else []
    signet("train", "--data", data, "--model", architecture, *flags, "--epochs", 2, "--folds", 3, "--lr", 0.001,
           "--output", folder / architecture)
    checkpoint = folder / architecture / "weights" / f"{architecture}-last.safetensors"
    images = sorted(str(path) for path in data.rglob("*.png"))[:7]
    expected = predicted(checkpoint, images)

    pth = folder / f"{architecture}.pth"
    signet("export", checkpoint, "--output", pth)
    state = torch.load(pth, weights_only=True)
    assert all(type(t) is torch.Tensor for t in state.values())
    assert all(torch.equal(t, torch.load(pth, weights_only=True, mmap=True)[k]) for k, t in state.items())
    about = json.loads(zipfile.ZipFile(pth).read("archive/extra/signet"))
    assert about["classes"] == CLASSES and "seed" in about, about
    inputs = network_input(images, about)
    model = make_pytorch(architecture).eval()
    model.load_state_dict(state)
    with torch.no_grad():
        logits = model(torch.from_numpy(inputs)).numpy()
    check_close(log_softmax(logits), expected, "PyTorch with the .pth")
    check_close(predicted(pth, images), expected, "signet with the .pth", 1e-12)

    path = folder / f"{architecture}.onnx"
    for batchnorm in ("fold", "keep"):
        signet("export", checkpoint, "--output", path, "--batchnorm", batchnorm)
        for count in (1, len(images)):
            check_close(run_onnx(path, inputs[:count]), logits[:count], f"ONNX, batchnorm {batchnorm}, batch {count}")
    signet("export", checkpoint, "--output", path, "--with-preprocessing")
    pictures = np.stack([np.asarray(Image.open(image).convert("RGB")) for image in images])
    check_close(log_softmax(run_onnx(path, pictures)), expected, "ONNX with preprocessing")
    wide = pictures[:, :, :71]
    stretched = [str(folder / f"wide{i}.png") for i in range(len(images))]
    for pixels, name in zip(wide, stretched):
        Image.fromarray(pixels).save(name)
    check_close(log_softmax(run_onnx(path, wide)), predicted(checkpoint, stretched), "… of an oblong picture")

    half = folder / f"{architecture}-bf16.safetensors"
    signet("export", checkpoint, "--output", half, "--precision", "bf16")
    weights = load_file(half)
    for name, tensor in state.items():
        wanted = tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor
        assert torch.equal(weights[name], wanted), name
    with safe_open(half, "pt") as file:
        assert json.loads(file.metadata()["signet"])["classes"] == CLASSES
    model.load_state_dict({k: t.float() if t.is_floating_point() else t for k, t in weights.items()})
    with torch.no_grad():
        rounded = model(torch.from_numpy(inputs)).numpy()
    check_close(predicted(half, images), log_softmax(rounded), "signet with bf16 weights")

    folded = folder / f"{architecture}-folded.safetensors"
    signet("export", checkpoint, "--output", folded, "--batchnorm", "fold")
    assert not any(".bn" in name or name.startswith("bn") for name in load_file(folded))
    check_close(predicted(folded, images), expected, "signet with folded batchnorm")
    for exported in (pth, half, folded):
        assert "images, accuracy" in signet("val", exported, "--data", data)


with tempfile.TemporaryDirectory() as name:
    everything = Path(name) / "signs"
    signet("data", "signs", everything, "--signers", 2, "--takes", 3, "--image-size", 96, "--seed", 3)
    chosen = Path(name) / "data"
    chosen.mkdir()
    for letter in CLASSES:
        (everything / letter).rename(chosen / letter)
    for network in ("mlp", "cnn", "resnet18", "resnet34"):
        check(network, chosen, Path(name))
print("all equal")

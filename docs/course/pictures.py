#!/usr/bin/env python3
"""Draws the diagrams of the course into images/*.svg. With --check it only says which of them differ from what it would
draw. Figures come from the chapters' own tables, so that picture and text agree. Needs Python's standard library only.
(images/augmentation.png and images/curves.svg are not drawn here: run.py --update copies them from the program.)
"""
import math
import pathlib
import re
import sys
from xml.sax.saxutils import escape

HERE = pathlib.Path(__file__).resolve().parent
STYLE = """
svg{--page:#fff;--panel:#eef1f5;--ink:#1c2024;--muted:#596068;--line:#b9c0c8;--a:#005a9c;--b:#b44b0d;--c:#2c7a3f;--d:#7a3f8f}
@media (prefers-color-scheme:dark){svg{--page:#15191e;--panel:#262d35;--ink:#e8ebee;--muted:#a9b2bc;--line:#56606b;
--a:#7cc0f5;--b:#ff9d57;--c:#7fd08f;--d:#d6a2e8}}
text{font:14px system-ui,"DejaVu Sans",sans-serif;fill:var(--ink)}
.m{font-family:"DejaVu Sans Mono",monospace;font-size:13px}.s{font-size:12px;fill:var(--muted)}.h{font-weight:bold}
.e{text-anchor:end}.c{text-anchor:middle}
"""
A, B, C, D, INK, LINE, PANEL, MUTED = (f"var(--{n})" for n in "a b c d ink line panel muted".split())


class Picture:
    def __init__(self, width, height, title):
        self.width, self.height, self.title, self.parts = width, height, title, []

    def text(self, x, y, words, kind="", colour=None):
        style = f' style="fill:{colour}"' if colour else ""
        self.parts.append(f'<text x="{x:g}" y="{y:g}" class="{kind}"{style}>{escape(str(words))}</text>')

    def box(self, x, y, w, h, fill=PANEL, stroke=LINE, round=4, opacity=1):
        self.parts.append(f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{round}" style="fill:{fill};'
                          f'stroke:{stroke}" fill-opacity="{opacity:g}"/>')

    def line(self, points, colour=INK, width=1.6, arrow=False, dash=""):
        path = "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<path d="{path}" style="fill:none;stroke:{colour};stroke-width:{width}"{dashes}/>')
        if arrow:
            (x0, y0), (x, y) = points[-2:]
            angle = math.atan2(y - y0, x - x0)
            tip = [(x - 9 * math.cos(angle + s), y - 9 * math.sin(angle + s)) for s in (0.4, -0.4)]
            corners = " ".join(f"{px:.1f},{py:.1f}" for px, py in [(x, y), *tip])
            self.parts.append(f'<polygon points="{corners}" style="fill:{colour}"/>')

    def dot(self, x, y, colour, r=4):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" style="fill:{colour}"/>')

    def labelled(self, x, y, w, h, lines, fill=PANEL, stroke=LINE):
        self.box(x, y, w, h, fill, stroke)
        top = y + h / 2 - 9 * (len(lines) - 1) + 5
        for i, words in enumerate(lines):
            self.text(x + w / 2, top + 18 * i, words, "c" + (" h" if i == 0 else " s"))

    def svg(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
                f'height="{self.height}" role="img">\n<title>{escape(self.title)}</title>\n<style>{STYLE}</style>\n'
                f'<rect width="{self.width}" height="{self.height}" style="fill:var(--page)"/>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


def tape():
    p = Picture(760, 300, "The tape of two layers and a loss")
    names = ["linear", "relu", "linear", "cross-entropy"]
    for i, name in enumerate(names):
        x = 112 + 152 * i
        p.labelled(x - 4, 90, 118, 44, [name])
        if i:
            p.line([(x - 38, 112), (x - 6, 112)], INK, arrow=True)
        p.labelled(x, 190, 110, 44, [f"node {i}", "captured " + ("x", "y", "x, w", "p")[i]], stroke=B)
        p.line([(x + 55, 134), (x + 55, 188)], LINE, 1, dash="3 3")
        if i:
            p.line([(x - 2, 212), (x - 40, 212)], B, arrow=True)
    p.text(20, 117, "images", "h")
    p.line([(80, 112), (106, 112)], INK, arrow=True)
    p.line([(682, 112), (708, 112)], INK, arrow=True)
    p.text(712, 117, "loss", "h")
    for x, name in ((167, "w1"), (471, "w2")):
        p.text(x, 50, name, "h c", A)
        p.line([(x, 58), (x, 88)], A, arrow=True)
        p.line([(x, 236), (x, 262)], B, arrow=True)
        p.text(x, 280, "gradient of " + name, "c", B)
    p.line([(706, 212), (680, 212)], B, arrow=True)
    p.text(712, 217, "1", "h", B)
    p.text(20, 26, "forward: kernels run, and each op that something trainable reaches leaves a node", "s")
    p.text(20, 217, "stops here", "s")
    return p


def grid(p, x, y, values, cell=26, marks=(), colour=A, title=""):
    p.text(x, y - 8, title, "h")
    for r, row in enumerate(values):
        for c, v in enumerate(row):
            marked = (r, c) in marks
            p.box(x + c * cell, y + r * cell, cell, cell, colour if marked else PANEL, LINE, 0, 0.35 if marked else 1)
            p.text(x + (c + 0.5) * cell, y + (r + 0.7) * cell, v, "c s")


def blocks_of(page, command):
    """The lines that a command prints, as the chapter has them."""
    text = (HERE / page).read_text()
    start = text.index("$ " + command)
    return text[text.index("\n", start) + 1:text.index("```", start)].splitlines()


def convolution():
    lines = blocks_of("02-convolution.md", "course_convolution")
    plane = lambda name, n: [row.split() for row in lines[lines.index(name) + 1:][:n]]
    x, w, y = plane("x", 5), plane("w", 3), plane("y", 5)
    patch = {(r, c) for r in range(3) for c in range(1, 4)}
    p = Picture(760, 400, "One output pixel of a convolution, and its two gradients")
    grid(p, 20, 50, x, marks=patch, title="x")
    grid(p, 200, 76, w, colour=B, marks={(r, c) for r in range(3) for c in range(3)}, title="w")
    grid(p, 330, 50, y, marks={(1, 2)}, colour=C, title="y")
    p.text(165, 120, "·", "h")
    p.text(298, 120, "→", "h")
    p.text(490, 90, "forward: nine products and a sum", "")
    p.text(490, 112, "−1·0 + 0·1 + 1·1 − 2·0 + 0·2 + 2·2 …", "s")
    p.text(490, 132, "= 8, in row 1, column 2", "s")
    dx = plane("dx for dy = 1 in row 1, column 2", 5)
    dw = plane("dw for the same", 3)
    grid(p, 20, 250, dx, marks=patch, colour=B, title="dx")
    grid(p, 200, 276, dw, marks={(r, c) for r in range(3) for c in range(3)}, title="dw")
    grid(p, 330, 250, [["1" if (r, c) == (1, 2) else "0" for c in range(5)] for r in range(5)], marks={(1, 2)}, colour=C,
         title="dy")
    p.text(490, 290, "backward, if this pixel alone counts:", "")
    p.text(490, 312, "dx is the filter, laid where it was laid", "s")
    p.text(490, 332, "dw is the patch of x under it", "s")
    return p


def chart(p, x, y, w, h, xs, ys, x_label, y_label):
    """Axes; returns the functions from values to places."""
    to_x = lambda v: x + w * (v - xs[0]) / (xs[-1] - xs[0])
    to_y = lambda v: y + h - h * (v - ys[0]) / (ys[-1] - ys[0])
    for v in ys:
        p.line([(x, to_y(v)), (x + w, to_y(v))], LINE, 0.7)
        p.text(x - 8, to_y(v) + 4, f"{v:g}", "s e")
    for v in xs:
        p.text(to_x(v), y + h + 18, f"{v:g}", "s c")
    p.text(x + w, y + h + 36, x_label, "s e")
    p.text(x - 30, y - 12, y_label, "s")
    return to_x, to_y


def batchnorm():
    p = Picture(760, 300, "Running mean and running variance follow the batches")
    to_x, to_y = chart(p, 60, 40, 420, 200, [0, 10, 20, 30, 40, 50], [0, 1, 2, 3, 4, 5], "batches", "running averages")
    for goal, start, colour, name in ((5, 0, A, "mean"), (4, 1, B, "variance")):
        points = [(to_x(n), to_y(goal + (start - goal) * 0.9 ** n)) for n in range(51)]
        p.line(points, colour, 2.4)
        p.text(488, points[-1][1] + 5, name, "h", colour)
    p.text(590, 60, "training", "h")
    p.text(590, 82, "normalises by the batch,", "s")
    p.text(590, 100, "moves these curves", "s")
    p.text(590, 150, "evaluation", "h")
    p.text(590, 172, "normalises by the curves'", "s")
    p.text(590, 190, "end, moves nothing", "s")
    p.text(60, 292, "new = 0.9 · old + 0.1 · the batch's", "s")
    return p


def gemm():
    p = Picture(760, 296, "What each rung reads for one step")
    size, cell = 16, 5

    def matrix(x, y, name, marks, colour):
        side = size * cell
        p.box(x, y, side, side, PANEL, LINE, 0)
        for (r, c, h, w) in marks:
            p.box(x + c * cell, y + r * cell, w * cell, h * cell, colour, colour, 0, 0.6)
        p.text(x + 4, y - 5, name, "s")

    rungs = [("naive", [(5, 0, 1, 16)], [(0, 7, 16, 1)], [(5, 7, 1, 1)], "one element: a row, a column"),
             ("reordered", [(5, 6, 1, 1)], [(6, 0, 1, 16)], [(5, 0, 1, 16)], "a row of C, again and again"),
             ("tiled", [(4, 6, 4, 1)], [(6, 8, 1, 8)], [(4, 8, 4, 8)], "32 sums for 12 values read")]
    for i, (name, a, b, c, words) in enumerate(rungs):
        x = 16 + 250 * i
        p.text(x, 24, name, "h")
        p.text(x, 44, words, "s")
        matrix(x, 178, "A", a, A)
        matrix(x + 95, 74, "B", b, B)
        matrix(x + 95, 178, "C", c, C)
    p.text(16, 286, "Square tiles use each value most: r + s values read, r · s multiply-adds.", "s")
    return p


def warp():
    p = Picture(760, 300, "The lanes of a warp and the sectors they touch")
    for row, (title, words) in enumerate((("gemm_00, A: lanes in 32 rows", "32 sectors, an eighth of each used"),
                                          ("gemm_01, B: lanes in 32 columns", "4 sectors, all of each used"))):
        y = 40 + 135 * row
        p.text(20, y - 14, title, "h")
        p.text(20, y + 92, words, "s")
        for lane in range(32):
            p.box(20 + lane * 22, y, 18, 14, A, LINE, 2, 0.5)
        sectors = 32 if row == 0 else 4
        width = 22 if row == 0 else 8 * 22
        for s in range(sectors):
            p.box(20 + s * width, y + 50, width - 4, 18, PANEL, LINE, 0)
            p.box(20 + s * width, y + 50, (width - 4) / (8 if row == 0 else 1), 18, B, LINE, 0, 0.6)
        for lane in range(0, 32):
            to = 20 + lane * 22 + (3 if row == 0 else 9)
            p.line([(29 + lane * 22, y + 15), (to, y + 49)], LINE, 1)
    p.text(20, 290, "Above: 32 lanes, each asking for 4 bytes. Below: sectors of 32 bytes that have to come.", "s")
    return p


def splits():
    p = Picture(760, 330, "What each split keeps together")
    colours = [A, B, C, D]
    kinds = (("random", "3 folds, takes dealt out", lambda s, l, t: (s * 5 + l * 4 + t * 2 + s * l) % 3),
             ("group", "3 folds, takes of a light together", lambda s, l, t: (s * 2 + l) % 3),
             ("signer", "a fold for each person", lambda s, l, t: s))
    for k, (name, words, fold) in enumerate(kinds):
        x = 20 + 250 * k
        p.text(x, 26, name, "h")
        p.text(x, 46, words, "s")
        for s in range(4):
            y = 70 + s * 56
            p.text(x, y + 24, f"person {s + 1}", "s")
            for l in range(2):
                for t in range(3):
                    p.box(x + 62 + l * 84 + t * 26, y, 22, 40, colours[fold(s, l, t)], LINE, 3, 0.75)
        p.text(x + 62, 308, "left light", "s")
        p.text(x + 146, 308, "diffuse", "s")
    p.text(20, 326, "One sign: each box is a take, its colour the fold that holds it back.", "s")
    return p


def features():
    rows = [line.split() for line in blocks_of("08-pretrained.md", "course_features")[1:] if line.strip()]
    p = Picture(760, 330, "Accuracy of nearest neighbours after each stage")
    p.text(40, 24, "right sign by the nearest neighbour among other people, %", "s")
    for v in range(0, 81, 20):
        y = 270 - 2.8 * v
        p.line([(50, y), (740, y)], LINE, 0.7)
        p.text(42, y + 4, v, "s e")
    for i, (name, _, random, pretrained) in enumerate(rows):
        x = 70 + 112 * i
        for j, (value, colour) in enumerate(((random, MUTED), (pretrained, A))):
            number = float(value.rstrip("%"))
            p.box(x + 40 * j, 270 - 2.8 * number, 34, 2.8 * number, colour, colour, 0)
            p.text(x + 17 + 40 * j, 264 - 2.8 * number, f"{number:.0f}", "s c")
        p.text(x + 37, 290, name, "c")
    p.box(70, 304, 14, 14, MUTED, MUTED, 0)
    p.text(90, 316, "random weights", "s")
    p.box(220, 304, 14, 14, A, A, 0)
    p.text(240, 316, "pretrained weights", "s")
    return p


def freezing():
    p = Picture(760, 330, "Where the gradient goes")
    stages = ["conv1", "layer1", "layer2", "layer3", "layer4", "fc"]
    for row, (name, first) in enumerate((("head only", 5), ("from layer4 on", 4), ("everything", 0))):
        y = 40 + 98 * row
        p.text(16, y - 12, name, "h")
        for i, stage in enumerate(stages):
            x = 20 + 122 * i
            trained = i >= first
            p.labelled(x, y, 92, 40, [stage], stroke=B if trained else LINE)
            if i:
                p.line([(x - 30, y + 13), (x - 2, y + 13)], INK, arrow=True)
                if i > first:
                    p.line([(x - 2, y + 29), (x - 28, y + 29)], B, arrow=True)
            p.text(x + 46, y + 56, "dW" if trained else "one kernel a layer", "s c", B if trained else None)
    p.text(16, 324, "Black: activations. Orange: gradients; they go back to the first stage that trains, and no farther.", "s")
    return p


def inspect():
    p = Picture(760, 330, "The parts of the inspect page and their questions")
    parts = [("Layer table", "who trained, how hard, how far a step"), ("Drift", "what moved, and what must not have"),
             ("Linear probes", "what can be read off each stage"), ("CKA", "which stages were rebuilt"),
             ("Maps", "clear by sign, or by person?"), ("Filters, activations", "what the first layers respond to"),
             ("Grad-CAM", "what an answer rests on"), ("What if", "which decision matters here")]
    for i, (name, words) in enumerate(parts):
        x, y = 20 + 370 * (i % 2), 20 + 76 * (i // 2)
        p.labelled(x, y, 350, 60, [name, words], stroke=(A, B, C, D)[i // 2])
    return p


def roofline():
    peak, bandwidth = 110e9, 20e9
    p = Picture(760, 380, "A roofline of one core")
    x0, y0, w, h = 70, 40, 640, 270
    lo, hi, bottom, top = -1.2, 3.2, 8.8, 11.4
    to_x = lambda i: x0 + w * (math.log10(i) - lo) / (hi - lo)
    to_y = lambda f: y0 + h - h * (math.log10(f) - bottom) / (top - bottom)
    for e in (9, 10, 11):
        p.line([(x0, to_y(10 ** e)), (x0 + w, to_y(10 ** e))], LINE, 0.7)
        p.text(x0 - 8, to_y(10 ** e) + 4, f"{10 ** (e - 9)}", "s e")
    for i in (0.1, 1, 10, 100, 1000):
        p.text(to_x(i), y0 + h + 18, f"{i:g}", "s c")
    p.text(20, 24, "thousand million operations a second", "s")
    p.text(x0 + w, y0 + h + 38, "operations for each byte moved", "s e")
    ridge = peak / bandwidth
    p.line([(to_x(10 ** lo), to_y(bandwidth * 10 ** lo)), (to_x(ridge), to_y(peak)), (x0 + w, to_y(peak))], A, 2.6)
    p.text(to_x(ridge) + 8, to_y(peak) - 10, f"ridge at {ridge:.1f}", "s")
    rows = re.findall(r"^\| ([^|]+?) \|[^|]+\|[^|]+\| ([\d.]+) \|$", (HERE / "11-fast.md").read_text(), re.M)
    for n, (name, intensity) in enumerate(rows):
        i = float(intensity)
        roof = min(peak, bandwidth * i)
        p.line([(to_x(i), to_y(roof)), (to_x(i), y0 + h)], LINE, 1, dash="3 3")
        p.dot(to_x(i), to_y(roof), B, 5)
        short = name.split(",")[0].replace("convolution of ", "conv ")
        if i > ridge:
            p.text(to_x(i), to_y(roof) + 22 + 18 * (n % 2), short.replace("`", ""), "s c")
        else:
            p.text(to_x(i) + 10, to_y(roof) + 6, short.replace("`", ""), "s")
    p.text(20, 372, "A model: 32 operations a cycle at 3.5 GHz (two vector FMA of 8 floats), memory at 20 GB/s. Not measured.", "s")
    return p


def course_map():
    p = Picture(760, 250, "The course as two roads")
    above = [("picture", ""), ("6", "augment"), ("3", "normalise"), ("8", "features"), ("9", "fine-tune"), ("7", "judge"),
             ("10", "inspect"), ("decision", "")]
    below = [("loop", ""), ("1", "tape"), ("2", "convolve"), ("4", "tiles"), ("5", "warps"), ("11", "the roof"), ("kernel", "")]
    for y, stations, colour in ((60, above, A), (170, below, B)):
        step = 680 / (len(stations) - 1)
        p.line([(40, y), (720, y)], colour, 3)
        for i, (name, words) in enumerate(stations):
            x = 40 + step * i
            p.dot(x, y, colour, 7)
            p.text(x, y - 16, name, "c h")
            p.text(x, y + 26, words, "c s")
    p.text(380, 236, "Every station of the upper road runs on the lower one.", "c s")
    return p


PICTURES = {"tape": tape, "convolution": convolution, "batchnorm": batchnorm, "gemm": gemm, "warp": warp, "splits": splits,
            "features": features, "freezing": freezing, "inspect": inspect, "roofline": roofline, "map": course_map}


def main():
    different = []
    for name, draw in PICTURES.items():
        path = HERE / "images" / f"{name}.svg"
        text = draw().svg()
        if not path.exists() or path.read_text() != text:
            different.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(text)
    if different:
        print(("differ from pictures.py: " if "--check" in sys.argv else "drawn: ") + ", ".join(different))
    return 1 if different and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())

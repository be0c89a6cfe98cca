#!/usr/bin/env python3
"""Keeps the course true: runs the commands that its chapters show, and compares or rewrites what they print.

    run.py --check  --release BUILD                  runs the fast commands and fails where the text says something else
    run.py --check  --simulated BUILD                the same for the commands of the simulated device
    run.py --update --release BUILD [--simulated BUILD] [--slow]     writes what they print into the text

A command block is a fence of the language `console` behind a comment that says how to run it. Lines that begin with
"$ " are commands (continued by "> "), the lines behind one are what it prints on standard output, where it is to fail also on
standard error:

    <!-- run mask="[0-9.]+ s" about=20% -->

    slow        takes long; is run with --slow only
    simulated   needs the build with the simulated device, where the program is called signet-simulated
    status=N    how the last command ends; 0 unless told
    mask="RE"   what a regular expression finds is not compared: times, rates, the processor's name
    about=N%    decimal fractions may differ by this much: figures of trained networks depend on the instruction set

All blocks run in one temporary folder, in the order of the chapters, so a later one may use what an earlier one made.
A picture that a command made is copied to the images by an update:

    <!-- keep study/curves.svg images/curves.svg -->

Excerpts of the sources stand behind a comment that names a file, a text of the first line, and one of the last line:

    <!-- excerpt nn/pointwise.cpp from="Tensor relu" to="}" -->

A check also looks up every link of the documentation. Needs nothing but Python's standard library.
"""
import argparse
import difflib
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d+(?![\w.])")
KEEP = re.compile(r"^<!-- keep (\S+) (\S+) -->$", re.M)
BLOCK = re.compile(r"^<!-- (run|excerpt)\b(.*?) -->\n+```(\w+)\n(.*?)^```$", re.M | re.S)


def chapters():
    """The pages of the course in their order; the introduction is the first."""
    return [HERE / "README.md"] + sorted(HERE.glob("[0-9][0-9]-*.md"))


class Options:
    """What the comment before a block says."""

    def __init__(self, words):
        self.flags, self.masks, self.status, self.about = set(), [], 0, None
        for word in shlex.split(words):
            name, _, value = word.partition("=")
            if not _ and name in ("slow", "simulated"):
                self.flags.add(name)
            elif name == "mask":
                self.masks.append(re.compile(value))
            elif name == "status":
                self.status = int(value)
            elif name == "about":
                self.about = float(value.rstrip("%")) / 100
            else:
                raise ValueError(f"unknown word in a run comment: {word}")

    def comparable(self, line):
        """The line without what may vary, and the numbers that may vary a little."""
        for mask in self.masks:
            line = mask.sub("…", line)
        numbers = []
        if self.about is not None:
            numbers = [float(n) for n in NUMBER.findall(line)]
            line = NUMBER.sub("#", line)
        return re.sub(r"[\s-]+", " ", line).strip(), numbers

    def same(self, expected, actual):
        (text, numbers), (other_text, others) = self.comparable(expected), self.comparable(actual)
        return text == other_text and all(
            abs(a - b) <= self.about * max(abs(a), abs(b)) + 0.02 for a, b in zip(numbers, others))


def commands_of(body):
    """[(command, [lines of output])]"""
    parts = []
    for line in body.splitlines():
        if line.startswith("$ "):
            parts.append((line[2:], []))
        elif line.startswith("> ") and parts and not parts[-1][1]:
            parts[-1] = (parts[-1][0] + "\n" + line[2:], [])
        elif parts:
            parts[-1][1].append(line)
        else:
            raise ValueError(f"a command block begins with output: {line}")
    return parts


class Runner:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        names = folder / ".bin"
        names.mkdir()
        if arguments.release:
            build = pathlib.Path(arguments.release).resolve()
            for program in [build / "apps/signet", *build.glob("examples/course/course_*")]:
                if program.is_file() and os.access(program, os.X_OK):
                    (names / program.name).symlink_to(program)
        if arguments.simulated:
            (names / "signet-simulated").symlink_to(pathlib.Path(arguments.simulated).resolve() / "apps/signet")
        (folder / "source").symlink_to(ROOT)
        self.environment = dict(os.environ, PATH=f"{names}:{os.environ['PATH']}", LC_ALL="C.UTF-8")

    def selected(self, options):
        if "slow" in options.flags and not self.arguments.slow:
            return False
        return bool(self.arguments.simulated if "simulated" in options.flags else self.arguments.release)

    def output_of(self, command, status):
        done = subprocess.run(["bash", "-c", command], cwd=self.folder, env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode != status:
            raise RuntimeError(f"$ {command}\nended with status {done.returncode}, not {status}:\n{done.stderr[-2000:]}")
        text = done.stdout + (done.stderr if status else "")
        return [line.rstrip() for line in text.splitlines()]


def excerpt(words):
    """The lines of a source file from one that contains one text to the next that contains (or, for "}", is) another."""
    values = dict(word.partition("=")[::2] for word in shlex.split(words))
    path = next(name for name in values if name not in ("from", "to"))
    lines = (ROOT / path).read_text().splitlines()
    first = next((i for i, line in enumerate(lines) if values["from"] in line), None)
    if first is None:
        raise ValueError(f"{path} has no line with {values['from']!r}")
    last = next((i for i in range(first, len(lines))
                 if (lines[i] == values["to"] if values["to"] == "}" else values["to"] in lines[i])), None)
    if last is None:
        raise ValueError(f"{path} has no line with {values['to']!r} behind {values['from']!r}")
    chosen = lines[first:last + 1]
    indent = min(len(line) - len(line.lstrip()) for line in chosen if line.strip())
    return [line[indent:] for line in chosen]


def new_body(kind, words, body, runner, complaints, place):
    """What a block should hold; what differs from what it holds is added to the complaints."""
    if kind == "excerpt":
        lines = excerpt(words)
        if lines != body.splitlines():
            complaints.append((place, "the excerpt differs from the source", body.splitlines(), lines))
        return "\n".join(lines) + "\n"
    options = Options(words)
    if not runner.selected(options):
        return body
    parts, lines = commands_of(body), []
    for number, (command, expected) in enumerate(parts):
        while expected and not expected[-1]:
            expected.pop()
        actual = runner.output_of(command, options.status if number == len(parts) - 1 else 0)
        while actual and not actual[-1]:
            actual.pop()
        lines += ["$ " + command.replace("\n", "\n> ")] + actual
        if len(expected) != len(actual) or not all(map(options.same, expected, actual)):
            complaints.append((place, f"$ {command}", expected, actual))
    return "\n".join(lines) + "\n"


def slug(heading):
    """The fragment by which GitHub links to a heading."""
    text = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))


def broken_links():
    """"page: link" for every relative link of the documentation that leads nowhere."""
    broken = []
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "bench/README.md", *ROOT.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, fragment = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                broken.append(f"{page.relative_to(ROOT)}: {link}: there is no such file")
            elif fragment and target.suffix == ".md":
                if fragment not in map(slug, re.findall(r"^#+ (.*)$", target.read_text(), re.M)):
                    broken.append(f"{page.relative_to(ROOT)}: {link}: there is no such heading")
    return broken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true")
    what.add_argument("--update", action="store_true")
    parser.add_argument("--release", metavar="BUILD", help="a release build")
    parser.add_argument("--simulated", metavar="BUILD", help="a build with the simulated device")
    parser.add_argument("--slow", action="store_true", help="run what takes long, too")
    parser.add_argument("--only", metavar="NN", help="run this chapter alone, e.g. 04, if it needs nothing of others")
    parser.add_argument("--keep", metavar="FOLDER", help="work in this folder, which must not exist, and leave it there")
    arguments = parser.parse_args()

    complaints = []
    with tempfile.TemporaryDirectory(prefix="signet-course-") as temporary:
        folder = pathlib.Path(arguments.keep or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=not arguments.keep)
        runner = Runner(arguments, folder)
        for page in chapters():
            if arguments.only and not page.name.startswith(arguments.only):
                continue
            text = page.read_text()

            def replacement(match):
                place = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
                kind, words, language, body = match.groups()
                head = match.group(0)[:match.start(4) - match.start()]
                return head + new_body(kind, words, body, runner, complaints, place) + "```"

            new = BLOCK.sub(replacement, text)
            if arguments.update:
                page.write_text(new)
                for made, kept in KEEP.findall(text):
                    if (folder / made).exists():
                        (HERE / kept).write_bytes((folder / made).read_bytes())
    for place, what_differs, expected, actual in complaints:
        print(f"{place}: {what_differs}")
        print("\n".join(list(difflib.unified_diff(expected, actual, "in the text", "now", lineterm="", n=1))[2:]))
    broken = broken_links()
    print("\n".join(broken) if broken else "all links lead somewhere")
    if arguments.update:
        print(f"{len(complaints)} blocks rewritten")
    elif complaints:
        print("If what is printed now is right: ./dev course --run writes it into the text.")
    return 1 if broken or (complaints and arguments.check) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, ValueError) as error:
        print(f"course: {error}", file=sys.stderr)
        sys.exit(2)

#!/usr/bin/env python3
"""Renders the course, the pages on the code and the sources they link to as a site that opens from the file system:

    render.py FOLDER         writes FOLDER/index.html and the rest; fails if a link of a page leads nowhere

Markdown is rendered by cmark-gfm (Debian's package of that name), GitHub's own renderer, so a page looks the same there.
No page loads anything from elsewhere, and none has a script.
"""
import html
import os
import pathlib
import re
import subprocess
import sys
from urllib.parse import unquote

sys.dont_write_bytecode = True
from run import ROOT, chapters, slug

SOURCE = {".h", ".cpp", ".cu", ".cuh", ".py", ".cmake", ".txt", ".sh", ""}
STYLE = """
:root{color-scheme:light dark;--page:#fff;--panel:#f3f5f7;--ink:#1c2024;--muted:#596068;--line:#d5d9de;--link:#005a9c;
--word:#8a1f5c;--text:#24691f;--note:#5c6670;--focus:#0050c8}
@media (prefers-color-scheme:dark){:root{--page:#15191e;--panel:#1e242b;--ink:#e8ebee;--muted:#a9b2bc;--line:#3a424c;
--link:#7cc0f5;--word:#f29bc9;--text:#9bd88f;--note:#9aa5b1;--focus:#9cc8ff}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;background:var(--page);color:var(--ink);font:17px/1.6 system-ui,"DejaVu Sans",sans-serif;
overflow-wrap:break-word}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px}
.skip{position:absolute;left:-100rem}.skip:focus{left:1rem;top:.5rem;background:var(--page);padding:.4rem}
.frame{display:grid;grid-template-columns:17rem minmax(0,1fr);max-width:78rem;margin:0 auto}
main{grid-column:2;grid-row:1;padding:1rem 2rem 3rem;min-width:0}
nav.contents{grid-column:1;grid-row:1;padding:1.4rem 1rem;border-right:1px solid var(--line);position:sticky;top:0;
align-self:start;max-height:100vh;overflow-y:auto;font-size:.92rem;line-height:1.35}
nav.contents h2{font-size:1rem;margin:1.1rem 0 .3rem}
nav.contents ol,nav.contents ul{list-style:none;margin:0;padding:0}
nav.contents a{display:block;padding:.28rem .5rem;text-decoration:none;border-radius:4px}
nav.contents a:hover{background:var(--panel)}
nav.contents a[aria-current]{background:var(--panel);color:var(--ink);font-weight:bold}
.to-contents{display:none}
h1{font-size:1.75rem;line-height:1.25;margin:.6rem 0 1rem}
h2{font-size:1.3rem;margin:2.2rem 0 .6rem}h3{font-size:1.1rem;margin:1.6rem 0 .4rem}
h2 a.here,h3 a.here{color:var(--muted);text-decoration:none;margin-left:.4rem;opacity:0}
h2:hover a.here,h3:hover a.here,a.here:focus{opacity:1}
p,li,details{max-width:46rem}
code{background:var(--panel);padding:.1em .25em;border-radius:3px;font:.86em/1.5 "DejaVu Sans Mono",ui-monospace,monospace}
pre{background:var(--panel);border:1px solid var(--line);border-radius:5px;padding:.7rem .9rem;overflow-x:auto;max-width:100%}
pre code{font-size:.8em;padding:0;background:none;overflow-wrap:normal}
pre .prompt{color:var(--note);user-select:none}pre .command{font-weight:bold;white-space:pre-wrap;overflow-wrap:anywhere}pre .shown{color:var(--muted)}
.w{color:var(--word)}.t{color:var(--text)}.n{color:var(--note);font-style:italic}
p.from{margin:1rem 0 -.7rem;font-size:.85rem}
.scroll{overflow-x:auto;max-width:100%;margin:1rem 0}
table{border-collapse:collapse;font-size:.93rem;font-variant-numeric:tabular-nums}
th,td{border:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top}
th{background:var(--panel)}td[align=right],th[align=right]{text-align:right}
figure{margin:1.4rem 0;overflow-x:auto}figure img{max-width:100%;height:auto;display:block;border-radius:4px}
figcaption{color:var(--muted);font-size:.9rem;margin-top:.4rem;position:sticky;left:0}
details{border:1px solid var(--line);border-radius:5px;padding:.5rem .9rem;margin:1rem 0}
summary{cursor:pointer;font-weight:bold}
.pager{display:flex;flex-wrap:wrap;gap:1rem;justify-content:space-between;margin-top:3rem;border-top:1px solid var(--line);
padding-top:1rem}
.pager a{padding:.5rem 0}
.lines a{color:var(--muted);text-decoration:none;display:inline-block;width:3.2rem;user-select:none}
.lines :target{background:var(--panel);outline:1px solid var(--line)}
@media (max-width:60rem){.frame{display:block}main{padding:.5rem 1rem 2rem}
nav.contents{position:static;max-height:none;border-right:0;border-top:1px solid var(--line)}
nav.contents a{padding:.55rem .5rem}.to-contents{display:inline-block;padding:.6rem 0}
body{font-size:16px}figure img.wide{max-width:none;width:40rem}}
@media print{nav.contents,.pager,.to-contents{display:none}.frame{display:block}}
"""
WORDS = ("alignas auto bool break case catch char class const constexpr continue default do double else enum explicit false "
         "float for friend if inline int int32_t int64_t namespace new nullptr private public return sizeof static struct "
         "switch template this throw true try typename uint32_t uint64_t uint8_t unsigned using virtual void while "
         "__global__ __shared__ __device__ __forceinline__ __syncthreads").split()
TOKEN = re.compile(r"(?P<n>//[^\n]*|/\*.*?\*/)|(?P<t>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+')|(?P<w>^\s*#\s*\w+|\b(?:"
                   + "|".join(WORDS) + r")\b)", re.S | re.M)


def coloured(code):
    """C++ as HTML, with words, texts and comments marked."""
    parts, end = [], 0
    for match in TOKEN.finditer(code):
        parts.append(html.escape(code[end:match.start()]))
        lines = html.escape(match.group()).split("\n")  # a mark may not go over the end of a line
        parts.append("\n".join(f'<span class="{match.lastgroup}">{line}</span>' for line in lines))
        end = match.end()
    return "".join(parts) + html.escape(code[end:])


def coloured_console(code):
    lines, shown = [], False
    for line in code.splitlines():
        command = line.startswith("$ ") or (not shown and line.startswith("> "))
        shown = not command
        if command:
            lines.append(f'<span class="prompt">{html.escape(line[:2])}</span><span class="command">{html.escape(line[2:])}</span>')
        else:
            lines.append(f'<span class="shown">{html.escape(line)}</span>')
    return "\n".join(lines)


class Site:
    def __init__(self, folder):
        self.folder = folder
        self.course = chapters()
        numbered = sorted((ROOT / "docs").glob("[0-9][0-9]-*.md"))
        named = [ROOT / "docs" / n for n in ("transfer-learning.md", "ladder.md", "kernels-static.md")]
        self.code = [ROOT / "docs/README.md", *numbered, *(p for p in named if p.exists())]
        self.titles, self.wanted, self.done = {}, [], set()

    def place(self, target):
        """Where a file of the repository lies in the site."""
        if target == self.course[0]:
            return pathlib.PurePosixPath("index.html")
        path = pathlib.PurePosixPath(target.relative_to(ROOT).as_posix())
        if target.is_dir():
            return path / "index.html"
        if target.suffix == ".md":
            return path.with_suffix(".html")
        return path if target.suffix in (".svg", ".png") else path.with_name(path.name + ".html")

    def link(self, page, href):
        """A link of a page of the repository, as it has to be in the site."""
        if re.match(r"[a-z]+:|#", href):
            return href
        path, _, fragment = href.partition("#")
        target = (page.parent / unquote(path)).resolve()
        if not target.exists():
            raise ValueError(f"{page.relative_to(ROOT)}: {href}: there is no such file")
        self.wanted.append(target)
        here = self.place(page).parent
        return os.path.relpath(self.place(target), here) + ("#" + fragment if fragment else "")

    def title(self, page):
        if page not in self.titles:
            self.titles[page] = re.search(r"^# (.*)$", page.read_text(), re.M).group(1).replace("`", "")
        return self.titles[page]

    def contents(self, page):
        def entries(pages):
            here = self.place(page).parent
            return "".join(f'<li><a href="{os.path.relpath(self.place(p), here)}"'
                           f'{" aria-current=page" if p == page else ""}>{html.escape(self.title(p))}</a></li>' for p in pages)
        return (f'<nav class="contents" id="contents" aria-label="Contents"><h2>The course</h2><ol>{entries(self.course)}</ol>'
                f'<h2>Reading the code</h2><ol>{entries(self.code)}</ol></nav>')

    def pager(self, page):
        for pages in (self.course, self.code):
            if page in pages:
                i, here = pages.index(page), self.place(page).parent
                links = []
                for step, word, rel in ((-1, "← ", "prev"), (1, "", "next")):
                    if 0 <= i + step < len(pages):
                        to = pages[i + step]
                        links.append(f'<a rel="{rel}" href="{os.path.relpath(self.place(to), here)}">{word}'
                                     f'{html.escape(self.title(to))}{" →" if step > 0 else ""}</a>')
                    else:
                        links.append("<span></span>")
                return f'<nav class="pager" aria-label="Previous and next">{"".join(links)}</nav>'
        return ""

    def write(self, target, title, body, page):
        file = self.folder / self.place(target)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
                        f'content="width=device-width,initial-scale=1"><title>{html.escape(title)} · Signet</title>'
                        f'<style>{STYLE}</style></head><body><a class="skip" href="#text">To the text</a><div class="frame">'
                        f'<main id="text"><a class="to-contents" href="#contents">Contents</a>{body}{self.pager(page)}</main>'
                        f'{self.contents(page)}</div></body></html>\n')

    def render(self, page):
        text = page.read_text()
        text = re.sub(r"^<!-- excerpt (\S+) .*? -->$", lambda m: f'<p class="from"><a href="{os.path.relpath(ROOT / m.group(1), page.parent)}">'
                      f"{m.group(1)}</a></p>\n", text, flags=re.M)
        text = re.sub(r"^<!-- (?:run|keep)\b.*? -->\n", "", text, flags=re.M)
        # The line of links at the end is for readers on GitHub; the site has its own.
        text = re.sub(r"^(Next|Back to): .*\n?\Z", "", text, flags=re.M)
        body = subprocess.run(["cmark-gfm", "--unsafe", "-e", "table", "-e", "autolink"], input=text, text=True, check=True,
                              capture_output=True).stdout
        body = re.sub(r'<pre><code class="language-(\w+)">(.*?)</code></pre>', self.code_block, body, flags=re.S)
        body = body.replace("<pre>", '<pre tabindex="0">')
        body = re.sub(r"<table>.*?</table>", lambda m: f'<div class="scroll" tabindex="0">{m.group()}</div>', body, flags=re.S)
        body = re.sub(r"<h([123])>(.*?)</h\1>", self.heading, body)
        body = re.sub(r'<p><img src="([^"]*)" alt="([^"]*)" /></p>', self.figure, body)
        body = re.sub(r'(href|src)="([^"]*)"', lambda m: m.group() if 'class="here"' in m.string[max(0, m.start() - 14):m.start()]
                      else f'{m.group(1)}="{self.link(page, html.unescape(m.group(2)))}"', body)
        self.write(page, self.title(page), body, page)

    @staticmethod
    def code_block(match):
        language, code = match.group(1), html.unescape(match.group(2))
        inner = (coloured(code) if language == "cpp" else coloured_console(code) if language == "console"
                 else html.escape(code))
        return f"<pre><code>{inner}</code></pre>"

    @staticmethod
    def heading(match):
        level, inner = match.groups()
        name = slug(html.unescape(re.sub(r"<[^>]*>", "", inner)))
        here = f'<a class="here" href="#{name}" aria-label="Link to this section">#</a>' if level != "1" else ""
        return f'<h{level} id="{name}">{inner}{here}</h{level}>'

    @staticmethod
    def figure(match):
        source, words = match.groups()
        wide = ' class="wide"' if source.endswith(".svg") else ""
        return f'<figure tabindex="0"><img{wide} src="{source}" alt="{words}"><figcaption>{words}</figcaption></figure>'

    def show_source(self, file):
        code = file.read_text(errors="replace").rstrip("\n")
        lines = (coloured(code) if file.suffix in (".h", ".cpp", ".cu", ".cuh") else html.escape(code)).split("\n")
        numbered = "\n".join(f'<span id="L{i}"><a href="#L{i}" aria-label="Line {i}">{i}</a>{line}</span>'
                             for i, line in enumerate(lines, 1))
        name = file.relative_to(ROOT).as_posix()
        self.write(file, name, f'<h1>{name}</h1><pre class="lines" tabindex="0"><code>{numbered}</code></pre>', file)

    def show_folder(self, folder):
        files = [f for f in sorted(folder.iterdir()) if f.is_dir() or f.suffix in SOURCE | {".md"}]
        entries = "".join(f'<li><a href="{self.link(folder / "x", f.name)}">{f.name}{"/" if f.is_dir() else ""}</a></li>' for f in files
                          if not f.name.startswith((".", "__")))
        name = folder.relative_to(ROOT).as_posix()
        self.write(folder, name, f"<h1>{name}/</h1><ul>{entries}</ul>", folder)

    def build(self):
        self.wanted = [*self.course, *self.code]
        while self.wanted:
            target = self.wanted.pop()
            if target in self.done:
                continue
            self.done.add(target)
            if target.is_dir():
                self.show_folder(target)
            elif target.suffix == ".md":
                self.render(target)
            elif target.suffix in (".svg", ".png"):
                copy = self.folder / self.place(target)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(target.read_bytes())
            else:
                self.show_source(target)

    def broken(self):
        """Links of the written pages that lead nowhere."""
        ids, found = {}, []
        pages = sorted(self.folder.rglob("*.html"))
        for page in pages:
            ids[page.resolve()] = set(re.findall(r'\bid="([^"]*)"', page.read_text()))
        for page in pages:
            for link in re.findall(r'\b(?:href|src)="([^"]*)"', page.read_text()):
                if re.match(r"[a-z]+:", link):
                    continue
                path, _, fragment = html.unescape(link).partition("#")
                target = (page.parent / unquote(path)).resolve() if path else page.resolve()
                if not target.is_file() or (fragment and fragment not in ids.get(target, ())):
                    found.append(f"{page.relative_to(self.folder)}: {link}")
        return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    site = Site(pathlib.Path(sys.argv[1]).resolve())
    site.build()
    broken = site.broken()
    for link in broken:
        print(f"leads nowhere: {link}")
    print(f"{len(site.done)} pages, sources and pictures; open {site.folder / 'index.html'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

#include "study/report_assets.h"

namespace signet::study {

std::string_view report_style() {
  return R"css(
:root {
  --page: #ffffff; --panel: #f5f6f8; --ink: #1c2024; --muted: #596068; --line: #d5d9de; --link: #005a9c;
  --training: #d55e00; --validation: #0072b2; --notice: #fff4d6; --focus: #0050c8;
  --r1: #dbe6ee; --r2: #b2cadb; --r3: #8cb0c9; --r4: #6696b8; --r5: #266a9a; --r6: #005088;
  --w1: #f4e5db; --w2: #e7c6b2; --w3: #dbaa8c; --w4: #d1916b; --w5: #b44b0d; --w6: #b04200;
  --low: #1c2024; --middle: #1c2024; --high: #ffffff;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #15191e; --panel: #1e242b; --ink: #e8ebee; --muted: #a9b2bc; --line: #3a424c; --link: #7cc0f5;
    --training: #ff9d57; --validation: #64b9f0; --notice: #43371a; --focus: #9cc8ff;
    --r1: #233644; --r2: #2e4c61; --r3: #39637f; --r4: #5499c6; --r5: #5ca9db; --r6: #64b9f0;
    --w1: #3f3129; --w2: #604431; --w3: #7e5639; --w4: #d0854e; --w5: #e79254; --w6: #ffa05a;
    --low: #ffffff; --middle: #15191e; --high: #15191e;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0 auto; max-width: 84rem; padding: 0 1rem 2rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; overflow-wrap: break-word;
}
h1 { font-size: 1.6rem; margin: 1.2rem 0 0.3rem; }
h2 { font-size: 1.3rem; margin: 2.2rem 0 0.6rem; padding-top: 0.6rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.15rem; margin: 1.4rem 0 0.4rem; }
h4 { font-size: 1rem; margin: 1.6rem 0 0.4rem; }
a { color: var(--link); }
p, li, figcaption { max-width: 48rem; }
code { background: var(--panel); padding: 0.1em 0.3em; border-radius: 3px; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
header strong, .options thead th { white-space: nowrap; }
h3:focus { outline: none; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 0.5rem; background: var(--page); padding: 0.4rem; z-index: 2; }
.note, .count, .file, .readout { color: var(--muted); }
.note { font-size: 0.9rem; }
.notice { background: var(--notice); padding: 0.6rem 0.8rem; border-radius: 4px; }
.script { display: none; }
.js .script { display: block; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); color: var(--muted); font-size: 0.9rem; }
.sprites { position: absolute; }

nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0.4rem 1.2rem; }
.chooser { background: var(--panel); padding: 0.6rem 0.8rem; border-radius: 4px; display: grid; gap: 0.5rem; }
.chooser div { display: flex; flex-wrap: wrap; gap: 0.4rem 1rem; align-items: baseline; }
.chooser span { color: var(--muted); min-width: 6rem; }
.chooser ul { gap: 0.4rem; }
.chooser a { display: block; padding: 0.25rem 0.6rem; border: 1px solid var(--line); border-radius: 4px;
  text-decoration: none; background: var(--page); }
.chooser a:hover { border-color: var(--link); }
.chooser a[aria-current="true"] { background: var(--link); border-color: var(--link); color: var(--page); }

.scroll { overflow-x: auto; margin: 0.6rem 0 1rem; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
caption { text-align: left; color: var(--muted); padding-bottom: 0.3rem; max-width: calc(100vw - 2rem); }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid var(--line); text-align: right; }
th { font-weight: 600; }
th[scope="row"], th[scope="rowgroup"], thead th:first-child, .options td, .answers td, .answers th {
  text-align: left; }
th[scope="colgroup"] { text-align: center; }
th[scope="rowgroup"] { padding-top: 0.8rem; color: var(--muted); }
.comparison td, .comparison tbody th[scope="row"] { white-space: nowrap; }
.averages tr:first-child > * { border-top: 2px solid var(--line); }
.options td, .options th { vertical-align: top; overflow-wrap: anywhere; }
.options { min-width: 18rem; }
td button { font: inherit; color: var(--ink); background: var(--panel); border: 1px solid var(--line); border-radius: 4px;
  min-width: 2.2rem; cursor: pointer; }

.confusion { font-size: 0.8rem; border-collapse: separate; border-spacing: 0; }
.confusion th, .confusion td { padding: 0; text-align: center; min-width: 1.55rem; height: 1.55rem;
  border: solid var(--line); border-width: 0 1px 1px 0; }
.confusion caption { font-size: 0.9rem; }
.confusion thead th { vertical-align: bottom; font-weight: 600; background: var(--page); padding: 0.15rem 0; }
.confusion tbody th, .confusion thead th:first-child { position: sticky; left: 0; background: var(--page); z-index: 1;
  padding: 0 0.4rem; text-align: right; max-width: 12rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.confusion.wide thead th span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 9rem; overflow: hidden;
  padding: 0.2rem 0; white-space: nowrap; }
.confusion button { display: block; width: 100%; height: 1.55rem; min-width: 0; padding: 0 0.15rem; border: 0; border-radius: 0;
  background: none; color: inherit; }
.confusion button:focus-visible { outline-offset: -2px; outline-color: currentColor; }
.confusion button:hover { box-shadow: inset 0 0 0 2px currentColor; }
.r1, .r2, .r3, .w1, .w2, .w3 { color: var(--low); }
.r4, .w4 { color: var(--middle); }
.r5, .r6, .w5, .w6 { color: var(--high); }
.r1 { background: var(--r1); } .r2 { background: var(--r2); } .r3 { background: var(--r3); }
.r4 { background: var(--r4); } .r5 { background: var(--r5); } .r6 { background: var(--r6); }
.w1 { background: var(--w1); } .w2 { background: var(--w2); } .w3 { background: var(--w3); }
.w4 { background: var(--w4); } .w5 { background: var(--w5); } .w6 { background: var(--w6); }

.legend { list-style: none; padding: 0; margin: 0.4rem 0; display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem;
  font-size: 0.9rem; color: var(--muted); }
.key { width: 30px; height: 10px; margin-right: 0.4rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 0.6rem 1.4rem; }
.chart { margin: 0; }
.chart figcaption { font-weight: 600; font-size: 0.95rem; }
.chart svg { display: block; width: 100%; height: auto; touch-action: pan-y; }
.chart text { font-size: 12px; fill: var(--muted); }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: var(--line); stroke-width: 1; fill: none; }
.fold, .mean { fill: none; stroke-linejoin: round; }
.fold { stroke-width: 1; opacity: 0.4; }
.mean { stroke-width: 2.5; }
.training { stroke: var(--training); } .mean.training { stroke-dasharray: 6 3; }
.validation { stroke: var(--validation); }
.kept { fill: none; stroke: var(--ink); stroke-width: 1.3; }
.cursor { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 2 2; visibility: hidden; }
.readout { margin: 0; min-height: 1.4em; font-size: 0.85rem; font-variant-numeric: tabular-nums; }

.thumb { width: 6rem; height: 6rem; background: #000; border-radius: 3px; display: block; flex: none; }
.thumb.none { background: var(--panel); color: var(--muted); font-size: 0.8rem; display: grid; place-items: center;
  border: 1px dashed var(--line); }
.pair { display: flex; gap: 0.5rem; }
.pair figure { margin: 0; width: 9.5rem; font-size: 0.88rem; line-height: 1.35; }
.file { display: block; font-size: 0.78rem; overflow-wrap: anywhere; }
.errors, .gallery, #viewer-list { list-style: none; padding: 0; margin: 0.6rem 0; display: grid; gap: 1rem; }
.errors { grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
.errors figcaption { margin-top: 0.25rem; }
.gallery { grid-template-columns: repeat(auto-fill, minmax(6.4rem, 1fr)); gap: 0.7rem; }
.gallery .thumb { width: 3.1rem; height: 3.1rem; }
.gallery .pair { gap: 0.2rem; }
details { margin: 0.6rem 0; }
summary { cursor: pointer; color: var(--link); width: fit-content; }
.files { columns: 18rem; padding-left: 1.2rem; font-size: 0.92rem; }

dialog { background: var(--page); color: var(--ink); border: 1px solid var(--line); border-radius: 6px; padding: 1rem;
  width: min(60rem, 94vw); max-height: 88vh; overflow: auto; }
dialog::backdrop { background: rgba(0, 0, 0, 0.5); }
dialog form { display: flex; gap: 1rem; justify-content: space-between; align-items: start; }
dialog h2 { margin: 0; padding: 0; border: 0; font-size: 1.1rem; }
dialog button { font: inherit; padding: 0.2rem 0.8rem; color: var(--ink); background: var(--panel);
  border: 1px solid var(--line); border-radius: 4px; cursor: pointer; }
#viewer-note { color: var(--muted); margin: 0.3rem 0; }
#viewer-list { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); }
#viewer-list li { font-size: 0.88rem; line-height: 1.35; }
#viewer-list .thumb { width: 7.5rem; height: 7.5rem; }

@media (max-width: 40rem) {
  body { padding: 0 0.7rem 2rem; }
  th, td { padding: 0.25rem 0.45rem; }
  .comparison tbody th[scope="row"] { position: sticky; left: 0; background: var(--page); }
}
@media print {
  body { max-width: none; font-size: 10pt; }
  nav, .skip, dialog, .script, .readout, .cursor { display: none !important; }
  .model[hidden] { display: block !important; }
  .scroll { overflow: visible; }
  h2, h3, h4 { break-after: avoid; }
  figure, li, tr, .confusion { break-inside: avoid; }
  .confusion { font-size: 6pt; }
  .confusion th, .confusion td { min-width: 0; width: 4.4mm; height: 4.4mm; }
  .confusion button { height: 4.2mm; font-size: 6pt; }
  .confusion tbody th { position: static; }
  .comparison, .epochs { font-size: 7.5pt; }
  .comparison th, .comparison td { padding: 1mm; }
  .charts { grid-template-columns: repeat(3, 1fr); }
  .errors { grid-template-columns: repeat(2, 1fr); }
  td, .thumb { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
)css";
}

std::string_view report_script() {
  return R"js(
'use strict';
(function () {
  const all = (within, selector) => Array.from(within.querySelectorAll(selector));
  document.documentElement.classList.add('js');

  // One model at a time; the address says which, so that links and the back button work.
  const models = all(document, '.model');
  const links = all(document, '.chooser a');
  function show(id) {
    for (const model of models) model.hidden = model.id !== id;
    for (const link of links) {
      if (link.hash === '#' + id) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    }
  }
  function follow() {
    const target = models.find((model) => '#' + model.id === location.hash);
    if (!target) return;
    show(target.id);
    target.querySelector('h3').focus({preventScroll: true});
    target.scrollIntoView();
  }
  if (models.length > 0) show(models[0].id);
  window.addEventListener('hashchange', follow);
  follow();

  // The images of a cell, taken from the model's table of answers.
  const viewer = document.getElementById('viewer');
  const element = (name, text) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    return made;
  };
  function picture(number, description) {
    if (number === '-1') {
      const none = element('span', 'no picture');
      none.className = 'thumb none';
      return none;
    }
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
    svg.setAttribute('class', 'thumb');
    svg.setAttribute('viewBox', '0 0 96 96');
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', description);
    use.setAttribute('href', '#i' + number);
    svg.append(use);
    return svg;
  }
  function open(button) {
    const model = button.closest('.model');
    const rows = all(model, '.answers tr[data-c="' + button.dataset.c + '"]');
    document.getElementById('viewer-title').textContent = button.getAttribute('aria-label');
    const count = Number(button.textContent);
    document.getElementById('viewer-note').textContent =
      rows.length === count ? '' : rows.length + ' of the ' + count + ' are in this page; predictions.csv lists all.';
    const list = document.getElementById('viewer-list');
    list.replaceChildren();
    for (const row of rows) {
      const cells = all(row, 'td');
      const item = element('li');
      const file = element('span');
      file.className = 'file';
      file.append(...Array.from(cells[4].cloneNode(true).childNodes));
      item.append(
        picture(row.dataset.i, 'Image of ' + cells[0].textContent + ', taken for ' + cells[1].textContent),
        cells[2].textContent + ' sure, fold ' + cells[3].textContent, file);
      list.append(item);
    }
    viewer.showModal();
    viewer.scrollTop = 0;
  }
  document.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-c]');
    if (button) open(button);
    else if (event.target === viewer) viewer.close();
  });

  // A matrix is one stop of the tab key; arrows go from number to number.
  for (const matrix of all(document, '.confusion')) {
    const grid = all(matrix, 'tbody tr').map((row) => all(row, 'td').map((cell) => cell.firstElementChild));
    const buttons = grid.flat().filter((button) => button);
    buttons.forEach((button, i) => { button.tabIndex = i === 0 ? 0 : -1; });
    const move = (to) => {
      for (const button of buttons) button.tabIndex = -1;
      to.tabIndex = 0;
      to.focus();
    };
    matrix.addEventListener('keydown', (event) => {
      const step = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
      if (!step) return;
      event.preventDefault();
      let row = event.target.closest('tr').sectionRowIndex;
      let column = event.target.closest('td').cellIndex - 1;
      do {
        row += step[0];
        column += step[1];
      } while (grid[row] && column in grid[row] && !grid[row][column]);
      if (grid[row] && grid[row][column]) move(grid[row][column]);
    });
    matrix.addEventListener('focusin', (event) => {
      for (const button of buttons) button.tabIndex = button === event.target ? 0 : -1;
    });
  }

  // Values of an epoch, under the mouse or by arrow keys, in all charts of a model at once.
  for (const model of models) {
    const rows = all(model, '.epochs tbody tr');
    const charts = all(model, '.chart');
    if (rows.length === 0) continue;
    const epochs = rows.map((row) => all(row, 'th, td').map((cell) => cell.textContent));
    const places = rows.map((row) => Number(row.dataset.x));
    let at = rows.length - 1;
    function mark(index, visible) {
      at = Math.max(0, Math.min(rows.length - 1, index));
      for (const chart of charts) {
        const column = Number(chart.dataset.column);
        const cells = epochs[at];
        const text = 'epoch ' + cells[0] + ': training ' + cells[column] + ', validation ' + cells[column + 1];
        const svg = chart.querySelector('svg');
        const cursor = chart.querySelector('.cursor');
        cursor.setAttribute('transform', 'translate(' + places[at] + ' 0)');
        cursor.style.visibility = visible ? 'visible' : 'hidden';
        chart.querySelector('.readout').textContent = text;
        svg.setAttribute('aria-valuenow', cells[0]);
        svg.setAttribute('aria-valuetext', text);
      }
    }
    for (const chart of charts) {
      const svg = chart.querySelector('svg');
      svg.setAttribute('role', 'slider');
      svg.setAttribute('tabindex', '0');
      svg.setAttribute('aria-label', chart.querySelector('figcaption').textContent + ' by epoch');
      svg.setAttribute('aria-valuemin', epochs[0][0]);
      svg.setAttribute('aria-valuemax', epochs[epochs.length - 1][0]);
      const point = (event) => {
        const box = svg.getBoundingClientRect();
        const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
        let nearest = 0;
        places.forEach((place, i) => {
          if (Math.abs(place - x) < Math.abs(places[nearest] - x)) nearest = i;
        });
        mark(nearest, true);
      };
      svg.addEventListener('pointermove', point);
      svg.addEventListener('pointerdown', point);
      svg.addEventListener('pointerleave', () => mark(rows.length - 1, false));
      svg.addEventListener('blur', () => mark(rows.length - 1, false));
      svg.addEventListener('keydown', (event) => {
        const to = {ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0,
                    End: rows.length - 1}[event.key];
        if (to === undefined) return;
        event.preventDefault();
        mark(to, true);
      });
    }
    mark(at, false);
  }
})();
)js";
}

}  // namespace signet::study

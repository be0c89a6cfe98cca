#include "study/inspect_assets.h"

#include "study/report_assets.h"

namespace signet::study {

std::string inspect_style() {
  return std::string(report_style()) + R"css(
:root { --point-light: 36%; }
@media screen and (prefers-color-scheme: dark) { :root { --point-light: 70%; } }
main > section > p { max-width: 48rem; }
.pixels { image-rendering: pixelated; background: #606060; height: auto; display: block; }
.photo { display: block; background: #000; border-radius: 3px; height: auto; }
figure { margin: 0.6rem 0; }
figcaption { font-size: 0.9rem; color: var(--muted); }
.filters .pixels { width: min(100%, 40rem); }
.looks { display: flex; flex-wrap: wrap; gap: 1rem; }
.looks figure { width: 14rem; margin: 0; }
.looks .photo { width: 14rem; }
.strips { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 0.6rem 1.2rem; }
.strips figure { margin: 0; max-width: 44rem; }
.strips .pixels { width: 100%; }
.probes svg { max-width: 40rem; }
.dot { stroke: none; } .dot.training { fill: var(--training); } .dot.validation { fill: var(--validation); }
.drift td, .drift thead th + th, .drift tr + tr th[scope="col"], .alignment td, .alignment thead th + th {
  text-align: center; padding: 0.2rem 0.45rem; }
.scroll:has(> .layers) { max-height: 30rem; overflow-y: auto; }
.layers thead th { position: sticky; top: 0; background: var(--page); z-index: 1; }
.layers tr > :nth-child(2), .layers tr > :nth-child(5), .layers tr > :nth-child(6) { text-align: left; }
.drift tbody th, .layers tbody th, .alignment tbody th { position: sticky; left: 0; background: var(--page); }
.zero { color: var(--muted); }
[hidden] { display: none !important; }
td.same { font-weight: 700; outline: 2px solid var(--ink); outline-offset: -2px; }
.layers td { white-space: nowrap; }
.layers td.trained { font-weight: 600; }
.layers td.frozen { color: var(--muted); }
tfoot th, tfoot td { font-weight: 600; border-top: 2px solid var(--line); }
.what-if tbody th { font-weight: 400; }
.controls { margin: 0.6rem 0; }
.js .controls { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; }
fieldset { border: 1px solid var(--line); border-radius: 4px; padding: 0.2rem 0.7rem 0.4rem; margin: 0; }
legend { color: var(--muted); font-size: 0.85rem; padding: 0 0.3rem; }
label { margin-right: 0.8rem; white-space: nowrap; }
.plane svg { display: block; width: 100%; max-width: 44rem; height: auto; background: var(--panel); border-radius: 4px;
  touch-action: pan-y; }
.p { font-size: 11px; font-weight: 600; text-anchor: middle; dominant-baseline: central; cursor: default; }
@media (prefers-reduced-motion: no-preference) { .p { transition: transform 0.7s; } }
[data-colour="class"] .k0, [data-colour="signer"] .s0, .swatch.s0 { --hue: 210; }
[data-colour="class"] .k1, [data-colour="signer"] .s1, .swatch.s1 { --hue: 25; }
[data-colour="class"] .k2, [data-colour="signer"] .s2, .swatch.s2 { --hue: 140; }
[data-colour="class"] .k3, [data-colour="signer"] .s3, .swatch.s3 { --hue: 290; }
[data-colour="class"] .k4, [data-colour="signer"] .s4, .swatch.s4 { --hue: 345; }
[data-colour="class"] .k5, [data-colour="signer"] .s5, .swatch.s5 { --hue: 180; }
[data-colour="class"] .k6, [data-colour="signer"] .s6, .swatch.s6 { --hue: 60; }
[data-colour="class"] .k7, [data-colour="signer"] .s7, .swatch.s7 { --hue: 250; }
[data-colour="class"] .k8, [data-colour="signer"] .s8, .swatch.s8 { --hue: 100; }
[data-colour="class"] .k9, [data-colour="signer"] .s9, .swatch.s9 { --hue: 320; }
[data-colour="class"] .k10, [data-colour="signer"] .s10, .swatch.s10 { --hue: 0; }
[data-colour="class"] .k11, [data-colour="signer"] .s11, .swatch.s11 { --hue: 230; }
.p { fill: hsl(var(--hue) 75% var(--point-light)); }
.swatch { display: inline-block; width: 0.9em; height: 0.9em; border-radius: 50%; margin-right: 0.4em; vertical-align: -0.1em;
  background: hsl(var(--hue) 75% var(--point-light)); }
#here { fill: none; stroke: var(--ink); stroke-width: 2; visibility: hidden; }
@media print { .scroll:has(> .layers) { max-height: none; } .layers { font-size: 7.5pt; } .controls, #here { display: none !important; } .looks figure, .looks .photo { width: 5cm; } }
)css";
}

std::string inspect_script() {
  return std::string(report_script()) + R"js(
(function () {
  const plane = document.getElementById('plane');
  if (!plane) return;
  const points = Array.from(plane.querySelectorAll('.p'));
  const here = document.getElementById('here');
  const readout = document.getElementById('point');
  const form = document.querySelector('.controls');
  const legend = document.querySelector('.signers');
  const chosen = (name, otherwise) => form.elements[name] ? form.elements[name].value : otherwise;
  let places = [];
  let at = -1;

  function point(index) {
    at = index;
    here.style.visibility = index < 0 ? 'hidden' : 'visible';
    if (index < 0) {
      readout.textContent = '';
      return;
    }
    const data = points[index].dataset;
    here.setAttribute('cx', places[index][0]);
    here.setAttribute('cy', places[index][1]);
    readout.textContent = data.n + ': ' + data.l + (data.s ? ', signer ' + data.s : '');
  }
  function draw() {
    const view = chosen('network', 'after') + '-' + chosen('method', 'tsne');
    places = points.map((p) => p.getAttribute('data-' + view).split(',').map(Number));
    points.forEach((p, i) => p.setAttribute('transform', 'translate(' + places[i].join(' ') + ')'));
    const colour = chosen('colour', 'class');
    plane.dataset.colour = colour;
    if (legend) legend.hidden = colour !== 'signer';
    point(at);
  }
  form.addEventListener('change', draw);
  draw();

  // The nearest point to the mouse or the finger; with the arrow keys one after the other.
  function follow(event) {
    const box = plane.getBoundingClientRect();
    const scale = plane.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale;
    const y = (event.clientY - box.top) * scale;
    const distance = (place) => (place[0] - x) ** 2 + (place[1] - y) ** 2;
    let nearest = 0;
    places.forEach((place, i) => { if (distance(place) < distance(places[nearest])) nearest = i; });
    point(distance(places[nearest]) < 900 ? nearest : -1);
  }
  plane.addEventListener('pointermove', follow);
  plane.addEventListener('pointerdown', follow);
  plane.addEventListener('pointerleave', () => point(-1));
  plane.setAttribute('tabindex', '0');
  plane.addEventListener('blur', () => point(-1));
  plane.addEventListener('keydown', (event) => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!step) return;
    event.preventDefault();
    point((at + step + points.length) % points.length);
  });
})();
)js";
}

}  // namespace signet::study

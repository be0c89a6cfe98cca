#include "apps/serve_page.h"

namespace signet::apps {

const std::string_view kPageHtml = R"page(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Signet</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css">
<script src="page.js" defer></script>
</head>
<body>
<header>
  <h1>Signet</h1>
  <p id="model">Connecting…</p>
</header>
<main>
  <section aria-labelledby="picture-title">
    <h2 id="picture-title">Picture</h2>
    <div id="stage">
      <p id="hint">Drop pictures here, paste one, choose files, or use the camera.</p>
      <video id="video" muted playsinline hidden aria-label="What the camera sees"></video>
      <img id="shown" alt="" hidden>
      <img id="overlay" alt="" hidden>
      <p id="badge" aria-hidden="true" hidden></p>
    </div>
    <div class="buttons">
      <button id="choose" type="button">Choose pictures</button>
      <button id="camera" type="button" aria-pressed="false">Use camera</button>
      <label class="toggle"><input id="heat" type="checkbox"> Show what it looks at</label>
    </div>
    <input id="files" type="file" accept="image/jpeg,image/png" multiple hidden aria-label="Pictures">
    <p class="note">Pictures go to this program and nowhere else, and are not kept.</p>
  </section>
  <section aria-labelledby="answer-title">
    <h2 id="answer-title">Answer</h2>
    <ol id="answers"></ol>
    <ul id="warnings" aria-label="Warnings"></ul>
    <p id="status"></p>
    <p id="spoken" class="spoken" role="status" aria-live="polite"></p>
    <h2 id="history-title" hidden>Pictures</h2>
    <ul id="history"></ul>
  </section>
</main>
<footer>
  <p id="basis"></p>
  <p>For programs: <code>curl --data-binary @photo.jpg <span id="address"></span>predict</code>,
  <a href="openapi.json">openapi.json</a>, <a href="metrics">metrics</a>, <a href="healthz">healthz</a></p>
</footer>
</body>
</html>
)page";

const std::string_view kPageCss = R"page(:root {
  color-scheme: light dark;
  --ground: #f6f6f4; --card: #ffffff; --ink: #1c1d20; --soft: #55585f; --line: #c9cbd0;
  --accent: #0b5cad; --on-accent: #ffffff; --bar: #bcd6f0; --warn: #fff1cf; --warn-ink: #5c3d00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #141518; --card: #1e2024; --ink: #ececee; --soft: #a9adb6; --line: #3f434b;
    --accent: #7ab8f5; --on-accent: #0c1a28; --bar: #24486b; --warn: #3d2f0c; --warn-ink: #ffdf9a;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 68rem; padding: 0 1rem 2rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 1rem; }
h1 { margin: 1rem 0; font-size: 1.5rem; }
h2 { margin: 0 0 .5rem; font-size: 1rem; color: var(--soft); font-weight: 600; }
header p, footer, .note { color: var(--soft); }
footer, .note { font-size: .875rem; overflow-wrap: anywhere; }
a { color: var(--accent); }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem; min-width: 0; }
#stage { position: relative; aspect-ratio: 1; display: grid; place-items: center; overflow: hidden;
  border: 2px dashed var(--line); border-radius: .5rem; background: var(--ground); }
#stage.over { border-color: var(--accent); background: var(--bar); }
#hint { padding: 1rem; text-align: center; color: var(--soft); }
#stage video, #stage img { position: absolute; inset: 0; width: 100%; height: 100%; }
#stage video { object-fit: cover; }
#stage img { object-fit: contain; }
#stage.live img { object-fit: cover; }
#badge { position: absolute; left: .5rem; bottom: .5rem; margin: 0; padding: .125rem .75rem; border-radius: .375rem;
  background: #000c; color: #fff; font-size: 1.25rem; font-weight: 700; max-width: 90%; overflow-wrap: anywhere; }
.buttons { display: flex; flex-wrap: wrap; gap: .5rem; margin: .75rem 0 0; align-items: center; }
button { min-height: 2.75rem; padding: 0 1rem; border: 1px solid var(--accent); border-radius: .5rem; font: inherit;
  background: var(--accent); color: var(--on-accent); cursor: pointer; }
button[aria-pressed=true] { background: var(--card); color: var(--accent); }
.toggle { display: flex; align-items: center; gap: .5rem; min-height: 2.75rem; }
.toggle input { width: 1.25rem; height: 1.25rem; accent-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
#answers { list-style: none; margin: 0; padding: 0; display: grid; gap: .375rem; min-height: 13.5rem; align-content: start; }
#answers li { position: relative; display: flex; justify-content: space-between; gap: 1rem; padding: .375rem .75rem;
  border-radius: .375rem; overflow: hidden; background: var(--ground); }
#answers li:first-child { font-size: 1.5rem; font-weight: 700; }
#answers .bar { position: absolute; inset: 0 auto 0 0; width: 100%; background: var(--bar); transform-origin: left; }
#answers span { position: relative; overflow-wrap: anywhere; }
#answers .share { font-variant-numeric: tabular-nums; }
#warnings { list-style: none; margin: .75rem 0 0; padding: 0; display: grid; gap: .375rem; }
#warnings li { padding: .5rem .75rem; border-radius: .375rem; background: var(--warn); color: var(--warn-ink); }
#status { color: var(--soft); font-size: .875rem; min-height: 1.5em; }
#history { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem;
  grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); }
#history button { width: 100%; height: auto; padding: .25rem; background: var(--ground); color: var(--ink);
  border-color: var(--line); overflow-wrap: anywhere; }
#history img { display: block; width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: .25rem; }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
)page";

const std::string_view kPageScript = R"page('use strict';
const at = (id) => document.getElementById(id);
const side = 320;                // pixels of a frame that is sent
const pause = 120;               // milliseconds between two frames
const state = {model: null, stream: null, busy: false, current: null, said: '', saidAt: 0};

function show(element, visible) { element.hidden = !visible; }

function setStatus(text) { at('status').textContent = text; }

/// Tells a screen reader of a new answer, not of every frame.
function say(text) {
  const now = Date.now();
  if (text === state.said || now - state.saidAt < 1500) return;
  state.said = text;
  state.saidAt = now;
  at('spoken').textContent = text;
}

function showResult(result, seconds) {
  const answers = at('answers'), warnings = at('warnings');
  answers.replaceChildren();
  warnings.replaceChildren();
  show(at('overlay'), Boolean(result.gradcam));
  if (result.gradcam) at('overlay').src = result.gradcam;
  const sentences = result.error ? [result.error] : result.warnings;
  for (const sentence of sentences) {
    const item = document.createElement('li');
    item.textContent = sentence;
    warnings.append(item);
  }
  show(at('badge'), !result.error);
  if (result.error) { say(result.error); setStatus(''); return; }
  for (const {class: name, probability} of result.predictions) {
    const item = document.createElement('li'), bar = document.createElement('div');
    bar.className = 'bar';
    bar.style.transform = `scaleX(${probability})`;
    const label = document.createElement('span'), share = document.createElement('span');
    label.textContent = name;
    share.className = 'share';
    share.textContent = `${(100 * probability).toFixed(1)}%`;
    item.append(bar, label, share);
    answers.append(item);
  }
  const best = result.predictions[0];
  at('badge').textContent = `${best.class} ${Math.round(100 * best.probability)}%`;
  say(`${best.class}, ${Math.round(100 * best.probability)} percent` + (sentences.length ? '. ' + sentences.join('. ') : ''));
  setStatus(`answered in ${Math.round(1000 * seconds)} ms`);
}

async function ask(blob) {
  const start = performance.now();
  const heat = at('heat').checked ? '&gradcam=1' : '';
  const form = new FormData();
  form.append('file', blob, blob.name || 'camera.jpg');
  const response = await fetch('predict?top=5' + heat, {method: 'POST', body: form});
  const answer = await response.json();
  const result = answer.results ? answer.results[0] : {error: answer.error};
  return {result, seconds: (performance.now() - start) / 1000};
}

/// A chosen file, shown and asked about.
async function open(entry) {
  stopCamera();
  state.current = entry;
  show(at('hint'), false);
  at('shown').src = entry.url;
  at('shown').alt = entry.file.name;
  show(at('shown'), true);
  show(at('overlay'), false);
  show(at('badge'), false);
  setStatus('asking…');
  try {
    const {result, seconds} = await ask(entry.file);
    if (state.current !== entry) return;
    showResult(result, seconds);
    entry.caption.textContent = result.error ? 'no picture' : result.predictions[0].class;
  } catch (error) {
    setStatus('The server does not answer: ' + error.message);
  }
}

async function addFiles(files) {
  const list = [...files];
  for (const file of list) {
    const entry = {file, url: URL.createObjectURL(file), caption: document.createElement('span')};
    const item = document.createElement('li'), button = document.createElement('button'),
          thumbnail = document.createElement('img');
    button.type = 'button';
    thumbnail.src = entry.url;
    thumbnail.alt = file.name;
    button.append(thumbnail, entry.caption);
    button.addEventListener('click', () => open(entry));
    item.append(button);
    at('history').prepend(item);
    show(at('history-title'), true);
    await open(entry);
  }
}

function stopCamera() {
  if (!state.stream) return;
  for (const track of state.stream.getTracks()) track.stop();
  state.stream = null;
  at('video').srcObject = null;
  show(at('video'), false);
  show(at('overlay'), false);
  show(at('badge'), false);
  at('stage').classList.remove('live');
  at('camera').textContent = 'Use camera';
  at('camera').setAttribute('aria-pressed', 'false');
  show(at('hint'), !state.current);
}

async function startCamera() {
  if (!navigator.mediaDevices) {
    setStatus('The browser gives a page the camera only on this machine (127.0.0.1) or over https.');
    return;
  }
  try {
    state.stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'user'}});
  } catch (error) {
    setStatus('No camera: ' + error.message);
    return;
  }
  state.current = null;
  const video = at('video');
  video.srcObject = state.stream;
  await video.play();
  show(at('hint'), false);
  show(at('shown'), false);
  show(video, true);
  at('stage').classList.add('live');
  at('camera').textContent = 'Stop camera';
  at('camera').setAttribute('aria-pressed', 'true');
  watch();
}

/// The square in the middle of the camera's picture, as the page shows it.
function frame() {
  const video = at('video'), canvas = document.createElement('canvas');
  const length = Math.min(video.videoWidth, video.videoHeight);
  canvas.width = canvas.height = side;
  canvas.getContext('2d').drawImage(video, (video.videoWidth - length) / 2, (video.videoHeight - length) / 2,
                                    length, length, 0, 0, side, side);
  return new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.9));
}

async function watch() {
  while (state.stream) {
    const stream = state.stream;
    try {
      if (at('video').videoWidth > 0) {
        const {result, seconds} = await ask(await frame());
        if (state.stream === stream) showResult(result, seconds);
      }
    } catch (error) {
      setStatus('The server does not answer: ' + error.message);
      await new Promise((done) => setTimeout(done, 1000));
    }
    await new Promise((done) => setTimeout(done, pause));
  }
}

async function start() {
  at('address').textContent = location.origin + '/';
  try {
    state.model = await (await fetch('model')).json();
    at('model').textContent = `${state.model.model}, ${state.model.classes.length} classes`;
    at('basis').textContent = `Warnings rest on ${state.model.warnings}. They are a rough guard: a network names a class for anything.`;
    at('heat').disabled = !state.model.gradcam;
  } catch (error) {
    at('model').textContent = 'The server does not answer: ' + error.message;
  }
}

at('choose').addEventListener('click', () => at('files').click());
at('files').addEventListener('change', () => { addFiles(at('files').files); at('files').value = ''; });
at('camera').addEventListener('click', () => state.stream ? stopCamera() : startCamera());
at('heat').addEventListener('change', () => { if (state.current) open(state.current); });
for (const name of ['dragenter', 'dragover']) {
  document.addEventListener(name, (event) => { event.preventDefault(); at('stage').classList.add('over'); });
}
document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) at('stage').classList.remove('over'); });
document.addEventListener('drop', (event) => {
  event.preventDefault();
  at('stage').classList.remove('over');
  addFiles(event.dataTransfer.files);
});
document.addEventListener('paste', (event) => addFiles(event.clipboardData.files));
start();
)page";

const std::string_view kOpenApi = R"page({
  "openapi": "3.0.3",
  "info": {"title": "Signet", "description": "Image classification by one checkpoint.", "version": "1"},
  "paths": {
    "/predict": {
      "post": {
        "summary": "Classifies one picture (the body) or several (multipart/form-data)",
        "parameters": [
          {"name": "top", "in": "query", "description": "How many classes to name", "schema": {"type": "integer", "minimum": 1, "default": 5}},
          {"name": "gradcam", "in": "query", "description": "1 adds an overlay of what the answer rests on, as a data: address", "schema": {"type": "string", "enum": ["0", "1"]}}
        ],
        "requestBody": {
          "required": true,
          "content": {
            "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
            "image/png": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {"schema": {"type": "object", "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}}}}
          }
        },
        "responses": {
          "200": {"description": "One result a picture, in order", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}},
          "400": {"description": "The body is no picture, with a result that says why; or the request makes no sense, with an error", "content": {"application/json": {"schema": {"oneOf": [{"$ref": "#/components/schemas/Answer"}, {"$ref": "#/components/schemas/Error"}]}}}},
          "408": {"description": "The request took too long to arrive"},
          "411": {"description": "The Content-Length is missing"},
          "413": {"description": "The body is too large"},
          "415": {"description": "The body is compressed"},
          "429": {"description": "Too many requests from this address; see Retry-After"},
          "431": {"description": "The headers are too large"},
          "503": {"description": "Too much is waiting; see Retry-After"}
        }
      }
    },
    "/model": {"get": {"summary": "The architecture, its classes, the limits, and what warnings rest on", "responses": {"200": {"description": "JSON"}}}},
    "/healthz": {"get": {"summary": "Whether the server answers", "responses": {"200": {"description": "JSON"}}}},
    "/metrics": {"get": {"summary": "Counters for Prometheus", "responses": {"200": {"description": "Text"}}}}
  },
  "components": {
    "schemas": {
      "Answer": {
        "type": "object",
        "properties": {
          "model": {"type": "string"},
          "results": {"type": "array", "items": {"$ref": "#/components/schemas/Result"}}
        }
      },
      "Result": {
        "type": "object",
        "properties": {
          "path": {"type": "string", "description": "The file's name, or \"image\""},
          "error": {"type": "string", "description": "Why the picture could not be read; then there is nothing else"},
          "gradcam": {"type": "string", "description": "data:image/jpeg;base64,…"},
          "warnings": {"type": "array", "items": {"type": "string"}},
          "predictions": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": {"class": {"type": "string"}, "probability": {"type": "number", "minimum": 0, "maximum": 1}}
            }
          }
        }
      },
      "Error": {"type": "object", "properties": {"error": {"type": "string"}}}
    }
  }
}
)page";

}  // namespace signet::apps

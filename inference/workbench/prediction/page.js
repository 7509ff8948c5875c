'use strict';
const at = name => document.getElementById(name);
const MB = 1000000;

/* ---- the form ---- */
const form = at('upload');
if (form) {
  const drop = at('drop'), chosen = at('chosen'), problem = at('problem'), bar = at('progress');
  const button = form.querySelector('button');
  let files = [];
  for (const hidden of document.querySelectorAll('[data-script]')) hidden.hidden = false;

  const choose = found => {
    files = [...found];
    const mb = files.reduce((sum, file) => sum + file.size, 0) / MB;
    const limit = Number(form.dataset.limitMb);
    const told = files.length === 1 ? files[0].name : files.length + ' files';
    chosen.textContent = files.length ? told + ', ' + mb.toFixed(1) + ' MB' : '';
    problem.textContent = mb > limit ? 'More than ' + limit + ' MB: this server takes no more at once.' : '';
    button.disabled = mb > limit;
  };
  at('files').addEventListener('change', event => choose(event.target.files));
  at('folder').addEventListener('change', event => choose(event.target.files));

  const below = entry => new Promise((resolve, reject) => {
    if (entry.isFile) return entry.file(file => resolve([file]), reject);
    const reader = entry.createReader(), all = [];
    const more = () => reader.readEntries(some => {
      if (some.length) { all.push(...some); more(); }
      else Promise.all(all.map(below)).then(found => resolve(found.flat()), reject);
    }, reject);
    more();
  });
  drop.addEventListener('dragover', event => { event.preventDefault(); drop.classList.add('over'); });
  drop.addEventListener('dragleave', () => drop.classList.remove('over'));
  drop.addEventListener('drop', async event => {
    event.preventDefault();
    drop.classList.remove('over');
    const entries = [...event.dataTransfer.items].map(item => item.webkitGetAsEntry()).filter(Boolean);
    const dropped = [...event.dataTransfer.files];
    try { choose(entries.length ? (await Promise.all(entries.map(below))).flat() : dropped); }
    catch (error) { problem.textContent = 'What was dropped cannot be read.'; }
  });

  form.addEventListener('submit', event => {
    event.preventDefault();
    problem.textContent = '';
    if (!files.length) { problem.textContent = 'Choose files first.'; at('files').focus(); return; }
    const body = new FormData();
    for (const file of files) body.append('files', file, 'file');
    const request = new XMLHttpRequest();
    const failed = words => {
      problem.textContent = words; chosen.textContent = ''; bar.hidden = true; button.disabled = false;
    };
    request.open('POST', form.action);
    request.setRequestHeader('Accept', 'application/json');
    request.responseType = 'json';
    request.upload.addEventListener('progress', told => {
      if (told.lengthComputable) {
        bar.value = told.loaded / told.total;
        chosen.textContent = 'Sent ' + Math.floor(100 * bar.value) + ' %.';
      }
    });
    request.addEventListener('load', () => {
      if (request.status === 202) location.assign(request.response.location);
      else failed(request.response && request.response.reason || 'The server answered ' + request.status + '.');
    });
    request.addEventListener('error', () => failed('The connection to the server broke.'));
    button.disabled = true;
    bar.hidden = false;
    request.send(body);
  });
}

/* ---- the wait ---- */
const state = at('state');
if (state) {
  const bar = at('progress');
  const ask = async () => {
    try {
      const answer = await fetch(state.dataset.state, {headers: {Accept: 'application/json'}});
      const told = await answer.json();
      if (!answer.ok || told.state === 'done') { location.reload(); return; }
      if (state.textContent !== told.words) state.textContent = told.words;
      if (told.of) { bar.max = told.of; bar.value = told.done; } else bar.removeAttribute('value');
    } catch (error) { state.textContent = 'The server does not answer. It is asked again.'; }
    setTimeout(ask, 1000);
  };
  setTimeout(ask, 500);
}

'use strict';
// The page of a run. Everything shown comes from the JSON above and is set as text, never as markup.
(() => {
  const $ = id => document.getElementById(id);
  const data = JSON.parse($('data').textContent);
  const make = (tag, name, text) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  let run, step, timer = null, pinned = null, states = [];

  // One state a frame, made from the one before: what each position shows, its label, and its last change.
  function unfold(run) {
    const n = run.tokens, list = [];
    let group = new Int32Array(n).fill(-1), span = new Int32Array(n), label = new Int32Array(n), last = new Int32Array(n);
    run.frames.forEach((frame, k) => {
      group = group.slice(); span = span.slice(); label = label.slice(); last = last.slice();
      for (let i = 0; i < frame.groups.length; i += 3) {
        const [first, count, show] = frame.groups.slice(i, i + 3);
        group.fill(-1, first, first + count);
        group[first] = show;
        span[first] = count;
      }
      for (let i = 0; i < frame.ids.length; i += 2) {
        label[frame.ids[i]] = frame.ids[i + 1];
        if (k > 0) last[frame.ids[i]] = k;
      }
      list.push({ group, span, label, last });
    });
    return list;
  }

  const level = k => k > 0 ? run.levels[k - 1] : null;

  function drawPassage() {
    const state = states[step], frozen = new Set(run.frozen), nodes = [];
    for (let p = 0; p < run.tokens; p++) {
      if (state.group[p] < 0) continue;
      let last = 0;
      for (let q = p; q < p + state.span[p]; q++) last = Math.max(last, state.last[q]);
      for (const [text, placeholder, breaks] of data.shows[state.group[p]]) {
        const l = level(last);
        let name = frozen.has(p) ? 'frozen' : l === null ? 'l' : 'l' + l;
        if (!frozen.has(p) && step > 0 && last === step && step < run.frames.length - 1) name += ' now';
        if (placeholder) name += ' k';
        const node = make('span', name, text);
        node.dataset.p = p;
        nodes.push(node);
        if (breaks) nodes.push(make('br'));
      }
    }
    $('passage').replaceChildren(...nodes);
  }

  const gauges = [
    ['perplexity', f => f.ppl, v => v < 100 ? v.toFixed(1) : v < 1e5 ? v.toFixed(0) : v.toExponential(1)],
    ['entropy', f => f.ent, v => v.toFixed(2) + ' bits'],
    ['changed', (f, k) => k ? f.ids.length / 2 : null, v => v + '/' + run.tokens],
    ['settled', f => f.set, v => (100 * v).toFixed(0) + ' %'],
    ['repeats', f => f.rep, v => (100 * v).toFixed(1) + ' %'],
    ['step time', (f, k) => k ? f.ms : null, v => v.toFixed(v < 10 ? 1 : 0) + ' ms'],
  ];

  function svg(tag, attributes) {
    const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    return node;
  }

  function drawGauges() {
    $('gauges').replaceChildren(...gauges.map(([name, value, format]) => {
      const values = run.frames.map(value), now = values[step];
      const box = make('div', '', name);
      box.append(make('b', '', now === null || now === undefined ? 'n/a' : format(now)));
      const known = values.filter(v => v !== null && v !== undefined);
      if (known.length > 1) {
        // Perplexities fall by orders of magnitude: their curve is logarithmic.
        const scale = name === 'perplexity' ? v => Math.log(Math.max(v, 1)) : v => v;
        const low = Math.min(...known.map(scale)), high = Math.max(...known.map(scale));
        const x = k => 100 * k / Math.max(1, values.length - 1);
        const y = v => 28 - 26 * (high > low ? (scale(v) - low) / (high - low) : .5);
        let path = '', pen = 'M';
        values.forEach((v, k) => {
          if (v === null || v === undefined) { pen = 'M'; return; }
          path += pen + x(k).toFixed(2) + ' ' + y(v).toFixed(2);
          pen = 'L';
        });
        const chart = svg('svg', { viewBox: '0 0 100 30', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
        chart.append(svg('path', { d: path }), svg('line', { x1: x(step), x2: x(step), y1: 0, y2: 30 }));
        box.append(chart);
      }
      return box;
    }));
  }

  function drawBars() {
    const most = Math.max(1, ...run.frames.slice(1).map(f => f.ids.length));
    $('bars').replaceChildren(...run.frames.map((f, k) => {
      const bar = make('i', 'r' + (k ? level(k) : 0) + (k === step ? ' at' : ''));
      bar.style.height = k ? Math.max(4, 100 * f.ids.length / most) + '%' : '0';
      return bar;
    }));
  }

  function drawCard() {
    const card = $('card');
    card.hidden = pinned === null;
    if (pinned === null) return;
    const rows = [];
    run.frames.forEach((frame, k) => {
      for (let i = 0; i < frame.ids.length; i += 2)
        if (frame.ids[i] === pinned) rows.push([k, data.labels[frame.ids[i + 1]], frame.p ? frame.p[i / 2] : null]);
    });
    const set = states[step].last[pinned], changes = rows.filter(r => r[0] > 0 && r[0] <= step).length;
    const table = make('table');
    for (const [k, text, p] of rows) {
      const row = make('tr', k > step ? 'past' : '');
      row.append(make('td', '', k ? 'step ' + k : 'noise'), make('td', '', text), make('td', '', p ? (100 * p).toFixed(1) + ' %' : ''));
      table.append(row);
    }
    const title = 'token ' + pinned + '  “' + data.labels[states[step].label[pinned]] + '”';
    const line = run.frozen.includes(pinned) ? 'frozen' : set ? 'set at step ' + set + ' · ' + changes + (changes === 1 ? ' change' : ' changes') : 'not changed yet';
    card.replaceChildren(make('h2', '', title), make('div', '', line), table);
  }

  function show(k) {
    step = Math.max(0, Math.min(run.frames.length - 1, k));
    const frame = run.frames[step];
    $('scrub').value = step;
    $('step').textContent = 'step ' + step + '/' + run.steps + ' · t ' + frame.t.toFixed(3);
    drawPassage(); drawGauges(); drawCard();
    [...$('bars').children].forEach((bar, k) => bar.classList.toggle('at', k === step));
    try { history.replaceState(null, '', '#run=' + run.run + '&step=' + step); } catch (_) { /* not allowed in some frames */ }
  }

  function open(index) {
    pause();
    run = data.runs[index];
    states = unfold(run);
    pinned = null;
    $('about').textContent = run.about + ' · ' + run.steps + (run.steps === 1 ? ' step' : ' steps');
    const n = run.frames.length;
    $('scrub').max = n - 1;
    // The middle of the thumb, which is 16 pixels wide, stands below the middle of the step's bar.
    $('scrub').style.width = 'calc(' + 100 * (n - 1) / n + '% + 16px)';
    $('scrub').style.marginLeft = 'calc(' + 50 / n + '% - 8px)';
    [...$('runs').children].forEach((button, k) => button.setAttribute('aria-pressed', k === index));
    $('legend').replaceChildren('early ', ...run.swatches.map(([l, text]) => make('span', 'l' + l, text)), ' late');
    step = run.frames.length - 1;
    drawBars();
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    $('play').textContent = 'play';
  }

  function play() {
    if (timer !== null) return pause();
    if (step === run.frames.length - 1) show(0);
    $('play').textContent = 'pause';
    timer = setInterval(() => {
      if (step + 1 >= run.frames.length - 1) pause();
      show(step + 1);
    }, Math.min(400, 8000 / Math.max(1, run.steps)));
  }

  function theme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
  }

  function fromHash() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const index = data.runs.findIndex(r => String(r.run) === wanted.get('run'));
    open(index >= 0 ? index : data.open);
    const k = parseInt(wanted.get('step'), 10);
    show(!Number.isNaN(k) ? k : index < 0 && data.step !== null ? data.step : step);
  }

  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = run.frames.length - 1;
    const to = k => { pause(); show(k); };
    switch (event.key) {
      case ' ': play(); break;
      case 'ArrowLeft': to(step - 1); break;
      case 'ArrowRight': to(step + 1); break;
      case 'Home': to(0); break;
      case 'End': to(last); break;
      case 't': theme(); break;
      case 'Escape': pinned = null; drawCard(); break;
      default:
        if (!/^[0-9]$/.test(event.key)) return;
        // As on the screen: steps 1 to 9, or that many tenths of a larger budget.
        to(last <= 9 ? +event.key : Math.round(last * +event.key / 10));
    }
    event.preventDefault();
  });
  $('scrub').addEventListener('input', () => { pause(); show(+$('scrub').value); });
  $('play').addEventListener('click', play);
  $('theme').addEventListener('click', theme);
  const point = event => {
    const span = event.target.closest('span[data-p]');
    if (!span) return;
    pinned = +span.dataset.p;
    drawCard();
    const card = $('card'), box = span.getBoundingClientRect(), high = card.offsetHeight;
    card.style.left = Math.max(8, Math.min(box.left, innerWidth - card.offsetWidth - 8)) + 'px';
    card.style.top = (box.bottom + high + 8 < innerHeight ? box.bottom + 6 : Math.max(8, box.top - high - 6)) + 'px';
  };
  $('passage').addEventListener('mouseover', point);
  $('passage').addEventListener('click', point);
  $('passage').addEventListener('mouseleave', () => { pinned = null; drawCard(); });
  addEventListener('hashchange', () => {
    // Our own changes to the address do not come here; a link or an edited address does.
    fromHash();
  });
  if (data.runs.length > 1) {
    $('runs').hidden = false;
    data.runs.forEach((r, index) => {
      const button = make('button', '', 'run ' + r.run + ' · ' + r.steps + (r.steps === 1 ? ' step' : ' steps'));
      button.addEventListener('click', () => { open(index); show(step); });
      $('runs').append(button);
    });
  }
  fromHash();
})();

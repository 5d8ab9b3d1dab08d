/* The page of runs. Data (driver/report/data.c): runs [{dir, manifest, metrics, reports, plots, model}], in the format of docs/runs.md; live: it is
 * served while it trains, and `data` beside the page has what is new. */

let D, logarithmic = true;
const $ = id => document.getElementById(id);
const MORE = ['#12908e', '#b38600', '#d1477a', '#8a8f98'], HUE = k => k < 4 ? `var(--curve${k})` : MORE[k - 4] || `hsl(${(k * 137.5) % 360} 55% 50%)`;
const MANY = 4; // more runs than that are rows of tables, not columns
const nameOf = r => r.dir.replace(/\/$/, '').split('/').slice(-2).join('/');
const WIDE = 560, HIGH = 300, LEFT = 64, BOTTOM = 30, TOP = 12, RIGHT = 14;

/* ---- curves ---------------------------------------------------------------------------------------------------------- */

/* By name of a training and its number in the file: of each run the lines of it. */
function trainings() {
  const all = new Map();
  D.runs.forEach((r, k) => r.metrics.forEach(m => {
    const key = `${m.action} ${m.train}`;
    if (!all.has(key)) all.set(key, {name: m.train, runs: D.runs.map(() => [])});
    all.get(key).runs[k].push(m);
  }));
  return [...all.values()];
}

function ticks(a, b, log) {
  if (log) {
    const out = [], within = t => t >= a - 1e-9 && t <= b + 1e-9, fine = b - a < 1.7 ? [1, 2, 5] : [1];
    for (let e = Math.floor(a); e <= Math.ceil(b); e++) out.push(...fine.map(f => e + Math.log10(f)).filter(within));
    return out.length > 1 ? out.filter((_, k) => k % Math.ceil(out.length / 7) === 0) : [a, b];
  }
  const step = Math.pow(10, Math.floor(Math.log10((b - a) / 4 || 1))), by = [1, 2, 5, 10].map(f => f * step).find(s => (b - a) / s <= 6) || step, out = [];
  for (let t = Math.ceil(a / by) * by; t <= b + 1e-12; t += by) out.push(t);
  return out;
}

/* Of several runs that have a colour each: the runs, and what is dashed. null: another one is needed. */
function legendOf(curves) {
  const runs = new Map(curves.map(c => [c.run, c.colour])), kinds = new Map(curves.map(c => [c.what, c.dashed]));
  if (runs.size < 2 || curves.some(c => c.colour !== runs.get(c.run)) || new Set(runs.values()).size < runs.size) return null;
  return [...[...runs].map(([r, colour]) => h('span.entry', null, h('span', {style: `color:${colour}`}, '— '), r)),
    ...(kinds.size > 1 ? [...kinds].map(([what, dashed]) => h('span.entry', null, dashed ? '┄ ' : '— ', what)) : [])];
}

/* curves: [{label, what, run, points: [[x, y]], colour, dashed}] */
function chart(title, curves, log) {
  const good = curves.map(c => ({...c, points: c.points.filter(([, y]) => Number.isFinite(y) && (!log || y > 0)).map(([x, y]) => [x, log ? Math.log10(y) : y])})).filter(c => c.points.length);
  if (!good.length) return null;
  const xs = good.flatMap(c => c.points.map(p => p[0])), ys = good.flatMap(c => c.points.map(p => p[1]));
  const x0 = Math.min(...xs), x1 = Math.max(...xs, x0 + 1e-9), spread = Math.max(...ys) - Math.min(...ys) || 1, y0 = Math.min(...ys) - .04 * spread, y1 = Math.max(...ys) + .04 * spread;
  const X = x => LEFT + (x - x0) / (x1 - x0) * (WIDE - LEFT - RIGHT), Y = y => TOP + (y1 - y) / (y1 - y0) * (HIGH - TOP - BOTTOM);
  const out = svg('svg', {class: 'chart', viewBox: `0 0 ${WIDE} ${HIGH}`, role: 'img', 'aria-label': title});
  const label = (x, y, t, anchor) => { const e = svg('text', {x, y, 'text-anchor': anchor}); e.textContent = t; out.append(e); };
  for (const t of ticks(y0, y1, log)) {
    out.append(svg('path', {class: 'grid', d: `M${LEFT},${Y(t)}H${WIDE - RIGHT}`}));
    label(LEFT - 6, Y(t) + 4, log ? (Number.isInteger(t) && (t < -3 || t > 3) ? '10' + [...String(t)].map(c => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(c)]).join('') : number(10 ** t, 3)) : number(t), 'end');
  }
  for (const t of ticks(x0, x1, false)) label(X(t), HIGH - 10, large(t), 'middle');
  label(8, HIGH - 10, 'step', 'start');
  for (const c of good) out.append(svg('path', {class: 'curve' + (c.dashed ? ' test' : ''), stroke: c.colour, d: 'M' + c.points.map(([x, y]) => `${X(x).toFixed(1)},${Y(y).toFixed(1)}`).join('L')}));
  const at = svg('path', {class: 'at'}), tip = h('div.soft', null, ' ');
  out.append(at);
  out.addEventListener('mousemove', e => {
    const x = x0 + (e.offsetX * WIDE / (out.clientWidth || WIDE) - LEFT) / (WIDE - LEFT - RIGHT) * (x1 - x0), near = c => c.points.reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a);
    at.setAttribute('d', `M${X(near(good[0])[0])},${TOP}V${HIGH - BOTTOM}`);
    tip.textContent = `step ${near(good[0])[0]}   ` + good.map(c => `${c.label} ${number(log ? 10 ** near(c)[1] : near(c)[1])}`).join('   ');
  });
  const legend = legendOf(good) || good.map(c => h('span.entry', null, h('span', {style: `color:${c.colour}`}, c.dashed ? '┄ ' : '— '), c.label));
  return h('figure.chart', null, h('figcaption', null, h('b', null, title), legend.map(e => [e, ' '])), out, tip);
}

function charts() {
  const many = D.runs.length > 1, out = [];
  for (const t of trainings()) {
    const curve = (label, of, dashed, colour) => t.runs.map((lines, k) => ({what: label, run: nameOf(D.runs[k]), label: many ? `${label} ${nameOf(D.runs[k])}` : label, points: lines.map(m => [m.step, of(m)]), colour: colour || HUE(k), dashed}));
    out.push(chart(`${t.name}`, [...curve('loss', m => m.loss), ...curve('test', m => m.test, true), ...curve('averaged', m => m.average, true, 'var(--curve3)')], logarithmic));
    const parts = [...new Set(t.runs.flat().flatMap(m => Object.keys(m.losses || {})))];
    if (parts.length > 1) out.push(chart(`${t.name}: its losses`, parts.flatMap((p, k) => curve(p, m => (m.losses || {})[p], false, HUE(k))), logarithmic));
    for (const name of new Set(t.runs.flat().flatMap(m => Object.keys(m.monitor || {})))) out.push(chart(name, curve(name, m => (m.monitor || {})[name]), logarithmic));
    if (new Set(t.runs.flat().map(m => m.lr)).size > 1) out.push(chart(`${t.name}: learning rate`, curve('lr', m => m.lr), false));
  }
  return out.filter(Boolean);
}

/* ---- tables ------------------------------------------------------------------------------------------------------------ */

const statusOf = s => h('span.badge' + ({done: '.good', running: '.good', failed: '.bad', killed: '.bad'}[s] || '.warn'), null, s || '?');

/* Wider than the page it moves by itself. */
function table(heads, rows) {
  return h('div.scroll', null, h('table.wide', null, heads.some(Boolean) ? h('tr', null, heads.map(t => h('th', null, t))) : null, rows));
}

const cells = v => v.map(x => x instanceof Node ? x : x === undefined || x === null ? '' : String(x));

/* rows: [name, of each run what is told of it, whether it says nothing that it differs]. What differs is marked; a column for each run, or of many runs a row. */
function beside(rows, marks) {
  const told = rows.filter(([, v]) => v.some(x => x !== undefined && x !== null && x !== '')).map(([name, v, alone]) => {
    const texts = cells(v), differs = marks && D.runs.length > 1 && new Set(texts.map(x => x instanceof Node ? x.textContent : x)).size > 1;
    return {name, texts, differs, mark: differs && !alone ? '.differs' : ''};
  });
  if (D.runs.length <= MANY) return table(['', ...D.runs.map(nameOf)], told.map(t => h('tr' + t.mark, null, h('th', null, t.name), t.texts.map(x => h('td', null, x)))));
  const shown = marks ? told.filter(t => t.differs) : told, same = marks ? told.filter(t => !t.differs) : [];
  return h('div', null, table(['', ...shown.map(t => t.name)], D.runs.map((r, k) => h('tr', null, h('th', null, nameOf(r)), shown.map(t => h('td', null, t.texts[k]))))),
    same.length ? [h('p.soft', null, 'The same in all of them:'), table(['', ''], same.map(t => h('tr', null, h('th', null, t.name), h('td', null, t.texts[0]))))] : null);
}

const seconds = s => s === undefined ? undefined : s < 1 ? `${Math.round(1000 * s)} ms` : s < 120 ? `${number(s, 3)} s` : `${number(s / 60, 3)} min`;

function reportsTable() {
  const names = [...new Set(D.runs.flatMap(r => Object.keys(r.reports.reports || {})))];
  const cell = q => {
    if (!q) return '';
    const one = v => Array.isArray(v) ? v.flat(9).slice(0, 6).map(x => number(x)).join(', ') + (v.flat(9).length > 6 ? ', …' : '') : number(v === null ? 'not finite' : v);
    const more = Object.entries(q).filter(([k]) => !['mean', 'sd', 'min', 'max', 'n', 'shape', 'standard_error'].includes(k));
    if (q.n === 1 && !more.length) return h('span', null, one(q.mean)); // one number has no spread, `± 0` would read as an error bar
    return h('span', null, `${one(q.mean)} ± ${one(q.sd)}`, h('span.soft', null, `  ${one(q.min)} … ${one(q.max)}, n = ${q.n}`), more.map(([k, v]) => h('div.soft', null, `${k}: ${one(v)}`)));
  };
  return names.length ? beside(names.map(n => [n, D.runs.map(r => cell((r.reports.reports || {})[n]))])) : null;
}

function expectsTable() {
  const texts = [...new Set(D.runs.flatMap(r => (r.reports.expects || []).map(e => e.text)))];
  return texts.length ? beside(texts.map(t => [h('code', null, t), D.runs.map(r => { const e = (r.reports.expects || []).find(x => x.text === t); return e ? h(e.holds ? 'span.good' : 'b.bad', null, e.holds ? 'holds' : 'does not hold') : ''; })])) : null;
}

function proofsTable() {
  const all = [...new Set(D.runs.flatMap(r => (r.reports.proofs && r.reports.proofs.length ? r.reports.proofs : r.manifest.proofs || []).map(p => p.text)))];
  const of = r => r.reports.proofs && r.reports.proofs.length ? r.reports.proofs : r.manifest.proofs || [];
  return all.length ? beside(all.map(t => [h('code', null, t), D.runs.map(r => { const p = of(r).find(x => x.text === t); return p ? h('span' + {proved: '.good', refuted: '.bad', undecided: '.warn'}[p.answer], null, p.answer) : ''; })])) : null;
}

const date = t => (t || '').replace('T', ' ').replace('Z', ' UTC');

function environment() {
  const m = D.runs.map(r => r.manifest), of = f => m.map(f);
  return beside([['status', of(x => statusOf(x.status))], ['why', of(x => x.why)], ['model', of(x => x.model)], ['overrides', of(x => (x.overrides || []).join(', '))], ['seed', of(x => x.seed)],
    ['parameters', of(x => x.params)], ['precision', of(x => x.precision)], ['begun', of(x => date(x.created)), true], ['updated', of(x => x.status === 'running' ? date(x.updated) : ''), true],
    ['in all', of(x => seconds(x.seconds)), true], ['until the first step', of(x => seconds(x.seconds_to_first_step)), true], ['of it compiling', of(x => seconds(x.seconds_compiling)), true],
    ['of it making data', of(x => seconds(x.seconds_making_data)), true],
    ['adaptive steps', of(x => Object.entries(x.adaptive_steps || {}).map(([k, v]) => `${k}: ${v.taken} taken, ${v.rejected} rejected`).join('; ')), true],
    ['processor', of(x => x.cpu)], ['threads', of(x => x.threads)], ['hnnc', of(x => x.hnnc)], ['build', of(x => x.build)], ['model hash', of(x => x.model_hash)], ['data hash', of(x => x.data_hash)]], true);
}

/* The works that the model's comments name. */
function citing() {
  const works = [...new Set(D.runs.flatMap(r => (r.model || '').split('\n').filter(l => /^\s*#/.test(l) && /arXiv:|doi:|doi\.org/i.test(l)).map(l => l.replace(/^\s*#\s*/, '').trim())))];
  const said = m => `${(m.model || '').split('/').pop()}${(m.overrides || []).map(o => ' ' + o).join('')}, seed ${m.seed}, model ${m.model_hash}, data ${m.data_hash}.\nhnnc ${m.hnnc}, build ${m.build}, ${m.cpu}, ${m.precision}, ${(m.created || '').slice(0, 10)}.`;
  return [h('p', null, D.runs.length > 1 ? 'The runs, as they can be made again bit for bit on such machines:' : 'The run, as it can be made again bit for bit on such a machine:'),
    h('pre', null, D.runs.map(r => said(r.manifest)).join('\n\n')),
    works.length ? [h('p', null, 'The works that the model names:'), h('ul', null, works.map(w => h('li', null, w)))] : null];
}

/* ---- plots ------------------------------------------------------------------------------------------------------------- */

const asSvg = p => 'data:image/svg+xml,' + encodeURIComponent(p.picture), asGif = p => 'data:image/gif;base64,' + p.film;

/* A film plays from its beginning each time it is asked for. */
function picture(p, whose) {
  const img = p.picture ? h('img', {alt: p.caption || p.name, src: asSvg(p)}) : null;
  const play = img && p.film ? h('button.play', {title: 'play the film', 'aria-pressed': 'false', onclick: () => {
    const plays = play.getAttribute('aria-pressed') === 'true';
    img.src = plays ? asSvg(p) : asGif(p);
    play.textContent = plays ? '▶' : '■';
    play.setAttribute('aria-pressed', String(!plays));
  }}, '▶') : null;
  return h('figure', null, h('figcaption', null, h('b', null, p.name), ' ', whose, play), img || h('span.soft', null, p.why || p.nothing || 'no picture was made'),
    p.caption ? h('p.caption', null, p.caption) : null);
}

const part = (title, ...what) => {
  const all = what.flat(Infinity).filter(Boolean);
  return all.length ? [h('h2', null, title), ...all] : [];
};

/* Texts that are folded are not for paper. */
const onScreen = (title, what) => [h('div.screen', null, part(title, what))];

function draw() {
  const many = D.runs.length > 1;
  $('title').replaceChildren(...D.runs.slice(0, MANY).flatMap((r, k) => [k ? '  ·  ' : '', nameOf(r), ' ', statusOf(r.manifest.status)]), D.runs.length > MANY ? `  and ${D.runs.length - MANY} more` : '');
  const plots = D.runs.flatMap(r => r.plots.map(p => [r, p])).sort((a, b) => many ? a[1].name.localeCompare(b[1].name) : 0);
  const curves = charts();
  $('page').replaceChildren(
    ...part('Training', curves.length ? h('div.charts', null, curves) : null),
    ...part('Reports', reportsTable()),
    ...part('Expectations', expectsTable()),
    ...part('Proofs', proofsTable()),
    ...(plots.length ? part('Plots', h('div.plots', null, plots.map(([r, p]) => picture(p, many ? nameOf(r) : '')))) : []),
    ...part('Times and environment', environment()),
    ...part('How to cite', ...citing()),
    ...onScreen('Model', D.runs.map(r => h('details', null, h('summary', null, nameOf(r) + '/model.hnn'), h('pre', null, r.model || '')))));
}

/* What fails is told, and asked for again: a run may be moved while it begins anew. */
async function follow() {
  let said = JSON.stringify(D.runs);
  for (; ;) {
    await new Promise(done => setTimeout(done, 1500));
    try {
      const answer = await fetch('data');
      if (!answer.ok) { $('live').textContent = await answer.text(); continue; }
      const data = await answer.json(), now = JSON.stringify(data.runs);
      $('live').textContent = data.runs[0].manifest.status === 'running' ? '● training' : data.runs[0].manifest.status;
      if (now !== said) { said = now; D = data; draw(); }
    } catch (e) { $('live').textContent = 'not served any more'; return; }
  }
}

pageData().then(data => {
  D = data;
  themed($('theme'));
  $('log').addEventListener('click', () => { logarithmic = !logarithmic; $('log').textContent = logarithmic ? 'log' : 'linear'; draw(); });
  draw();
  document.documentElement.dataset.ready = Math.round(performance.now());
  if (D.live) follow();
});

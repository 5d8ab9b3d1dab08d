/* What is selected, what is under the pointer, and the address of both: #f=KIND:NAME&e=FILE:BEGIN:END (an expression) or &i=NUMBER (an instruction). */

const S = {piece: null, sample: 0, node: null, n: 0, hot: new Map(), spans: [], over: new Set(), overSpans: [], tint: 'links'};
const panes = [];

/* Marks what comes of the seeds, and what they come from: 'sel' what they are or became, 'drv' what is derived of them, 'pri' what they are
 * derived of. */
function spread(p, seeds) {
  const hot = new Map(), stack = [];
  const add = (n, c) => { if (p.of[n] && !hot.has(n)) { hot.set(n, c); stack.push(n); } };
  seeds.forEach(n => add(n, 'sel'));
  while (stack.length) {
    const n = stack.pop(), c = hot.get(n);
    for (const m of p.children[n] || []) { const i = inst(p, m); add(m, i.f.from[i.k] < 0 ? 'drv' : c); }
  }
  for (const s of seeds) {
    let c = 'sel';
    for (let n = s; ;) {
      const i = inst(p, n), up = i ? i.f.from[i.k] : 0, a = Math.abs(up);
      if (!a || !p.of[a]) break;
      if (up < 0) c = 'pri';
      if (!hot.has(a)) hot.set(a, c);
      n = a;
    }
  }
  return hot;
}

function bodies(p, n, out) {
  const i = inst(p, n), b = i && i.f.body[i.k];
  out.push(n);
  if (b && p.fn.has(b)) { const f = p.fn.get(b); for (let k = 0; k < f.text.length; k++) bodies(p, f.first + k, out); }
}

function seedsOfNode(p, node) {
  const seeds = [];
  for (const [a, b] of p.nodeMade.get(node.k) || []) for (let n = a; n < b; n++) bodies(p, n, seeds);
  if (seeds.length || !node.place) return seeds;
  for (const f of p.stages[0].fns) f.place.forEach((pl, k) => {
    const q = PLACE[pl];
    if (q && q.file === node.place.file && q.begin >= node.place.begin && q.end <= node.place.end) seeds.push(f.first + k);
  });
  return seeds;
}

/* step: it goes into the place of what was selected in the browser's history. */
function selectNode(node, step) {
  Object.assign(S, {node, n: 0, hot: spread(S.piece, seedsOfNode(S.piece, node)), spans: node.place ? [node.place] : []});
  refresh(true);
  remember(step);
}

function selectInst(n, step) {
  const i = inst(S.piece, n);
  if (!i) return;
  const spans = [placeOf(i), ownPlace(n)].filter(Boolean);
  Object.assign(S, {node: null, n, hot: spread(S.piece, [n]), spans});
  refresh(true);
  remember(step);
}

function clear() {
  Object.assign(S, {node: null, n: 0, hot: new Map(), spans: []});
  refresh(false);
  remember();
}

function showPlace(place) {
  if (!place) return;
  S.spans = [place];
  panes.forEach(q => q.view.goto && q.view.goto(place));
}

function refresh(scroll) {
  panes.forEach(pane => pane.view.update(scroll));
  details();
}

function choosePiece(k, quiet) {
  const node = S.node;
  S.piece = prepare(D.pieces[k]);
  $('piece').value = k;
  Object.assign(S, {node: null, n: 0, hot: new Map(), spans: [], over: new Set(), overSpans: []});
  panes.forEach(pane => pane.open(pane.kind));
  findings();
  paintLegend();
  if (quiet) return;
  const next = node && seedsOfNode(S.piece, node).length ? node : firstNode(S.piece);
  next ? selectNode(next) : (details(), remember());
}

/* ---- under the pointer ---------------------------------------------------------------------------------------------------- */

/* Rows of what is pointed at are framed in every pane; they are marked where they are, nothing is drawn anew. */
function hover(seeds, ...spans) {
  spans = spans.filter(Boolean);
  const key = seeds.join() + spans.map(s => [s.file, s.begin, s.end]).join(';');
  if (S.overKey === key) return;
  S.overKey = key;
  const p = S.piece;
  S.over = new Set();
  if (seeds.length === 1) {          // itself, through all passes
    const r = rootOf(p, seeds[0]);
    for (const [n, c] of spread(p, [r])) if (c === 'sel') S.over.add(n);
  } else seeds.forEach(n => { for (const [m, c] of spread(p, [n])) if (c === 'sel') S.over.add(m); });
  S.overSpans = spans;
  panes.forEach(q => q.view.hover && q.view.hover());
}

const ownPlace = n => { const own = owners(S.piece)[n]; return own >= 0 ? NODE[own].place : null; };
const hoverInst = n => { const i = inst(S.piece, n); if (i) hover([n], placeOf(i), ownPlace(n)); };
const hoverNothing = () => hover([]);

/* ---- the first thing that is shown ---------------------------------------------------------------------------------------- */

/* The smallest expression of the model's own that a derivative was written in; else the call that most comes of, or whatever made something. */
function firstNode(p) {
  const size = n => n.place.end - n.place.begin, own = NODE.filter(n => n.place && n.place.file === 1 && p.nodeMade.has(n.k));
  const derives = n => p.nodeMade.get(n.k).some(([a, b]) => { for (let m = a; m < b; m++) { const o = inst(p, m); if (o && (OPS.get(opOf(o.text)) || [0, 0, 0])[2] & TRAIT.deriv) return true; } return false; });
  const left = n => [...spread(p, seedsOfNode(p, n))].filter(([m, c]) => c !== 'pri' && p.of[m].stage === p.before).length;
  const by = own.filter(derives).sort((a, b) => size(a) - size(b)).find(n => left(n) > 4), made = n => seedsOfNode(p, n).length, calls = own.filter(n => n.kind === 'call' && size(n) < 120).map(n => [n, made(n)]).sort((a, b) => b[1] - a[1] || size(a[0]) - size(b[0]));
  return by || calls.length && calls[0][0] || own.sort((a, b) => size(b) - size(a))[0] || null;
}

/* ---- the address ----------------------------------------------------------------------------------------------------------- */

const pieceKey = p => `${p.kind}:${p.name}`;

function address() {
  const at = [`f=${encodeURIComponent(pieceKey(S.piece))}`];
  if (S.n) at.push(`i=${S.n}`);
  else if (S.node && S.node.place) at.push(`e=${S.node.place.file}:${S.node.place.begin}:${S.node.place.end}`);
  if (S.sample) at.push(`s=${S.sample}`);
  if (S.tint !== 'links') at.push(`c=${S.tint}`);
  const views = panes.map(q => q.kind + (q.kind === 'ir' && q.options.stage !== undefined ? '.' + q.options.stage : '')).join(',');
  if (views !== S.usual) at.push(`v=${views}`);
  return '#' + at.join('&');
}

function remember(step) {
  if (S.silent) return;
  const to = address();
  if (to === location.hash) return;
  S.here = to;
  step ? location.replace(to) : location.hash = to;
}

/* Shows what an address says; false: it says nothing. */
function recall(text) {
  const at = new Map(text.replace(/^#/, '').split('&').filter(Boolean).map(q => { const [k, ...v] = q.split('='); return [k, decodeURIComponent(v.join('='))]; }));
  const k = D.pieces.findIndex(q => pieceKey(q) === at.get('f'));
  if (k < 0) return false;
  S.silent = true;
  S.sample = Math.min(+at.get('s') || 0, D.samples - 1);
  $('sample').value = S.sample;
  setTint(at.get('c') || 'links');
  const views = (at.get('v') || S.usual).split(',').map(v => v.split('.')).filter(([v]) => VIEWS[v]);
  if (views.length && views.map(v => v.join('.')).join() !== panes.map(q => q.kind + (q.kind === 'ir' && q.options.stage !== undefined ? '.' + q.options.stage : '')).join()) {
    while (panes.length > views.length) panes[panes.length - 1].close();
    if (D.pieces[k] !== S.piece) choosePiece(k, true);
    views.forEach(([v, stage], q) => {
      if (!panes[q]) new Pane(v);
      panes[q].options = stage === undefined ? {} : {stage: +stage};
      panes[q].open(v);
    });
  } else if (D.pieces[k] !== S.piece) choosePiece(k, true);
  const [file, begin, end] = (at.get('e') || '').split(':').map(Number), n = +at.get('i');
  const node = file && NODE.filter(q => q.place && q.place.file === file && q.place.begin === begin && q.place.end === end)
    .sort((a, b) => S.piece.nodeMade.has(b.k) - S.piece.nodeMade.has(a.k) || a.k - b.k)[0];
  if (n && S.piece.of[n]) selectInst(n);
  else if (node) selectNode(node);
  else clear();
  S.silent = false;
  return true;
}

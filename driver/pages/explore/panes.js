/* Panes, keys, and how the page begins. */

const VIEWS = {source: ['Source', SourceView], tree: ['Syntax tree', TreeView], ir: ['IR', IRView], difference: ['Difference of passes', DifferenceView], graph: ['Graph', GraphView],
  kernels: ['Loop nests', KernelView], assembly: ['Assembly', AssemblyView], memory: ['Memory', MemoryView], sparsity: ['Sparsity', SparsityView], proofs: ['Proofs', ProofView]};

class Pane {
  constructor(kind, options) {
    this.options = options || {};
    this.bar = h('div.bar');
    this.body = h('div.body');
    const grip = h('div.grip', {onpointerdown: e => this.drag(e), onkeydown: e => this.key(e), tabindex: 0, role: 'separator', 'aria-orientation': 'vertical', 'aria-label': 'width of the pane', title: 'width: drag, or arrow keys'});
    this.box = h('section.pane', null, this.bar, this.body, grip);
    $('panes').append(this.box);
    panes.push(this);
    this.open(kind);
  }
  open(kind) {
    this.kind = kind;
    const body = h('div.body');
    this.body.replaceWith(body);
    this.body = body;
    this.box.setAttribute('aria-label', VIEWS[kind][0]);
    this.bar.replaceChildren(h('select', {class: 'view', 'aria-label': 'what the pane shows', onchange: e => { this.options = {}; this.open(e.target.value); remember(); }}, Object.entries(VIEWS).map(([k, [name]]) => h('option', {value: k, selected: k === kind}, name))));
    this.view = new VIEWS[kind][1](this);
    this.bar.append(h('span.grow'), h('button.close', {title: 'close this pane', 'aria-label': 'close this pane', onclick: () => { this.close(); remember(); }}, '×'));
    this.box.dataset.kind = kind;
    this.view.update(true);
  }
  close() {
    if (panes.length < 2) return;
    panes.splice(panes.indexOf(this), 1);
    this.box.remove();
  }
  wide(w) { this.box.style.flex = `0 0 ${Math.max(160, w)}px`; }
  drag(e) {
    const x = e.clientX, w = this.box.offsetWidth, move = m => this.wide(w + m.clientX - x);
    addEventListener('pointermove', move);
    addEventListener('pointerup', () => removeEventListener('pointermove', move), {once: true});
    e.preventDefault();
  }
  key(e) {
    const by = {ArrowLeft: -24, ArrowRight: 24}[e.key];
    if (by) { e.preventDefault(); this.wide(this.box.offsetWidth + by); }
  }
}

/* Shows a view: in the pane that has it, or in the last one. */
function showView(kind) {
  const pane = panes.find(q => q.kind === kind) || panes[panes.length - 1];
  if (pane.kind !== kind) { pane.options = {}; pane.open(kind); }
  pane.box.scrollIntoView({inline: 'nearest', block: 'nearest'});
  remember();
}

/* ---- finding ------------------------------------------------------------------------------------------------------------------------ */

let lastPane = null;

function find(by) {
  const text = $('find').value, pane = lastPane && panes.includes(lastPane) && lastPane.view.find ? lastPane : irPane() || panes.find(q => q.view.find), [at, all] = pane ? pane.view.find(text, by) : [0, 0];
  $('hits').textContent = !text ? '' : all ? `${at} of ${all} in ${VIEWS[pane.kind][0]}` : `not in ${pane ? VIEWS[pane.kind][0] : 'any pane'}`;
}

/* ---- keys ----------------------------------------------------------------------------------------------------------------------------- */

const KEYS = [['j, k  or  ↓, ↑', 'next, previous instruction'], ['[, ]', 'the pass before, after, in the first pane of IR'], ['p', 'to the primal, or to what it comes from'], ['u', 'the expression around'],
  ['/', 'find, in the pane that was clicked last; Enter the next, Shift+Enter the one before'], ['n, N', 'next, previous function'], ['c', 'colour by something else'], ['g', 'graph'], ['t', 'light or dark'], ['Alt+←', 'what was selected before'], ['Esc', 'nothing is selected']];

function irPane() { return panes.find(q => q.kind === 'ir'); }

function key(e) {
  if (/INPUT|SELECT|TEXTAREA/.test(e.target.tagName) && e.target.type !== 'checkbox') { if (e.key === 'Escape') e.target.blur(); return; }
  if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]')) return;
  const ir = irPane(), up = S.n && inst(S.piece, S.n).f.from[inst(S.piece, S.n).k], kinds = Object.keys(TINTS), piece = by => choosePiece((D.pieces.indexOf(S.piece) + by + D.pieces.length) % D.pieces.length);
  const stage = by => { const q = ir || panes.find(x => x.kind === 'graph'); if (q) stageBy(q, by); };
  const act = {j: () => ir && ir.view.step(1), k: () => ir && ir.view.step(-1), '[': () => stage(-1), ']': () => stage(1), p: () => up && selectInst(Math.abs(up)),
    u: () => { for (let n = S.node; n && n.parent >= 0;) { n = NODE[n.parent]; if (n.place) return selectNode(n); } }, '/': () => { e.preventDefault(); $('find').focus(); $('find').select(); }, t: () => $('theme').click(), Escape: clear,
    n: () => piece(1), N: () => piece(-1), c: () => { setTint(kinds[(kinds.indexOf(S.tint) + 1) % kinds.length]); remember(true); }, g: () => showView('graph'), '?': help}[e.key];
  if (act) act();
}

function help() {
  const table = rows => h('table', null, rows.map(([k, t]) => h('tr', null, h('td.mono', null, k), h('td', null, t))));
  const colours = h('table', null, TINT_TOLD.links.map(([c, , t]) => h('tr', null, h('td', null, h('i.swatch.' + c)), h('td', null, t))), ...Object.keys(TINTS).slice(1).map(k => h('tr', null, h('td', null, TINTS[k]), h('td', null, TINT_TOLD[k]))));
  const d = h('dialog', {onclose: () => d.remove(), onclick: e => e.target === d && d.close(), 'aria-label': 'keys and notation'}, h('button.close', {onclick: () => d.close(), 'aria-label': 'close', autofocus: true}, '×'), h('div.help', null, h('div', null, h('h3', null, 'Keys'), table(KEYS)), h('div', null, h('h3', null, 'Notation'), table(NOTATION)), h('div', null, h('h3', null, 'Colours'), colours)));
  document.body.append(d);
  d.showModal();
}

/* ---- the beginning ------------------------------------------------------------------------------------------------------------------------ */

function dragDetails() {
  const grip = $('grip'), box = $('details'), high = v => { box.style.height = Math.max(60, Math.min(innerHeight - 200, v)) + 'px'; };
  grip.addEventListener('pointerdown', e => {
    const y = e.clientY, was = box.offsetHeight, move = m => high(was + y - m.clientY);
    addEventListener('pointermove', move);
    addEventListener('pointerup', () => removeEventListener('pointermove', move), {once: true});
    e.preventDefault();
  });
  grip.addEventListener('keydown', e => { const by = {ArrowUp: 24, ArrowDown: -24}[e.key]; if (by) { e.preventDefault(); high(box.offsetHeight + by); } });
}

/* Functions by kind, as a reader looks for them. */
function pieceOptions() {
  const kinds = new Map();
  D.pieces.forEach((p, k) => { const g = /^(gradient|loss)$/.test(p.kind) ? 'losses and their gradients' : /^(report|plot|save|data)$/.test(p.kind) ? 'reports, plots, data' : 'functions of the file'; (kinds.get(g) || kinds.set(g, []).get(g)).push(h('option', {value: k}, `${p.kind} ${p.name}`)); });
  return [...kinds].map(([g, o]) => h('optgroup', {label: g}, o));
}

function begin() {
  themed($('theme'));
  $('model').textContent = D.model.replace(/^.*\//, '');
  $('model').title = `${D.model}, hnnc ${D.hnnc}`;
  $('piece').append(...pieceOptions());
  $('piece').addEventListener('change', e => { choosePiece(+e.target.value); e.target.blur(); });
  $('sample').append(...Array.from({length: D.samples}, (_, k) => h('option', {value: k}, k)));
  $('sample').addEventListener('change', e => { S.sample = +e.target.value; refresh(false); remember(true); e.target.blur(); });
  $('tint').append(...Object.entries(TINTS).map(([k, t]) => h('option', {value: k}, t)));
  $('tint').addEventListener('change', e => { setTint(e.target.value); remember(true); e.target.blur(); });
  $('find').addEventListener('keydown', e => { if (e.key === 'Enter') find(e.shiftKey ? -1 : 1); });
  $('find').addEventListener('input', () => { $('hits').textContent = ''; });
  $('panes').addEventListener('pointerdown', e => { lastPane = panes.find(q => q.body.contains(e.target)) || lastPane; });
  $('more').addEventListener('click', () => { new Pane(Object.keys(VIEWS).find(k => ['assembly', 'graph', 'memory', 'proofs'].includes(k) && !panes.some(q => q.kind === k)) || 'ir'); remember(); });
  $('keys').addEventListener('click', help);
  $('told').addEventListener('click', () => { S.told = true; $('hint').hidden = true; });
  document.addEventListener('keydown', key);
  dragDetails();
  S.piece = prepare(D.pieces[0]);
  const usual = innerWidth < 1000 ? ['source', 'ir'] : ['source', 'ir', 'kernels'];
  S.usual = usual.join();
  S.silent = true;
  for (const kind of usual) new Pane(kind);
  findings();
  setTint('links');
  if (!recall(location.hash)) { const first = firstNode(S.piece); first ? selectNode(first) : details(); }
  $('hint').hidden = false;
  S.silent = false;
  S.here = location.hash;
  addEventListener('hashchange', () => { if (location.hash !== S.here) { S.here = location.hash; if (!recall(location.hash)) { S.silent = true; const first = firstNode(S.piece); first && selectNode(first); S.silent = false; } } });
  for (const [when, all] of [['beforeprint', true], ['afterprint', false]]) addEventListener(when, () => panes.forEach(q => { const l = q.view.list; if (l) { l.all = all && l.rows.length < 3000; l.paint(); } }));
}

pageData().then(data => {
  read(data);
  if (D.pieces.length) begin();
  else $('found').textContent = 'There is no function in this model.';
  document.documentElement.dataset.ready = Math.round(performance.now());
});

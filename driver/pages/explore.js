/* The page of a model. Data (driver/explore/data.c):
 *   files   [{name, text}], numbered from 1             places  [[file, begin, end]], bytes; 0 is nowhere
 *   tree    [[kind, name, type, place, parent]]         ops     [[name, class, traits, rule by x, rule by y]]
 *   pieces  [{kind, name, stages, made, values, turns, flow, operators, patterns, code}], functions on their way to code
 *   stage   {pass, same, fns: [{name, index, first, in, out, text, place, from, role, of, flop, body}]}, the first being what was written
 * Instruction id of a function has the number first + id - 1 in its piece. from: the number that it is a copy of or was made of; negative: that it
 * is an adjoint or tangent of. made: triples, node of the tree, first number, number behind the last, of the first stage.
 * code: or the number of a piece that has the same. values, by index of a function, of each instruction:
 *   [size, least, most, 0 | 1 not finite | 2 not finite of finite operands, [elements of sample 0], ...]; of a body that is run in turns the
 *   elements of the last turn. turns, of such bodies: {count, stride, badTurn, first, bad, size}: elements in the first turn and in the first that is
 *   not finite (badTurn; -1: none), and sizes of turns 0, stride, 2 stride, ...
 * flow    {fn, flow: [[size of the derivative, error beside differences or null, why null, or a remark], ...], bodies: [{fn, turn, flow}]} */

let D, PLACE, NODE, OPS;   // data; places in characters; nodes of the tree; operators by name
const $ = id => document.getElementById(id);
const TRAIT = {linear: 1024, view: 256, deriv: 16};
const EPS = 1e-5;   // from here on a derivative differs from differences

/* ---- places: bytes of files as characters of texts --------------------------------------------------------------- */

function toCharacters(text) {
  let plain = true;
  for (let k = 0; k < text.length && plain; k++) plain = text.charCodeAt(k) < 128;
  if (plain) return null;
  const at = [];
  for (let k = 0; k < text.length;) {
    const c = text.codePointAt(k), n = c < 128 ? 1 : c < 2048 ? 2 : c < 65536 ? 3 : 4;
    for (let b = 0; b < n; b++) at.push(k);
    k += c > 65535 ? 2 : 1;
  }
  at.push(text.length);
  return at;
}

function read(data) {
  D = data;
  for (const f of D.files) {
    const map = toCharacters(f.text);
    f.char = map ? b => map[Math.min(b, map.length - 1)] : b => b;
    f.start = [0];
    for (let k = 0; k < f.text.length; k++) if (f.text[k] === '\n') f.start.push(k + 1);
  }
  PLACE = D.places.map(([file, a, b]) => file ? {file, begin: D.files[file - 1].char(a), end: D.files[file - 1].char(b)} : null);
  NODE = D.tree.map(([kind, name, type, place, parent], k) => ({k, kind, name, type, place: PLACE[place], parent}));
  OPS = new Map(D.ops.map(o => [o[0], o]));
  for (const p of D.pieces) if (typeof p.code === 'number') p.code = D.pieces[p.code].code;
}

function lineOf(place) {
  const s = D.files[place.file - 1].start;
  let lo = 0, hi = s.length;
  while (hi - lo > 1) { const m = (lo + hi) >> 1; if (s[m] <= place.begin) lo = m; else hi = m; }
  return lo;
}
const shortName = f => D.files[f - 1].name.replace(/^.*\//, '').replace(/[<>]/g, '');
const whereText = p => p ? `${shortName(p.file)}:${lineOf(p) + 1}` : '';

/* ---- a piece, with what the page asks of it ------------------------------------------------------------------------ */

function prepare(p) {
  if (p.ready) return p;
  p.ready = true;
  let most = 0;
  p.fn = new Map();
  for (const [s, st] of p.stages.entries()) {
    for (const f of st.fns) {
      f.stage = s;
      p.fn.set(f.index, f);
      most = Math.max(most, f.first + f.text.length);
    }
  }
  p.of = new Array(most + 1);
  for (const f of p.fn.values()) for (let k = 0; k < f.text.length; k++) p.of[f.first + k] = f;
  p.children = Array.from({length: most + 1}, () => null);
  for (const f of p.fn.values())
    f.from.forEach((c, k) => { const a = Math.abs(c); if (a && p.of[a]) (p.children[a] = p.children[a] || []).push(f.first + k); });
  p.nodeMade = new Map();
  for (let k = 0; k < p.made.length; k += 3) {
    if (!p.nodeMade.has(p.made[k])) p.nodeMade.set(p.made[k], []);
    p.nodeMade.get(p.made[k]).push([p.made[k + 1], p.made[k + 2]]);
  }
  p.flowOf = new Map();
  if (p.flow) for (const w of [...p.flow.bodies, p.flow]) w.flow.forEach((v, k) => v && p.flowOf.set(p.fn.get(w.fn).first + k, v));
  p.operatorError = new Map(p.operators);
  p.codeLines = new Map();
  if (p.code) p.code.kernels.number.forEach((n, k) => n && (p.codeLines.has(n) ? p.codeLines.get(n).push(k) : p.codeLines.set(n, [k])));
  return p;
}

const inst = (p, n) => { const f = p.of[n]; return f && {n, f, id: n - f.first + 1, k: n - f.first, text: f.text[n - f.first]}; };
const opOf = text => text.match(/^\S+/)[0];
const typeOf = text => text.slice(text.lastIndexOf(' : ') + 3);
const argsOf = text => (text.replace(/\{.*/, '').match(/%\d+/g) || []).map(a => +a.slice(1));
const placeOf = i => PLACE[i.f.place[i.k]];

function ownValue(p, n) { const f = p.of[n], v = f && p.values[f.index]; return v ? v[n - f.first] : null; }

/* Its own numbers, or those of what it is a copy of or what is a copy of it. */
function valueOf(p, n) {
  let v = ownValue(p, n);
  const same = (a, b) => opOf(a.text) === opOf(b.text) && typeOf(a.text) === typeOf(b.text);
  const me = inst(p, n);
  for (let a = n; !v && me;) {
    const i = inst(p, a), up = i.f.from[i.k];
    if (up <= 0 || !p.of[up] || !same(inst(p, up), me)) break;
    v = ownValue(p, a = up);
  }
  for (let a = n, steps = 0; !v && me && steps < 20; steps++) {
    const down = (p.children[a] || []).filter(c => inst(p, c).f.from[inst(p, c).k] > 0 && same(inst(p, c), me));
    if (down.length !== 1) break;
    v = ownValue(p, a = down[0]);
  }
  return v;
}

/* ---- the selection ---------------------------------------------------------------------------------------------------- */

const S = {piece: null, sample: 0, node: null, n: 0, hot: new Map(), spans: []};
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

function selectNode(node) {
  Object.assign(S, {node, n: 0, hot: spread(S.piece, seedsOfNode(S.piece, node)), spans: node.place ? [node.place] : []});
  refresh(true);
}

function selectInst(n, quiet) {
  const i = inst(S.piece, n);
  if (!i) return;
  Object.assign(S, {node: null, n, hot: spread(S.piece, [n]), spans: placeOf(i) ? [placeOf(i)] : []});
  refresh(!quiet);
}

function clear() {
  Object.assign(S, {node: null, n: 0, hot: new Map(), spans: []});
  refresh(false);
}

function refresh(scroll) {
  panes.forEach(pane => pane.view.update(scroll));
  details();
}

function choosePiece(k) {
  const node = S.node;
  document.activeElement.blur();   // keys are the page's again
  S.piece = prepare(D.pieces[k]);
  $('piece').value = k;
  Object.assign(S, {node: null, n: 0, hot: new Map(), spans: []});
  panes.forEach(pane => pane.open(pane.kind));
  findings();
  node ? selectNode(node) : details();
}

/* ---- lists of which only what is seen is in the page ------------------------------------------------------------------- */

const ROW = 18;

class List {
  constructor(body, draw) {
    this.body = body;
    this.draw = draw;      // (row, k) -> element
    this.rows = [];
    this.box = h('div.list');
    body.replaceChildren(this.box);
    body.addEventListener('scroll', () => this.paint());
    new ResizeObserver(() => this.paint()).observe(body);
  }
  set(rows) { this.rows = rows; this.box.style.height = rows.length * ROW + 'px'; this.paint(); }
  paint() {
    if (!this.body.isConnected) return;   // its pane shows something else
    const first = Math.max(0, Math.floor(this.body.scrollTop / ROW) - 5), count = Math.ceil((this.body.clientHeight || 600) / ROW) + 10;
    const shown = [];
    for (let k = first; k < Math.min(this.rows.length, first + count); k++) {
      const e = this.draw(this.rows[k], k);
      e.style.top = k * ROW + 'px';
      shown.push(e);
    }
    this.box.replaceChildren(...shown);
  }
  show(k) {
    const top = k * ROW, y = this.body.scrollTop, high = this.body.clientHeight;
    if (top < y + ROW || top > y + high - 2 * ROW) this.body.scrollTop = top - high / 3;
    this.paint();
  }
}

/* ---- views: each is made with a pane, and has update(scroll) --------------------------------------------------------- */

class SourceView {
  constructor(pane) {
    this.pane = pane;
    this.file = 1;
    this.choose = h('select', {onchange: e => { this.file = +e.target.value; this.fill(); }}, D.files.map((f, k) => h('option', {value: k + 1}, f.name)));
    pane.bar.append(this.choose);
    this.pre = h('pre.source', {onclick: e => this.click(e)});
    pane.body.replaceChildren(this.pre);
    this.fill();
  }
  fill() {
    const f = D.files[this.file - 1], text = f.text;
    this.choose.value = this.file;
    this.lines = f.start.map((a, k) => {
      const b = k + 1 < f.start.length ? f.start[k + 1] - 1 : text.length;
      return h('span.l', {'data-n': k + 1, 'data-at': a}, this.line(text.slice(a, b)));
    });
    this.pre.replaceChildren(...this.lines);
    this.marked = [];
    this.update(false);
  }
  line(s) {
    const hash = s.search(/#(?=([^"]*"[^"]*")*[^"]*$)/), code = hash < 0 ? s : s.slice(0, hash), out = [];
    const words = /\b(precision|import|const|hamiltonian|fn|net|flow|symplectic|volume|prove|data|use|loss|train|report|expect|plot|save|let|return|yield|repeat|for|in|on|param|inverse|logdet|if|else)\b/g;
    let last = 0, m;
    while ((m = words.exec(code))) { out.push(code.slice(last, m.index), h('span.word', null, m[0])); last = m.index + m[0].length; }
    out.push(code.slice(last));
    if (hash >= 0) out.push(h('span.comment', null, s.slice(hash)));
    return out;
  }
  offset(e) {
    const r = document.caretRangeFromPoint ? document.caretRangeFromPoint(e.clientX, e.clientY) : null;
    const p = r ? {node: r.startContainer, at: r.startOffset} : document.caretPositionFromPoint ?
      (c => c && {node: c.offsetNode, at: c.offset})(document.caretPositionFromPoint(e.clientX, e.clientY)) : null;
    const line = p && (p.node.nodeType === 3 ? p.node.parentElement : p.node).closest('.l');
    if (!line) return -1;
    const range = document.createRange();
    range.setStart(line, 0);
    range.setEnd(p.node, p.at);
    return +line.dataset.at + range.toString().length;
  }
  /* The smallest node there of which there is something; again: the next one around it. */
  click(e) {
    const at = this.offset(e), has = n => S.piece.nodeMade.has(n.k);
    if (at < 0) return;
    const here = NODE.filter(n => n.place && n.place.file === this.file && n.place.begin <= at && at <= n.place.end)
      .sort((a, b) => (a.place.end - a.place.begin) - (b.place.end - b.place.begin) || b.k - a.k);
    const good = here.filter(n => has(n) || seedsOfNode(S.piece, n).length), list = good.length ? good : here;
    const now = list.indexOf(S.node);
    if (list.length) selectNode(list[now >= 0 ? Math.min(now + 1, list.length - 1) : 0]);
  }
  update(scroll) {
    if (scroll && S.spans[0] && S.spans[0].file !== this.file && S.n) { this.file = S.spans[0].file; this.fill(); }
    for (const k of this.marked) this.redraw(k, []);
    this.marked = [];
    const f = D.files[this.file - 1];
    for (const s of S.spans.filter(q => q.file === this.file)) {
      let first = -1;
      for (let k = lineOf(s); k < f.start.length && f.start[k] < s.end; k++) { this.redraw(k, [s]); this.marked.push(k); if (first < 0) first = k; }
      if (scroll && first >= 0 && S.n) this.lines[first].scrollIntoView({block: 'nearest'});
    }
  }
  redraw(k, spans) {
    const f = D.files[this.file - 1], a = f.start[k], b = k + 1 < f.start.length ? f.start[k + 1] - 1 : f.text.length, s = f.text.slice(a, b);
    if (!spans.length) { this.lines[k].replaceChildren(...this.line(s)); return; }
    const x = Math.max(0, spans[0].begin - a), y = Math.min(s.length, spans[0].end - a);
    this.lines[k].replaceChildren(s.slice(0, x), h('mark', null, s.slice(x, y)), s.slice(y));
  }
}

class TreeView {
  constructor(pane) {
    const depth = [];
    this.rows = NODE.filter(n => n.place && n.place.file === 1).map(n => { depth[n.k] = n.parent < 0 ? 0 : depth[n.parent] + 1; return {n, d: depth[n.k]}; });
    this.list = new List(pane.body, r => h('div.row' + (S.node === r.n ? '.sel' : ''), {onclick: () => selectNode(r.n)},
      '  '.repeat(r.d), h('b.op', null, r.n.kind), ' ', r.n.name, h('span.where', null, r.n.type, '  ', whereText(r.n.place))));
    this.list.set(this.rows);
  }
  update(scroll) {
    const k = this.rows.findIndex(r => r.n === S.node);
    if (scroll && k >= 0) this.list.show(k);
    else this.list.paint();
  }
}

const stageName = (st, k) => `${k} ${st.pass || 'as written'}${st.same ? ', ' + st.same : ''} · ${st.fns[0].text.length}${k && st.fns[0].name ? ' · ' + st.fns[0].name : ''}`;

function stageSelect(at, change) {
  return h('select', {onchange: e => change(+e.target.value)}, S.piece.stages.map((st, k) => h('option', {value: k, selected: k === at}, stageName(st, k))));
}

/* The text of an instruction with what is in it set apart. */
function instText(i) {
  const op = opOf(i.text), rest = i.text.slice(op.length), role = i.f.role[i.k];
  const name = op === 'in' ? ' ' + (i.f.in[+((i.text.match(/index=(\d+)/) || [])[1])] || '') : '';
  return [h('b.op' + (role === 1 ? '.adjoint' : role === 2 ? '.tangent' : ''), null, op), op === 'in' ? name + rest.replace(/ \{.*?\}/, '') : rest];
}

function valueText(v) {
  if (!v) return '';
  const one = v[4 + Math.min(S.sample, v.length - 5)];
  if (!one) return '';
  return one.length === 1 ? number(one[0]) : '‖' + number(v[0], 3) + '‖';
}

function instRow(n, mark, extra) {
  const p = S.piece, i = inst(p, n), v = valueOf(p, n), hot = S.hot.get(n), role = i.f.role[i.k], flow = p.flowOf.get(n), oe = p.operatorError.get(n);
  const wrong = (flow && flow[1] !== null && !(flow[1] <= EPS)) || (oe !== undefined && !(oe <= EPS));
  return h('div.row' + (hot ? '.' + hot : '') + (S.n === n ? '.now' : '') + (v && v[3] ? '.nan' : '') + (extra || ''), {onclick: () => selectInst(n)},
    h('span.mark' + (wrong ? '.bad' : ''), null, wrong ? '✗' : mark || ''), h('span.id', null, '%' + i.id), h('span.val', null, valueText(v)), ...instText(i),
    h('span.where', null, role ? (role === 1 ? 'adjoint of ' : 'tangent of ') + D.ops[i.f.of[i.k]][0] + '  ' : '', whereText(placeOf(i))));
}

class IRView {
  constructor(pane) {
    this.pane = pane;
    this.stage = pane.options.stage === undefined ? S.piece.stages.length - 1 : Math.min(pane.options.stage, S.piece.stages.length - 1);
    if (pane.options.stage === undefined) while (this.stage > 0 && S.piece.stages[this.stage].pass === 'split') this.stage--;
    this.open = new Set();
    this.fold = h('input', {type: 'checkbox', onchange: () => this.fill()});
    this.choose = stageSelect(this.stage, k => { this.pane.options.stage = this.stage = k; this.fill(); this.update(true); });
    pane.bar.append(this.choose, h('label', {title: 'one row for each line of the source'}, this.fold, 'fold'));
    this.list = new List(pane.body, r => this.draw(r));
    this.fill();
  }
  fill() {
    this.rows = [];
    this.at = new Map();
    for (const f of S.piece.stages[this.stage].fns) {
      this.rows.push({head: (f === S.piece.stages[this.stage].fns[0] ? '' : 'body ') + '@' + f.name});
      this.fold.checked ? this.folded(f) : f.text.forEach((_, k) => this.push(f.first + k));
      this.rows.push({head: '   return ' + f.out.map(([id, name]) => '%' + id + (name ? ` "${name}"` : '')).join(', ')});
    }
    this.list.set(this.rows);
  }
  push(n) { this.at.set(n, this.rows.length); this.rows.push({n}); }
  folded(f) {
    for (let k = 0; k < f.text.length;) {
      const line = q => { const p = PLACE[f.place[q]]; return p ? p.file + ':' + lineOf(p) + ':' + f.role[q] : ''; };
      let e = k + 1;
      while (e < f.text.length && line(e) === line(k)) e++;
      const row = {line: PLACE[f.place[k]], a: f.first + k, b: f.first + e, role: f.role[k], flop: f.flop.slice(k, e).reduce((x, y) => x + y, 0)};
      for (let q = k; q < e; q++) this.at.set(f.first + q, this.rows.length);
      this.rows.push(row);
      if (this.open.has(row.a)) for (let q = k; q < e; q++) this.push(f.first + q);
      k = e;
    }
  }
  draw(r) {
    if (r.head !== undefined) return h('div.row.head', null, r.head);
    if (r.n) return instRow(r.n);
    let hot = '';
    for (let n = r.a; n < r.b && hot !== 'sel'; n++) hot = S.hot.get(n) || hot;
    const text = r.line ? D.files[r.line.file - 1].text.slice(D.files[r.line.file - 1].start[lineOf(r.line)]).split('\n')[0].trim() : '';
    const toggle = () => { this.open.has(r.a) ? this.open.delete(r.a) : this.open.add(r.a); this.fill(); };
    return h('div.row.fold' + (hot ? '.' + hot : ''), {onclick: toggle}, h('span.mark', null, this.open.has(r.a) ? '▾' : '▸'),
      h('span' + ['', '.adjoint', '.tangent'][r.role], null, `${whereText(r.line)}  ${text.slice(0, 90)}`), h('span.where', null, `${r.b - r.a} · ${large(r.flop)} FLOP`));
  }
  update(scroll) {
    if (scroll && S.n && this.at.has(S.n)) return this.list.show(this.at.get(S.n));
    if (scroll) for (const want of ['sel', 'drv', 'pri'])
      for (const [n, k] of this.at) if (S.hot.get(n) === want) return this.list.show(k);
    this.list.paint();
  }
  step(by) {
    const order = this.rows.filter(r => r.n).map(r => r.n), k = order.indexOf(S.n);
    if (order.length) selectInst(order[Math.max(0, Math.min(order.length - 1, k + by))]);
  }
  find(text) {
    const from = S.n && this.at.has(S.n) ? this.at.get(S.n) + 1 : 0;
    for (let k = 0; k < this.rows.length; k++) {
      const r = this.rows[(from + k) % this.rows.length];
      if (r.n && (inst(S.piece, r.n).text.includes(text) || ('%' + inst(S.piece, r.n).id) === text)) return selectInst(r.n);
    }
  }
}

/* Two stages: what one has of the other, by where instructions come from. */
class DifferenceView {
  constructor(pane) {
    const last = S.piece.stages.length - 1;
    this.a = Math.min(pane.options.a === undefined ? 0 : pane.options.a, last);
    this.b = Math.min(pane.options.b === undefined ? 1 : pane.options.b, last);
    pane.bar.append(stageSelect(this.a, k => { pane.options.a = this.a = k; this.fill(); }), '→', stageSelect(this.b, k => { pane.options.b = this.b = k; this.fill(); }));
    this.list = new List(pane.body, r => r.head ? h('div.row.head', null, r.head) : instRow(r.n, r.mark, r.cls));
    this.fill();
  }
  fill() {
    const p = S.piece, count = {same: 0, changed: 0, derived: 0, made: 0, gone: 0}, used = new Set(), rows = [];
    const origin = n => {
      let derived = false;
      for (let a = n; ;) {
        const i = inst(p, a);
        if (!i || i.f.stage < this.a) return [0, derived];
        if (i.f.stage === this.a) return [a, derived];
        const up = i.f.from[i.k];
        derived = derived || up < 0;
        if (!up || !p.of[Math.abs(up)]) return [0, derived];
        a = Math.abs(up);
      }
    };
    const of = new Map();
    for (const f of p.stages[this.b].fns) f.text.forEach((_, k) => { const o = origin(f.first + k); of.set(f.first + k, o); if (o[0] && !o[1]) used.add(o[0]); });
    const gone = (fn, from, to) => { for (let n = from; n < to; n++) if (!used.has(n)) { rows.push({n, mark: '−', cls: '.gone'}); count.gone++; } };
    const left = new Map(p.stages[this.a].fns.map(f => [f, f.first]));
    const shape = t => t.replace(/%\d+/g, '%').replace(/ @\d+/, ' @');
    for (const f of p.stages[this.b].fns) {
      rows.push({head: '@' + f.name});
      f.text.forEach((t, k) => {
        const n = f.first + k, [a, derived] = of.get(n), g = a && p.of[a];
        if (a && !derived && left.has(g) && a >= left.get(g)) { gone(g, left.get(g), a); left.set(g, a + 1); }
        const kind = !a ? 'made' : derived ? 'derived' : shape(inst(p, a).text) === shape(t) ? 'same' : 'changed';
        count[kind]++;
        rows.push({n, mark: {same: '', changed: '~', derived: '∂', made: '+'}[kind], cls: kind === 'changed' ? '.changed' : kind === 'same' ? '' : '.new'});
      });
    }
    for (const [f, n] of left) gone(f, n, f.first + f.text.length);
    rows.unshift({head: `${count.same} kept, ${count.changed} changed ~, ${count.derived} derived ∂, ${count.made} new +, ${count.gone} gone −`});
    this.at = new Map(rows.map((r, k) => [r.n, k]));
    this.rows = rows;
    this.list.set(rows);
  }
  update(scroll) {
    const k = this.rows.findIndex(r => r.n && S.hot.get(r.n) === 'sel');
    if (scroll && k >= 0) this.list.show(S.n && this.at.has(S.n) ? this.at.get(S.n) : k);
    else this.list.paint();
  }
}

class KernelView {
  constructor(pane) {
    this.c = S.piece.code && S.piece.code.kernels;
    this.list = new List(pane.body, k => {
      const n = this.c.number[k], hot = n && S.hot.get(n);
      return h('div.row' + (n ? '' : '.head') + (hot ? '.' + hot : '') + (n && n === S.n ? '.now' : ''), n ? {onclick: () => selectInst(n)} : null, this.c.text[k]);
    });
    if (this.c) this.list.set(this.c.text.map((_, k) => k));
    else pane.body.textContent = 'no code was made';
  }
  update(scroll) {
    const k = scroll && this.c ? this.c.number.findIndex(n => S.hot.get(n) === 'sel') : -1, d = scroll && k < 0 && this.c ? this.c.number.findIndex(n => S.hot.has(n)) : k;
    if (d >= 0) this.list.show(d);
    else this.list.paint();
  }
}

class AssemblyView {
  constructor(pane) {
    this.c = S.piece.code && S.piece.code.asm;
    if (!this.c) { pane.body.textContent = 'no code was made'; return; }
    const labels = this.c.text.map((t, k) => [t.match(/^([A-Za-z_][\w.]*):/), k]).filter(([m]) => m && !m[1].startsWith('.L'));
    pane.bar.append(h('select', {onchange: e => this.list.show(+e.target.value)}, labels.map(([m, k]) => h('option', {value: k}, m[1]))), h('span.soft', null, `${this.c.text.length} lines`));
    this.list = new List(pane.body, k => {
      const n = this.c.number[k], hot = n && S.hot.get(n), t = this.c.text[k].replace(/\t/g, '    ');
      return h('div.row' + (hot ? '.' + hot : '') + (/^\S/.test(t) ? '.head' : ''), {onclick: () => n && selectInst(n)}, t);
    });
    this.list.set(this.c.text.map((_, k) => k));
  }
  update(scroll) {
    if (!this.c) return;
    const k = scroll ? this.c.number.findIndex(n => n && S.hot.get(n) === 'sel') : -1;
    if (k >= 0) this.list.show(k);
    else this.list.paint();
  }
}

/* Runs of instructions of one line and role as nodes, in ranks by what they need. */
class GraphView {
  constructor(pane) {
    this.pane = pane;
    this.stage = Math.min(pane.options.stage || 0, S.piece.stages.length - 1);
    pane.bar.append(stageSelect(this.stage, k => { pane.options.stage = this.stage = k; this.fill(); }));
    this.fill();
  }
  update() { this.fill(); }
  fill() {
    const f = S.piece.stages[this.stage].fns[0], most = 300, group = [], nodes = [];
    const key = k => { const p = PLACE[f.place[k]]; return (p ? p.file + ':' + lineOf(p) : opOf(f.text[k])) + ':' + f.role[k]; };
    f.text.forEach((t, k) => {
      if (['const', 'table', 'iota'].includes(opOf(t))) return;
      const last = nodes[nodes.length - 1];
      if (last && last.key === key(k) && opOf(t) !== 'in') { last.end = k + 1; last.flop += f.flop[k]; } else nodes.push({key: key(k), a: k, end: k + 1, flop: f.flop[k], role: f.role[k], to: new Set(), rank: 0});
      group[k] = nodes[nodes.length - 1];
    });
    f.text.forEach((t, k) => group[k] && argsOf(t).forEach(a => { const g = group[a - 1]; if (g && g !== group[k]) g.to.add(group[k]); }));
    let shown = nodes;
    const hotOf = g => { let c = ''; for (let k = g.a; k < g.end && c !== 'sel'; k++) c = S.hot.get(f.first + k) || c; return c; };
    if (nodes.length > most) {
      shown = nodes.filter(hotOf);
      if (!shown.length) { this.pane.body.replaceChildren(h('p.card.soft', null, `${nodes.length} nodes: select something, and what is lit is drawn.`)); return; }
      shown = shown.slice(0, most);
    }
    const is = new Set(shown), rows = [];
    for (const g of shown) for (const t of g.to) if (is.has(t)) t.rank = Math.max(t.rank, g.rank + 1);
    for (const g of shown) (rows[g.rank] = rows[g.rank] || []).push(g);
    const W = 190, H = 62;
    rows.forEach((r, y) => r && r.forEach((g, x) => { g.x = 10 + x * W; g.y = 10 + y * H; }));
    const wide = Math.max(...rows.map(r => r ? r.length : 0)) * W + 20, high = rows.length * H + 20, out = svg('svg', {width: wide, height: high});
    for (const g of shown) for (const t of g.to) if (is.has(t))
      out.append(svg('path', {d: `M${g.x + 85},${g.y + 36} C${g.x + 85},${g.y + 52} ${t.x + 85},${t.y - 16} ${t.x + 85},${t.y}`}));
    for (const g of shown) {
      const i = inst(S.piece, f.first + g.end - 1), p = PLACE[f.place[g.a]];
      const title = opOf(i.text) === 'in' ? i.f.in[+i.text.match(/index=(\d+)/)[1]] : g.end - g.a > 1 ? `${g.end - g.a} to ${opOf(i.text)}` : opOf(i.text);
      const text = svg('text', {x: g.x + 6, y: g.y + 14}), sub = svg('text', {x: g.x + 6, y: g.y + 29, opacity: .65});
      text.textContent = `%${i.id} ${title}`.slice(0, 26);
      sub.textContent = `${whereText(p)} ${typeOf(i.text)}`.slice(0, 26);
      out.append(svg('g', {class: 'node ' + hotOf(g) + ['', ' adjoint', ' tangent'][g.role], onclick: () => selectInst(f.first + g.end - 1)}, svg('rect', {x: g.x, y: g.y, width: 170, height: 36, rx: 5}), text, sub));
    }
    this.pane.body.replaceChildren(out);
  }
}

const HUES = [210, 25, 130, 285, 50, 340, 175, 95];

class SparsityView {
  constructor(pane) {
    const p = S.piece.patterns;
    pane.body.replaceChildren(...p.map(t => this.card(t)));
    if (!p.length) pane.body.replaceChildren(h('p.card.soft', null, 'No Jacobian was taken here.'));
  }
  card(t) {
    const scale = Math.max(1, Math.min(12, Math.floor(360 / Math.max(t.rows, t.cols)))), c = h('canvas', {width: t.cols * scale, height: t.rows * scale}), g = c.getContext('2d');
    t.at.forEach((row, i) => row.forEach(j => {
      const col = t.colour.length ? t.colour[t.byRows ? i : j] : 0;
      g.fillStyle = `hsl(${HUES[col % 8]} 60% ${45 + 8 * (Math.floor(col / 8) % 3)}%)`;
      g.fillRect(j * scale, i * scale, scale, scale);
    }));
    const at = PLACE[t.place];
    return h('div.card', null, h('span.to', {onclick: () => { S.spans = [at]; refresh(true); }}, whereText(at)), t.nonzeros < 0 ? ` ${t.rows} × ${t.cols}` : ` ${t.nonzeros} nonzeros of ${t.rows} × ${t.cols}`,
      h('div.soft', null, t.colours ? `${t.colours} sweeps: ${t.way}` : t.way), t.at.length ? c : t.nonzeros < 0 ? null : h('i', null, 'too many to draw'));
  }
  update() {}
}

class ProofView {
  constructor(pane) {
    pane.body.replaceChildren(...D.proofs.map(q => h('div.card', null, h('b' + {proved: '.good', refuted: '.bad', undecided: '.warn'}[q.answer], null, q.answer), ' ', h('code', null, q.text), ' ',
      h('span.to', {onclick: () => { S.spans = [PLACE[q.place]]; refresh(true); }}, whereText(PLACE[q.place])), q.detail ? h('div.soft', null, q.detail) : null)));
    if (!D.proofs.length) pane.body.replaceChildren(h('p.card.soft', null, 'Nothing was claimed.'));
  }
  update() {}
}

const VIEWS = {source: ['Source', SourceView], tree: ['Syntax tree', TreeView], ir: ['IR', IRView], difference: ['Difference', DifferenceView], graph: ['Graph', GraphView],
  kernels: ['Loop nests', KernelView], assembly: ['Assembly', AssemblyView], sparsity: ['Sparsity', SparsityView], proofs: ['Proofs', ProofView]};

class Pane {
  constructor(kind, options) {
    this.options = options || {};
    this.bar = h('div.bar');
    this.body = h('div.body');
    const grip = h('div.grip', {onmousedown: e => this.drag(e)});
    this.box = h('div.pane', null, this.bar, this.body, grip);
    $('panes').append(this.box);
    panes.push(this);
    this.open(kind);
  }
  open(kind) {
    this.kind = kind;
    const body = h('div.body');
    this.body.replaceWith(body);
    this.body = body;
    this.bar.replaceChildren(h('select', {class: 'view', onchange: e => { this.options = {}; this.open(e.target.value); }}, Object.entries(VIEWS).map(([k, [name]]) => h('option', {value: k, selected: k === kind}, name))));
    this.view = new VIEWS[kind][1](this);
    this.bar.append(h('span.grow'), h('button', {title: 'close', onclick: () => this.close()}, '×'));
    this.box.dataset.kind = kind;
    this.view.update(true);
  }
  close() {
    if (panes.length < 2) return;
    panes.splice(panes.indexOf(this), 1);
    this.box.remove();
  }
  drag(e) {
    const x = e.clientX, w = this.box.offsetWidth;
    const move = m => { this.box.style.flex = `0 0 ${Math.max(160, w + m.clientX - x)}px`; };
    addEventListener('mousemove', move);
    addEventListener('mouseup', () => removeEventListener('mousemove', move), {once: true});
    e.preventDefault();
  }
}

/* ---- what is selected, in words ------------------------------------------------------------------------------------------ */

const link = (n, text) => h('span.to.mono', {onclick: () => selectInst(n)}, text);

/* The rule of an operator, as the table has it; of a product from its labels. */
function ruleOf(text) {
  const op = opOf(text), row = OPS.get(op), e = text.match(/\{(\w*),(\w*)->(\w*)/), out = [];
  if (!row) return out;
  const two = row[4] !== null, z = {mul: 'z = x·y', add: 'z = x + y', sub: 'z = x − y', div: 'z = x/y', pow: 'z = x^y', neg: 'z = −x', sqrt: 'z = √x'}[op] || `z = ${op}(x${two ? ', y' : ''})`;
  if (row[3] !== null) {
    const zero = s => s === '0';
    out.push(h('div.rule', null, z, h('br'), `∂z/∂x = ${row[3]}`, two ? `,   ∂z/∂y = ${row[4]}` : ''),
      h('div.soft', null, `backwards  x̄ += z̄ · ∂z/∂x${two ? ',  ȳ += z̄ · ∂z/∂y' : ''};  forwards  ż = ẋ · ∂z/∂x${two ? ' + ẏ · ∂z/∂y' : ''}`));
  } else if (e) {
    const lanes = text.includes('+lanes') ? ' over all samples' : '';
    out.push(h('div.rule', null, `z[${e[3]}] = Σ x[${e[1]}] y[${e[2]}]${lanes}`), h('div.soft', null, `x̄[${e[1]}] += Σ z̄[${e[3]}] y[${e[2]}],   ȳ[${e[2]}] += Σ z̄[${e[3]}] x[${e[1]}],   ż = Σ ẋ y + Σ x ẏ`));
  } else if (row[2] & TRAIT.deriv) out.push(h('div.rule', null, {grad: 'g = ∂e/∂x', jac: 'J = ∂e/∂x', divergence: 'd = Σ ∂eᵢ/∂xᵢ', logjac: 'l = log |det ∂e/∂x|'}[op] || op));
  else if (row[2] & (TRAIT.linear | TRAIT.view)) out.push(h('div.rule', null, 'linear: ż = ' + op + '(ẋ),  x̄ += ' + op + 'ᵀ(z̄)'));
  else if (row[1] === 'elementwise') out.push(h('div.rule', null, `${z}: no derivative, it is constant piece by piece`));
  return out;
}

function valueBlock(n) {
  const p = S.piece, v = valueOf(p, n), flow = flowNear(p, n), oe = p.operatorError.get(rootOf(p, n));
  const rows = [];
  if (v) {
    rows.push(h('tr', null, h('th', null, 'size, least, most'), h('td', null, `${number(v[0])},  ${number(v[1])} … ${number(v[2])}`)));
    if (v[3]) rows.push(h('tr', null, h('th', null, 'not finite'), h('td.bad', null, v[3] === 2 ? 'here first: its operands are finite' : 'its operands are not either')));
    for (let s = 4; s < v.length; s++) rows.push(h('tr', null, h('th', null, v.length > 5 ? 'sample ' + (s - 4) : 'shared'), h('td.mono' + (s - 4 === S.sample ? '.sel' : ''), null, v[s].map(x => number(x, 6)).join('  '))));
  }
  rows.push(...turnRows(n));
  if (flow) rows.push(h('tr', null, h('th', null, 'gradient flow'), h('td', null, `size of ∂/∂this: ${number(flow[0])}`)),
    h('tr', null, h('th', null, 'beside differences'), flow[1] === null ? h('td.soft', null, 'not compared: ' + flow[2]) : h('td' + (flow[1] <= EPS ? '.good' : '.bad'), null, `${flow[1] <= EPS ? 'agrees' : 'DIFFERS'}, ${number(flow[1], 2)}${flow[2] ? ': ' + flow[2] : ''}`)));
  if (oe !== undefined) rows.push(h('tr', null, h('th', null, 'operator beside differences'), h('td' + (oe <= EPS ? '.good' : '.bad'), null, `${oe <= EPS ? 'agrees' : 'DIFFERS'}, ${number(oe, 2)}`)));
  return rows.length ? h('div.block', null, h('h3', null, 'Numbers'), h('table', null, rows)) : null;
}

/* Of what is in a body: the sample on top in other turns, and sizes over the turns. */
function turnRows(n) {
  const p = S.piece, f = p.of[n], t = f && p.turns[f.index], rows = [];
  if (!t) return rows;
  const row = (name, of) => {
    const one = of && of[n - f.first], e = one && one[Math.min(S.sample, one.length - 1)];
    if (e) rows.push(h('tr', null, h('th', null, name), h('td.mono', null, e.map(x => number(x, 6)).join('  '))));
  };
  row('turn 0', t.first);
  if (t.badTurn >= 0) row(`turn ${t.badTurn}, not finite first`, t.bad);
  rows.push(h('tr', null, h('th', null, 'above'), h('td.soft', null, `the last of ${t.count} turns`)));
  const size = t.size[n - f.first];
  if (size) rows.push(h('tr', null, h('th', null, 'size over turns'), h('td', null, sizes(size, t.stride))));
  return rows;
}

/* Bars by magnitude, of which the largest is whole. */
function sizes(size, stride) {
  const W = 7, H = 30, log = size.map(v => v > 0 && isFinite(v) ? Math.log10(v) : null), some = log.filter(v => v !== null);
  const most = Math.max(...some), least = Math.min(...some, most - 1), out = svg('svg', {width: size.length * W, height: H});
  log.forEach((v, k) => {
    const high = v === null ? 2 : 3 + (H - 3) * (v - least) / (most - least), bar = svg('rect', {x: k * W, y: H - high, width: W - 1, height: high, class: typeof size[k] === 'number' ? 'turn' : 'turn bad'});
    const title = svg('title', {});
    title.textContent = `turn ${k * stride}: ${number(size[k], 3)}`;
    bar.append(title);
    out.append(bar);
  });
  return out;
}

function rootOf(p, n) {
  for (; ;) { const i = inst(p, n), up = i ? i.f.from[i.k] : 0; if (up <= 0 || !p.of[up]) return n; n = up; }
}

/* Its flow, or that of a copy of it. */
function flowNear(p, n) {
  if (p.flowOf.has(n)) return p.flowOf.get(n);
  const same = [...spread(p, [n])].filter(([m, c]) => c === 'sel' && p.flowOf.has(m) && opOf(inst(p, m).text) === opOf(inst(p, n).text));
  return same.length === 1 ? p.flowOf.get(same[0][0]) : null;
}

function memoryBlock(hot) {
  const p = S.piece, lines = [];
  if (!p.code) return null;
  for (const [n, c] of hot) if (c === 'sel') for (const k of p.codeLines.get(n) || []) lines.push(k);
  const stores = lines.sort((a, b) => a - b).map(k => [k, p.code.kernels.text[k].trim()]).filter(([, t]) => / -> /.test(t));
  if (!lines.length) return h('div.block', null, h('h3', null, 'Memory'), h('span.soft', null, 'nothing of it is left in the code'));
  return h('div.block', null, h('h3', null, 'Memory'), stores.length ? stores.slice(0, 8).map(([, t]) => h('div.mono', null, t)) : h('span', null, 'in registers of its loop nest alone'),
    stores.length > 8 ? h('span.soft', null, `and ${stores.length - 8} more`) : null);
}

function historyBlock(n) {
  const p = S.piece, rows = [];
  for (let a = n; a && p.of[a];) {
    const i = inst(p, a), up = i.f.from[i.k];
    rows.push(h('tr', null, h('td.soft', null, `${i.f.stage} ${p.stages[i.f.stage].pass || 'as written'}`), h('td', null, link(a, `%${i.id} = ${i.text}`.slice(0, 90))), h('td.soft', null, up < 0 ? 'derived of' : '')));
    a = Math.abs(up);
  }
  return h('div.block', null, h('h3', null, 'Where it comes from'), h('table', null, rows.slice(0, 14)));
}

/* What something comes to in the code: FLOP of what is lit behind the last pass before the split. */
function cost(hot) {
  const p = S.piece, out = {sel: 0, drv: 0};
  let last = p.stages.length - 1;
  while (last > 0 && p.stages[last].pass === 'split') last--;
  for (const [n, c] of hot) { const i = inst(p, n); if (i.f.stage === last && c in out) out[c] += i.f.flop[i.k]; }
  return out;
}

function instBlock(n) {
  const p = S.piece, i = inst(p, n), role = i.f.role[i.k], up = i.f.from[i.k], block = h('div.block');
  block.append(h('h3.mono', null, `%${i.id} = ${i.text}`));
  block.append(h('div', null, h('span.to', {onclick: () => refresh(true)}, whereText(placeOf(i))), `   ${large(i.f.flop[i.k])} FLOP a sample`));
  if (role) {
    let a = n;
    while (inst(p, a) && inst(p, a).f.from[inst(p, a).k] > 0) a = inst(p, a).f.from[inst(p, a).k];
    const d = inst(p, a), prime = d && d.f.from[d.k] < 0 ? inst(p, -d.f.from[d.k]) : null, op = D.ops[i.f.of[i.k]][0];
    block.append(h('div', null, `part of the ${role === 1 ? 'adjoint (backwards)' : 'tangent (forwards)'} of `, prime ? link(prime.n, `%${prime.id} = ${prime.text}`.slice(0, 80)) : op));
    block.append(...ruleOf(prime ? prime.text : op));
  } else block.append(...ruleOf(i.text));
  return block;
}

function nodeBlock(node) {
  const p = S.piece, c = cost(S.hot), roles = [0, 0, 0], text = node.place ? D.files[node.place.file - 1].text.slice(node.place.begin, node.place.end) : '';
  let last = p.stages.length - 1;
  while (last > 0 && p.stages[last].pass === 'split') last--;
  for (const [n, c] of S.hot) { const i = inst(p, n); if (i.f.stage === last && c !== "pri") roles[i.f.role[i.k]]++; }
  const errors = [...S.hot].filter(([n]) => p.operatorError.has(n)).map(([n]) => [n, p.operatorError.get(n)]);
  const elsewhere = D.pieces.map((q, k) => [q, k]).filter(([q]) => q !== p && prepare(q).nodeMade.has(node.k)).slice(0, 8);
  return h('div.block', null, h('h3.mono', null, text.length > 160 ? text.slice(0, 160) + ' …' : text), h('div', null, `${node.kind} ${node.name}`, node.type ? h('span.soft', null, ' : ' + node.type) : ''),
    S.hot.size ? h('div', null, `before code: ${roles[0]} instructions, ${roles[1]} of adjoints, ${roles[2]} of tangents; ${large(c.sel)} FLOP, and ${large(c.drv)} of what is derived of it`)
      : h('div.soft', null, 'nothing of it is in this function'),
    errors.map(([n, e]) => h('div', null, link(n, '%' + inst(p, n).id + ' ' + opOf(inst(p, n).text)), ' beside differences: ', h('b' + (e <= EPS ? '.good' : '.bad'), null, number(e, 2)))),
    elsewhere.length ? h('div.soft', null, 'also in ', elsewhere.map(([q, k]) => [h('span.to', {onclick: () => choosePiece(k)}, `${q.kind} ${q.name}`), ' '])) : null);
}

function details() {
  const box = $('details');
  if (S.n) box.replaceChildren(...[instBlock(S.n), valueBlock(S.n), memoryBlock(S.hot), historyBlock(S.n)].filter(Boolean));
  else if (S.node) box.replaceChildren(...[nodeBlock(S.node), memoryBlock(S.hot)].filter(Boolean));
  else {
    const p = S.piece;
    box.replaceChildren(h('div.block', null, h('h3', null, `${p.kind} ${p.name}`), h('div', null, `${large(p.flops)} FLOP a sample, ${large(p.once)} a call`, p.data ? `; samples of ${p.data}` : ''),
      h('p.soft', null, 'Click an expression of the source, or an instruction. Click an expression again for the one around it. Keys: ?')),
      h('div.block', null, h('h3', null, 'Inputs'), h('table', null, p.inputs.slice(0, 40).map(([n, t]) => h('tr', null, h('td', null, n), h('td.mono', null, t))))));
  }
}

const differs = p => [...prepare(p).flowOf].filter(([, v]) => v[1] !== null && !(v[1] <= EPS)).map(([n]) => n);
const instLink = (p, n) => link(n, `%${inst(p, n).id} ${opOf(inst(p, n).text)}`);

/* What differs from differences, and what is not a number: above the panes; the smallest function that differs comes first. */
function findings() {
  const p = S.piece, out = [], wrong = differs(p), all = [...p.flowOf.values()], skipped = all.filter(v => v[1] === null);
  const others = D.pieces.map((q, k) => [q, k, differs(q).length]).filter(([q, , n]) => n && q !== p).sort(([a], [b]) => a.stages[0].fns[0].text.length - b.stages[0].fns[0].text.length);
  const mine = [], size = q => q.stages[0].fns[0].text.length;
  for (const [n, e] of p.operators) if (!(e <= EPS)) mine.push(h('span.bad', null, '✗ ', instLink(p, n), ` at ${whereText(placeOf(inst(p, n)))} differs from differences by ${number(e, 2)}  `));
  if (wrong.length) mine.push(h('span.bad', null, `✗ ${wrong.length === 1 ? 'a derivative' : wrong.length + ' derivatives'} of ${p.kind} ${p.name} ${wrong.length === 1 ? 'differs' : 'differ'} from differences: the rule that is wrong is one by `,
    wrong.slice(0, 5).map(n => [instLink(p, n), ` (${whereText(placeOf(inst(p, n)))}${p.flowOf.get(n)[2] ? ': ' + p.flowOf.get(n)[2] : ''}) `])));
  const theirs = others.map(([q, k, n]) => [size(q), h('span.bad', null, '✗ ', h('span.to', {onclick: () => choosePiece(k)}, `${q.kind} ${q.name}`), `: ${n} differ${n === 1 ? 's' : ''}  `)]);
  out.push(...theirs.filter(([n]) => n < size(p) || !wrong.length).slice(0, 6).map(([, e]) => e), ...mine, ...theirs.filter(([n]) => n >= size(p) && wrong.length).slice(0, 6).map(([, e]) => e));
  let bad = 0;
  for (const [index, v] of Object.entries(p.values)) v.forEach((one, k) => {
    if (one && one[3] === 2 && bad < 4 && p.fn.has(+index)) { bad++; out.push(h('span.bad', null, '✗ not finite first at ', instLink(p, p.fn.get(+index).first + k), '  ')); }
  });
  const seen = all.filter(v => v[1] !== null), count = seen.length + p.operators.length;
  if (!mine.length && count) out.push(h('span.good', null, `✓ ${count === 1 ? '1 derivative agrees' : `${count} derivatives agree`} with differences`, h('span.soft', null, `, the worst by ${number(Math.max(0, ...seen.map(v => v[1]), ...p.operators.map(o => o[1])), 2)}`)));
  if (skipped.length) {
    const why = new Map();
    skipped.forEach(v => { const t = v[2].replace(/%\d+/, 'a value'); why.set(t, (why.get(t) || 0) + 1); });
    out.push(h('span.soft', {title: [...why].map(([t, n]) => `${n}: ${t}`).join('\n')}, `  ${skipped.length} not compared: ${[...why].sort((a, b) => b[1] - a[1])[0][0]}${why.size > 1 ? ', …' : ''}  `));
  }
  $('findings').replaceChildren(...out);
}

/* ---- keys ----------------------------------------------------------------------------------------------------------------- */

const KEYS = [['j, k', 'next, previous instruction'], ['[, ]', 'stage before, after, in the first pane of IR'], ['p', 'to the primal, or to what it comes from'], ['u', 'the expression around'],
  ['/', 'find in the IR'], ['n', 'next function'], ['t', 'light or dark'], ['Esc', 'nothing is selected']];

function irPane() { return panes.find(q => q.kind === 'ir'); }

function key(e) {
  if (/INPUT|SELECT|TEXTAREA/.test(e.target.tagName)) { if (e.key === 'Escape') e.target.blur(); return; }
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const ir = irPane(), up = S.n && inst(S.piece, S.n).f.from[inst(S.piece, S.n).k];
  const stage = by => { if (!ir) return; ir.options.stage = Math.max(0, Math.min(S.piece.stages.length - 1, ir.view.stage + by)); ir.open('ir'); };
  const act = {j: () => ir && ir.view.step(1), k: () => ir && ir.view.step(-1), '[': () => stage(-1), ']': () => stage(1), p: () => up && selectInst(Math.abs(up)),
    u: () => S.node && S.node.parent >= 0 && selectNode(NODE[S.node.parent]), '/': () => { e.preventDefault(); $('find').focus(); }, t: () => $('theme').click(), Escape: clear,
    n: () => choosePiece((D.pieces.indexOf(S.piece) + 1) % D.pieces.length), '?': () => help()}[e.key];
  if (act) act();
}

function help() {
  const d = h('dialog', {onclick: () => d.remove()}, h('h3', null, 'Keys'), h('table', null, KEYS.map(([k, t]) => h('tr', null, h('td.mono', null, k), h('td', null, t)))));
  document.body.append(d);
  d.showModal();
}

function begin() {
  themed($('theme'));
  $('model').textContent = D.model;
  $('piece').append(...D.pieces.map((p, k) => h('option', {value: k}, `${p.kind} ${p.name}`)));
  $('piece').addEventListener('change', e => choosePiece(+e.target.value));
  $('sample').append(...Array.from({length: D.samples}, (_, k) => h('option', {value: k}, k)));
  $('sample').addEventListener('change', e => { S.sample = +e.target.value; refresh(false); });
  $('find').addEventListener('keydown', e => { if (e.key === 'Enter' && irPane()) irPane().view.find(e.target.value); });
  $('more').addEventListener('click', () => new Pane('assembly'));
  $('keys').addEventListener('click', help);
  document.addEventListener('keydown', key);
  S.piece = prepare(D.pieces[0]);
  for (const kind of ['source', 'ir', 'kernels']) new Pane(kind);
  findings();
  details();
}

pageData().then(data => {
  read(data);
  if (D.pieces.length) begin();
  else $('findings').textContent = 'There is no function in this model.';
  document.documentElement.dataset.ready = Math.round(performance.now());
});

/* The page of a model. Data (driver/explore/data.c):
 *   files   [{name, text}], numbered from 1             places  [[file, begin, end]], bytes; 0 is nowhere
 *   tree    [[kind, name, type, place, parent]]         ops     [[name, class, traits, rule by x, rule by y]]
 *   pieces  [{kind, name, stages, made, values, turns, flow, operators, patterns, code}], functions on their way to code
 *   values  by index of a function, of each instruction [size, least, most, 0 | 1 not finite | 2 not finite of finite operands, [elements of sample 0], ...];
 *           of a body that is run in turns the elements are of the last turn
 *   turns   by index of such a body {count, stride, badTurn, first, bad, size}: elements in the first turn and in the first that is not finite
 *           (badTurn, -1: none), and sizes of turns 0, stride, 2 stride, ...
 *   flow    {fn, flow: [[size of the derivative, error beside differences or null, why null, or a remark], ...], bodies: [{fn, turn, flow}]}
 *   stage   {pass, same, fns: [{name, index, first, in, out, text, place, from, role, of, flop, body}]}, the first being what was written
 *   code    {kernels: {text, number, nests, places}, asm: {text, number}}, or the number of a piece that has the same; number: of the instruction that a line is of
 *           nests: [line, turn] of each loop nest; places: [line behind its kernel's head, number, offset, bytes, first turn, last turn] in scratch
 * Instruction id of a function has the number first + id - 1 in its piece. from: the number that it is a copy of or was made of; negative: that it
 * is an adjoint or tangent of. made: triples, node of the tree, first number, number behind the last, of the first stage. */

let D, PLACE, NODE, OPS;   // data; places in characters; nodes of the tree; operators by name
const $ = id => document.getElementById(id);
const TRAIT = {linear: 1024, view: 256, deriv: 16};
const EPS = 1e-5;   // from here on a derivative disagrees with finite differences

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
    if (f.start.length > 1 && f.start[f.start.length - 1] === f.text.length) f.start.pop();
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
const textAt = p => p ? D.files[p.file - 1].text.slice(p.begin, p.end) : '';
function lineText(file, line) {
  const f = D.files[file - 1];
  return f.text.slice(f.start[line], line + 1 < f.start.length ? f.start[line + 1] - 1 : f.text.length).replace(/\n$/, '');
}

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
  p.before = p.stages.length - 1;                                   // the last stage before the parts of the code
  while (p.before > 0 && p.stages[p.before].pass === 'split') p.before--;
  return p;
}

const inst = (p, n) => { const f = p.of[n]; return f && {n, f, id: n - f.first + 1, k: n - f.first, text: f.text[n - f.first]}; };
const opOf = text => text.match(/^\S+/)[0];
const typeOf = text => text.slice(text.lastIndexOf(' : ') + 3);
const argsOf = text => (text.replace(/\{.*/, '').match(/%\d+/g) || []).map(a => +a.slice(1));
const placeOf = i => PLACE[i.f.place[i.k]];
const nameOfInput = i => i.f.in[+((i.text.match(/index=(\d+)/) || [])[1])] || '';
const briefly = n => { const i = inst(S.piece, n); return `%${i.id} ${opOf(i.text) === 'in' ? nameOfInput(i) : opOf(i.text)}`; };

function count(type) {
  const dims = (type.match(/\[([^\]]*)\]/) || ['', ''])[1].split(',').filter(d => d && d !== 'B');
  return dims.reduce((a, d) => a * (+d || 1), 1);
}

/* A parameter is an input that is the same for all samples. */
const isParameter = i => opOf(i.text) === 'in' && !/\[B/.test(i.text) && nameOfInput(i).includes('/');

/* ---- numbers ----------------------------------------------------------------------------------------------------------- */

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

/* The instruction that computes an expression of one number or array; 0: there is none, or it is not known which. */
function resultOf(p, node) {
  const made = p.nodeMade.get(node.k);
  return made && /^real/.test(node.type) ? made[0][1] - 1 : 0;
}

function rootOf(p, n) {
  for (; ;) { const i = inst(p, n), up = i ? i.f.from[i.k] : 0; if (up <= 0 || !p.of[up]) return n; n = up; }
}

/* Its flow, or that of a copy of it. */
function flowNear(p, n) {
  if (p.flowOf.has(n)) return p.flowOf.get(n);
  if (!p.flowOf.size) return null;
  if (!p.flowNear) p.flowNear = new Map();
  if (!p.flowNear.has(n)) {
    const same = [...spread(p, [n])].filter(([m, c]) => c === 'sel' && p.flowOf.has(m) && opOf(inst(p, m).text) === opOf(inst(p, n).text));
    p.flowNear.set(n, same.length === 1 ? p.flowOf.get(same[0][0]) : null);
  }
  return p.flowNear.get(n);
}

const wrongFlow = v => v && v[1] !== null && !(v[1] <= EPS);

/* Of what the derivative disagrees with finite differences: where that was seen, and what is the same in other stages. */
function wrongOnes(p) {
  if (p.wrong) return p.wrong;
  p.wrong = new Set();
  const seen = [...p.flowOf].filter(([, v]) => wrongFlow(v)).map(([n]) => n);
  for (const [n, e] of p.operators) if (!(e <= EPS)) p.wrong.add(n);
  for (const n of seen) for (const [m, c] of spread(p, [n])) if (c === 'sel' && opOf(inst(p, m).text) === opOf(inst(p, n).text) && typeOf(inst(p, m).text) === typeOf(inst(p, n).text)) p.wrong.add(m);
  return p.wrong;
}

/* ---- what lines of the model itself things are of ----------------------------------------------------------------------- */

/* By number, the smallest expression of the model's own file that made it, or that made what it comes from; -1: none. */
function owners(p) {
  if (p.owner) return p.owner;
  const own = p.owner = new Int32Array(p.of.length).fill(-1), size = k => NODE[k].place.end - NODE[k].place.begin;
  for (let k = 0; k < p.made.length; k += 3) {
    const node = NODE[p.made[k]];
    if (!node.place || node.place.file !== 1) continue;
    for (let n = p.made[k + 1]; n < p.made[k + 2]; n++) if (own[n] < 0 || size(own[n]) > size(node.k)) own[n] = node.k;
  }
  for (let n = 1; n < own.length; n++) {
    const i = inst(p, n);
    if (!i) continue;
    const a = Math.abs(i.f.from[i.k]);
    if (own[n] < 0 && a) own[n] = own[a];
    const body = i.f.body[i.k] && p.fn.get(i.f.body[i.k]);
    if (body && own[n] >= 0) for (let k = 0; k < body.text.length; k++) if (own[body.first + k] < 0) own[body.first + k] = own[n];
  }
  return own;
}

/* The line of a file that it is of; -1: of none there. */
function lineIn(p, n, file) {
  const i = inst(p, n), at = i && placeOf(i);
  if (at && at.file === file) return lineOf(at);
  const own = file === 1 && i ? owners(p)[n] : -1;
  return own >= 0 ? lineOf(NODE[own].place) : -1;
}

const turnsOf = text => /^scan /.test(text) ? +(text.match(/\{n=(\d+)/) || [1, 1])[1] : 1;

/* FLOP by number in a stage, turns of loops counted (of those that end when they have converged, all that they may take; of an adaptive integrator,
 * one evaluation). A loop itself has none: they are its body's. */
function work(p, stage) {
  if (!p.work) p.work = [];
  if (p.work[stage]) return p.work[stage];
  const out = p.work[stage] = new Map();
  const add = (f, times) => f.text.forEach((t, k) => {
    const body = f.body[k] && p.fn.get(f.body[k]);
    if (f.flop[k]) out.set(f.first + k, (out.get(f.first + k) || 0) + times * f.flop[k]);
    if (body) add(body, times * turnsOf(t));
  });
  add(p.stages[stage].fns[0], 1);
  out.all = [...out.values()].reduce((a, b) => a + b, 0);
  return out;
}

/* How many derivatives it is away from what was written. */
function order(p, n) {
  let d = 0;
  for (let a = n; ;) {
    const i = inst(p, a), up = i ? i.f.from[i.k] : 0;
    if (!up || !p.of[Math.abs(up)]) return d;
    d += up < 0;
    a = Math.abs(up);
  }
}

/* Lists of which only what is seen is in the page, the row of an instruction, and colours by what it is. */

const ROW = 18;

class List {
  /* draw: (row, k) -> element. options: text (row -> what is searched), number (row -> of which instruction it is, or 0), label, step. */
  constructor(body, draw, options) {
    Object.assign(this, {body, draw, rows: [], found: -1, options: options || {}});
    this.box = h('div.list');
    this.serial = ++List.made;
    this.head = this.options.head || null;
    body.replaceChildren(...[this.head, this.box].filter(Boolean));
    Object.entries({tabindex: 0, role: 'listbox', 'aria-label': this.options.label || 'lines'}).forEach(([k, v]) => body.setAttribute(k, v));
    body.addEventListener('scroll', () => this.paint());
    body.addEventListener('keydown', e => this.key(e));
    if (this.options.number) {
      body.addEventListener('mousemove', e => this.point(e));
      body.addEventListener('mouseleave', hoverNothing);
    }
    new ResizeObserver(() => this.paint()).observe(body);
  }
  set(rows) { this.rows = rows; this.found = -1; this.box.style.height = rows.length * ROW + 'px'; this.paint(); }
  paint() {
    if (!this.body.isConnected) return;   // its pane shows something else
    const high = this.all ? this.rows.length * ROW : this.body.clientHeight || 600;
    const first = this.all ? 0 : Math.max(0, Math.floor(this.body.scrollTop / ROW) - 5), n = Math.ceil(high / ROW) + 10, shown = [];
    for (let k = first; k < Math.min(this.rows.length, first + n); k++) {
      const e = this.draw(this.rows[k], k);
      e.style.top = k * ROW + 'px';
      e.dataset.k = k;
      if (k === this.found) e.classList.add('found');
      if (this.options.number) {
        const m = this.options.number(this.rows[k]);
        if (m) { e.dataset.n = m; e.setAttribute('role', 'option'); e.setAttribute('aria-selected', m === S.n ? 'true' : 'false'); }
        if (m && S.over.has(m)) e.classList.add('over');
        if (m && m === S.n) this.body.setAttribute('aria-activedescendant', e.id = 'now-' + this.serial);
      }
      shown.push(e);
    }
    this.box.replaceChildren(...shown);
  }
  hover() { for (const e of this.box.children) e.classList.toggle('over', S.over.has(+e.dataset.n)); }
  point(e) {
    const row = e.target.closest('.row'), n = row && +row.dataset.n;
    n ? hoverInst(n) : hoverNothing();
  }
  show(k) {
    const top = k * ROW, y = this.body.scrollTop, high = this.body.clientHeight;
    if (top < y + 2 * ROW || top > y + high - 2 * ROW) this.body.scrollTop = top - high / 3;
    this.paint();
  }
  key(e) {
    const by = {ArrowDown: 1, ArrowUp: -1}[e.key];
    if (!by || !this.options.number || e.target !== this.body) return;
    e.preventDefault();
    this.step(by);
  }
  step(by) {
    let k = this.rows.findIndex(r => this.options.number(r) === S.n && S.n);
    if (k < 0) k = by > 0 ? -1 : this.rows.length;
    for (k += by; k >= 0 && k < this.rows.length; k += by) if (this.options.number(this.rows[k])) { this.show(k); return selectInst(this.options.number(this.rows[k]), true); }
  }
  /* The next row with the text, behind the one found last; how many there are. */
  find(text, by) {
    const is = this.rows.map(r => this.options.text(r).toLowerCase().includes(text.toLowerCase())), all = is.filter(Boolean).length;
    if (!text || !all) { this.found = -1; this.paint(); return [0, 0]; }
    let k = this.found;
    do k = (k + by + this.rows.length) % this.rows.length; while (!is[k]);
    this.found = k;
    this.show(k);
    return [is.slice(0, k + 1).filter(Boolean).length, all];
  }
}

List.made = 0;

/* ---- stages ------------------------------------------------------------------------------------------------------------------ */

const stageName = (st, k) => `${k}  ${st.pass || 'as written'}${st.same ? ', ' + st.same : ''} (${st.fns.reduce((a, f) => a + f.text.length, 0)})${st.pass === 'split' && st.fns[0].name ? ' ' + st.fns[0].name : ''}`;

function stageSelect(at, change, label) {
  return h('select', {onchange: e => change(+e.target.value), 'aria-label': label || 'after pass', title: 'The function after this pass. In parentheses: how many instructions it has. Passes that changed nothing stand behind the one before.'},
    S.piece.stages.map((st, k) => h('option', {value: k, selected: k === at}, stageName(st, k))));
}

/* ---- colours ------------------------------------------------------------------------------------------------------------------- */

const TINTS = {links: 'links', lines: 'source lines', magnitude: 'magnitude', flow: 'gradient flow', flop: 'FLOP'};

/* Hues far from those of neighbours. */
const hueOfLine = line => (line * 137.5) % 360;
const lineTint = line => line < 0 ? '' : `color-mix(in srgb, hsl(${hueOfLine(line)} 75% 55%) 26%, var(--back))`;
const scaleTint = (hue, t) => `color-mix(in srgb, hsl(${hue} 80% 50%) ${Math.round(8 + 52 * Math.max(0, Math.min(1, t)))}%, var(--back))`;

const shownFile = () => { const s = panes.find(q => q.kind === 'source'); return s && s.view.file || 1; };

/* The colour of one instruction as the page is coloured; '': none. */
function tintOf(n) {
  const p = S.piece;
  if (S.tint === 'lines') return lineTint(lineIn(p, n, shownFile()));
  if (S.tint === 'magnitude') {
    const v = valueOf(p, n);
    if (!v) return '';
    if (v[3]) return 'var(--bad-soft)';
    if (!(v[0] > 0)) return '';
    const t = Math.log10(v[0]);
    return scaleTint(t < 0 ? 215 : 30, Math.abs(t) / 6);
  }
  if (S.tint === 'flow') {
    const v = flowNear(p, n);
    if (!v) return '';
    if (wrongFlow(v)) return 'var(--bad-soft)';
    if (p.mostFlow === undefined) p.mostFlow = Math.max(...[...p.flowOf.values()].map(q => +q[0] || 0));
    return v[0] > 0 ? scaleTint(285, 1 + Math.log10(v[0] / p.mostFlow) / 6) : '';
  }
  if (S.tint === 'flop') {
    const i = inst(p, n), w = work(p, i.f.stage);
    if (!w.most) w.most = [...w.values()].reduce((a, b) => Math.max(a, b), 1);
    const v = w.get(n) || 0;
    return v ? scaleTint(12, 1 + Math.log10(v / w.most) / 4) : '';
  }
  return '';
}

const TINT_TOLD = {
  links: [['sel', 'selected', 'what is selected, and what it became'], ['drv', 'derived from it', 'what was derived from it: adjoints, tangents'], ['pri', 'its primal', 'what it is derived of']],
  lines: 'One colour for each line of the file on the left, the same one in every pane.',
  magnitude: 'Root mean square over elements and samples: blue below 1, orange above, stronger by powers of ten. Red: not finite.',
  flow: 'Size of the derivative of the result by this value: pale is 10⁻⁶ of the largest. Red: disagrees with finite differences.',
  flop: 'Share of the floating-point operations: the strongest has most, pale has 10⁻⁴ of it.'};

function paintLegend() {
  const t = TINT_TOLD[S.tint], has = S.tint !== 'flow' || S.piece.flowOf.size;
  $('legend').title = Array.isArray(t) ? t.map(([c, , text]) => `${{sel: 'yellow', drv: 'blue', pri: 'green'}[c]}: ${text}`).join('\n') : t;
  $('legend').replaceChildren(...Array.isArray(t) ? t.flatMap(([c, text]) => [h('i.' + c), text]) : [has ? t : 'This function is no scalar, or it was too much work: no gradient flow was computed.']);
}

function setTint(kind) {
  S.tint = TINTS[kind] ? kind : 'links';
  $('tint').value = S.tint;
  document.body.dataset.tint = S.tint;
  paintLegend();
  panes.forEach(q => q.view.update(false));
}

/* Colours that are chosen take the place of those of links, of which a stripe is left. */
function tinted(e, n) {
  if (n && S.tint !== 'links') e.style.background = tintOf(n) || 'none';
  return e;
}

/* ---- an instruction -------------------------------------------------------------------------------------------------------------- */

const ROLE = ['', '.adjoint', '.tangent'];

/* What an operand is, for its tooltip. */
function operandTitle(f, id) {
  const i = inst(S.piece, f.first + id - 1), v = valueOf(S.piece, i.n);
  return `%${id} = ${opOf(i.text) === 'in' ? 'input ' + nameOfInput(i) + ' : ' + typeOf(i.text) : i.text}${v ? '\n' + valueTitle(v) : ''}\n${whereText(placeOf(i))}`;
}

/* The text of an instruction: operands are links. */
function instText(i) {
  const op = opOf(i.text), colon = i.text.lastIndexOf(' : '), role = i.f.role[i.k], rest = i.text.slice(op.length, colon);
  const out = [h('b.op' + ROLE[role], {title: opTitle(op)}, op)];
  if (op === 'in') out.push(' ' + nameOfInput(i));
  else for (const part of rest.split(/(%\d+|\{.*\}|@\d+)/)) {
    if (/^%/.test(part)) out.push(h('a.arg', {'data-arg': i.f.first + +part.slice(1) - 1}, part));
    else if (/^\{/.test(part)) out.push(h('span.attr', {title: attributeTitle(op, part)}, part));
    else out.push(part);
  }
  out.push(h('span.type', null, i.text.slice(colon)));
  return out;
}

function valueTitle(v) {
  return v[3] ? (v[3] === 2 ? 'not finite here first: its operands are finite' : 'not finite, nor are its operands')
    : v[4] && v[4].length === 1 && v.length > 5 ? `sample ${S.sample}: ${number(v[4 + Math.min(S.sample, v.length - 5)][0], 6)};  over all samples: rms ${number(v[0])}, from ${number(v[1])} to ${number(v[2])}`
    : `root mean square over all elements${v.length > 5 ? ' and samples' : ''}: ${number(v[0])};  from ${number(v[1])} to ${number(v[2])}`;
}

function valueText(v) {
  if (!v) return '';
  if (v[3]) return v[3] === 2 ? 'NaN first' : 'NaN';
  const one = v[4 + Math.min(S.sample, v.length - 5)];
  if (!one) return '';
  return one.length === 1 ? number(one[0]) : '‖' + number(v[0], 3) + '‖';
}

const MARK = {'✗': 'its derivative disagrees with finite differences', '~': 'changed: other operands or attributes', '∂': 'derived of something', '+': 'new', '−': 'gone', '↕': 'kept, in another place'};

function instRow(n, mark, extra) {
  const p = S.piece, i = inst(p, n), v = valueOf(p, n), hot = S.hot.get(n), role = i.f.role[i.k], sign = wrongOnes(p).has(n) ? '✗' : mark || '';
  const row = h('div.row' + (hot ? '.' + hot : '') + (S.n === n ? '.now' : '') + (v && v[3] ? '.nan' : '') + (extra || ''), {onclick: e => clickRow(e, n)},
    h('span.mark' + (sign === '✗' ? '.bad' : ''), sign ? {title: MARK[sign] || ''} : null, sign), h('span.id', null, '%' + i.id), h('span.val', v ? {title: valueTitle(v)} : null, valueText(v)), ...instText(i),
    h('span.where', null, role ? (role === 1 ? 'adjoint of ' : 'tangent of ') + D.ops[i.f.of[i.k]][0] + '  ' : '', whereText(placeOf(i))));
  return tinted(row, n);
}

function clickRow(e, n) {
  const arg = e.target.dataset && +e.target.dataset.arg;
  selectInst(arg || n);
}

/* Tooltips of operands are made when they are asked for. */
document.addEventListener('mouseover', e => {
  const arg = e.target.dataset && +e.target.dataset.arg;
  if (arg && !e.target.title) { const i = inst(S.piece, arg); e.target.title = operandTitle(i.f, i.id); }
});

const COLUMNS = () => h('div.columns', null, h('span.mark'), h('span.id', {title: 'The number of an instruction in its function.'}, '%'),
  h('span.val', {title: 'A scalar: its number at the sample chosen on top. ‖x‖: root mean square of an array over its elements and all samples.'}, 'value, ‖rms‖'),
  h('span', {title: 'Operator, operands, {attributes} : type. f64[B,3] has three numbers for each sample, f64[3] the same three for all.'}, 'instruction'), h('span.where', null, 'of, line'));

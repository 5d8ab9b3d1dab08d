/* Loop nests, assembly, and where values lie in memory. */

class KernelView {
  constructor(pane) {
    this.c = S.piece.code && S.piece.code.kernels;
    if (!this.c) { pane.body.replaceChildren(h('p.card.soft', null, 'No code was made of this function.')); return; }
    const heads = this.c.text.map((t, k) => [t.match(/kernel (\S+?):/), k]).filter(([m]) => m);
    pane.bar.append(h('select', {'aria-label': 'kernel', onchange: e => this.list.show(+e.target.value)}, heads.map(([m, k]) => h('option', {value: k}, m[1] + (this.c.text[k].startsWith('for at most') ? ', few samples' : '')))));
    this.list = new List(pane.body, k => {
      const n = this.c.number[k], hot = n && S.hot.get(n), t = this.c.text[k];
      return tinted(h('div.row' + (n ? '' : '.head') + (hot ? '.' + hot : '') + (n && n === S.n ? '.now' : ''), n ? {onclick: () => selectInst(n)} : null, ...n ? this.parts(t, n) : [t]), n || 0);
    }, {label: 'loop nests', number: k => this.c.number[k], text: k => this.c.text[k]});
    this.list.set(this.c.text.map((_, k) => k));
  }
  parts(t, n) {
    const m = t.match(/^(\s+)(%\d+ = )?(\S+)(.*?)( : \S+| -> .*)?$/), i = inst(S.piece, n);
    return m ? [m[1], m[2] ? h('span.soft', null, m[2]) : '', h('b.op' + (m[2] ? ROLE[i.f.role[i.k]] : ''), null, m[3]), m[4], m[5] ? h('span' + (m[5][1] === ':' ? '.type' : '.store'), null, m[5]) : ''] : [t];
  }
  update(scroll) {
    if (!this.c) return;
    const k = scroll ? this.c.number.findIndex(n => S.hot.get(n) === 'sel') : -1, d = scroll && k < 0 ? this.c.number.findIndex(n => S.hot.has(n)) : k;
    if (d >= 0) this.list.show(d);
    else this.list.paint();
  }
  hover() { if (this.c) this.list.hover(); }
  find(text, by) { return this.c ? this.list.find(text, by) : [0, 0]; }
}

class AssemblyView {
  constructor(pane) {
    this.c = S.piece.code && S.piece.code.asm;
    if (!this.c) { pane.body.replaceChildren(h('p.card.soft', null, 'No code was made of this function.')); return; }
    this.constants = constantsOf(this.c.text);
    this.all = h('input', {type: 'checkbox', onchange: () => this.fill()});
    this.labels = h('select', {'aria-label': 'function in the assembly', onchange: e => this.list.show(+e.target.value)});
    pane.bar.append(this.labels, h('label', {title: 'sections, alignments, constants'}, this.all, 'directives'), this.told = h('span.soft'));
    this.list = new List(pane.body, k => this.draw(k), {label: 'assembly', number: k => this.c.number[k], text: k => this.c.text[k]});
    this.fill();
  }
  fill() {
    const data = t => /^\t\.|^\s*$|^\s*#|^\.LCPI/.test(t) && !/^\.LBB/.test(t);
    const rows = this.c.text.map((_, k) => k).filter(k => this.all.checked || !data(this.c.text[k]));
    const labels = rows.map((k, r) => [this.c.text[k].match(/^([A-Za-z_][\w.]*):/), r]).filter(([m]) => m && !m[1].startsWith('.L'));
    this.labels.replaceChildren(...labels.map(([m, k]) => h('option', {value: k}, m[1])));
    this.told.textContent = `${rows.length} lines`;
    this.list.set(rows);
  }
  draw(k) {
    const n = this.c.number[k], hot = n && S.hot.get(n), t = this.c.text[k].replace(/\t/g, '    '), m = t.match(/^(    )([a-z][\w.]*)( *)(.*)$/), title = explainAsm(t, this.constants);
    const said = n && inst(S.piece, n) ? `\nof %${inst(S.piece, n).id} ${opOf(inst(S.piece, n).text)}  ${whereText(placeOf(inst(S.piece, n)))}` : '';
    const row = h('div.row' + (hot ? '.' + hot : '') + (/^\S/.test(t) ? '.head' : '') + (n && n === S.n ? '.now' : ''), {onclick: () => n && selectInst(n), title: title || said ? (title + said).trim() : null}, ...m ? [m[1], h('b.op', null, m[2].padEnd(14)), ' ', m[4]] : [t]);
    return tinted(row, n || 0);
  }
  update(scroll) {
    if (!this.c) return;
    const of = want => this.list.rows.findIndex(r => this.c.number[r] && want(S.hot.get(this.c.number[r])));
    let k = scroll ? of(c => c === 'sel') : -1;
    if (scroll && k < 0) k = of(c => c);
    if (k >= 0) this.list.show(k);
    else this.list.paint();
  }
  hover() { if (this.c) this.list.hover(); }
  find(text, by) { return this.c ? this.list.find(text, by) : [0, 0]; }
}

/* ---- memory ------------------------------------------------------------------------------------------------------------------------ */

/* Kernels with their scratch: {name, line, bytes, first, last, places: [{n, off, bytes, t0, t1}], nests: [[line, turn]]}. */
function scratchOf(p) {
  if (p.scratch) return p.scratch;
  p.scratch = [];
  const c = p.code && p.code.kernels;
  if (!c || !c.places) return p.scratch;
  c.text.forEach((t, line) => {
    const m = t.match(/kernel (\S+): (.*), scratch (\d+) bytes/);
    if (m) p.scratch.push({name: m[1], form: (t.startsWith('for at most') ? t.match(/^for at most \d+ samples: /)[0] : '') + m[2], line, bytes: +m[3], places: [], nests: []});
  });
  const at = line => { let k = p.scratch.length - 1; while (k > 0 && p.scratch[k].line >= line) k--; return p.scratch[k]; };
  for (const [line, n, off, bytes, t0, t1] of c.places) if (p.of[n]) at(line).places.push({n, off, bytes, t0, t1});
  for (const q of c.nests) at(q[0] + 1).nests.push(q);
  for (const s of p.scratch) s.last = Math.max(1, ...s.places.map(q => q.t1), ...s.nests.map(q => q[1]));
  return p.scratch;
}

/* Bytes from left to right, time downwards: a box for each value in scratch. */
function scratchChart(s, width, high) {
  const x = b => b / s.bytes * width, y = t => (t - 1) / s.last * high, out = svg('svg', {class: 'scratch', width: width + 2, height: high + 2, role: 'img', 'aria-label': `scratch of ${s.name}`});
  out.append(svg('rect', {class: 'all', x: .5, y: .5, width, height: high}));
  for (const q of s.places.slice().sort((a, b) => !!S.hot.get(a.n) - !!S.hot.get(b.n))) {
    const i = inst(S.piece, q.n), c = S.hot.get(q.n) || '', t = S.tint !== 'links' ? tintOf(q.n) : '';
    const title = svg('title', {});
    title.textContent = `${briefly(q.n)} : ${typeOf(i.text)}\n${large(q.bytes)} bytes from ${q.off} on, from loop nest ${nestNumber(s, q.t0)} to ${nestNumber(s, q.t1)} of ${s.nests.length}\n${whereText(placeOf(i))}`;
    out.append(svg('rect', {class: 'value ' + (c || ['', 'adjoint', 'tangent'][i.f.role[i.k]]) + (q.n === S.n ? ' now' : ''), x: .5 + x(q.off), y: .5 + y(q.t0), width: Math.max(1, x(q.bytes)), height: Math.max(1.5, y(q.t1 + 1) - y(q.t0)), style: t ? `fill: ${t}` : '', onclick: () => selectInst(q.n), onmouseenter: () => hoverInst(q.n), onmouseleave: hoverNothing}, title));
    if (x(q.bytes) > 34 && y(q.t1 + 1) - y(q.t0) > 16 && high > 100) {
      const text = svg('text', {x: x(q.off) + 5, y: y(q.t0) + 14, 'pointer-events': 'none'});
      text.textContent = briefly(q.n).slice(0, Math.floor(x(q.bytes) / 7));
      out.append(text);
    }
  }
  return out;
}
const nestNumber = (s, t) => Math.max(1, s.nests.filter(q => q[1] <= t).length);

class MemoryView {
  constructor(pane) {
    this.body = pane.body;
    const all = scratchOf(S.piece).filter(s => s.places.length);
    const largest = all.reduce((a, s, k) => s.bytes > all[a].bytes ? k : a, 0);
    this.s = all[Math.min(pane.options.kernel === undefined ? largest : pane.options.kernel, all.length - 1)];
    if (!this.s) { pane.body.replaceChildren(h('p.card.soft', null, 'No value of this function lies in scratch: all are in registers, inputs or results.')); return; }
    pane.bar.append(h('select', {'aria-label': 'kernel', onchange: e => { pane.options.kernel = +e.target.value; this.s = all[+e.target.value]; this.update(); }},
      all.map((s, k) => h('option', {value: k, selected: s === this.s}, `${s.name}${s.form.startsWith('for') ? ', few samples' : ''}: ${large(s.bytes)} bytes`))));
    new ResizeObserver(() => this.update()).observe(this.body);
    this.update();
  }
  update() {
    if (!this.s || !this.body.isConnected) return;
    const w = Math.max(120, this.body.clientWidth - 24), high = Math.max(120, this.body.clientHeight - 90);
    this.body.replaceChildren(h('div.card', null, h('div', null, h('b', null, this.s.name), h('span.soft', null, ` ${this.s.form}`)), scratchChart(this.s, w, high),
      h('div.axis.soft', null, h('span', null, '0'), h('span', null, `scratch, ${large(this.s.bytes)} bytes for a tile of samples →`), h('span', null, large(this.s.bytes))),
      h('div.soft', null, `Downwards: ${this.s.nests.length === 1 ? 'one loop nest' : this.s.nests.length + ' loop nests, one after the other'}. A box is a value: where it lies, and how long it is needed.`)));
  }
}

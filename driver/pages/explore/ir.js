/* The IR after a pass: parameters in one row, lines of the source in one where it is folded. */

class IRView {
  constructor(pane) {
    this.pane = pane;
    const last = S.piece.stages.length - 1;
    this.stage = pane.options.stage === undefined ? S.piece.before : Math.min(pane.options.stage, last);
    this.open = new Set();
    this.fold = h('input', {type: 'checkbox', onchange: () => { this.fill(); this.update(true); }});
    this.choose = stageSelect(this.stage, k => { this.pane.options.stage = this.stage = k; this.fill(); this.update(true); remember(true); });
    pane.bar.append(h('button', {title: 'pass before  [', 'aria-label': 'pass before', onclick: () => stageBy(pane, -1)}, '‹'), this.choose,
      h('button', {title: 'pass after  ]', 'aria-label': 'pass after', onclick: () => stageBy(pane, 1)}, '›'), h('label', {title: 'one row for each line of the source'}, this.fold, 'fold lines'));
    this.list = new List(pane.body, r => this.draw(r), {head: COLUMNS(), label: 'instructions', number: r => r.n || 0, text: r => r.n ? `%${inst(S.piece, r.n).id} ${inst(S.piece, r.n).text} ${opOf(inst(S.piece, r.n).text) === 'in' ? nameOfInput(inst(S.piece, r.n)) : ''} ${whereText(placeOf(inst(S.piece, r.n)))}` : r.head || ''});
    this.fill();
  }
  fill() {
    this.rows = [];
    this.at = new Map();
    const st = S.piece.stages[this.stage];
    for (const f of st.fns) {
      this.rows.push({head: (f === st.fns[0] ? '@' : 'body @') + f.name});
      const from = this.parameters(f);
      this.fold.checked ? this.folded(f, from) : this.run(f, from);
      this.rows.push({head: '   return ' + f.out.map(([id, name]) => '%' + id + (name ? ` "${name}"` : '')).join(', ')});
    }
    this.list.set(this.rows);
  }
  push(n) { this.at.set(n, this.rows.length); this.rows.push({n}); }
  /* Parameters in front, more than two of them, are one row. Returns what is behind them. */
  parameters(f) {
    let e = 0;
    while (e < f.text.length && isParameter(inst(S.piece, f.first + e))) e++;
    if (e < 3) return 0;
    const all = f.text.slice(0, e).reduce((a, t) => a + count(typeOf(t)), 0);
    this.group({params: e, a: f.first, b: f.first + e, all}, f.first, f.first + e);
    return e;
  }
  group(row, a, b) {
    for (let q = a; q < b; q++) this.at.set(q, this.rows.length);
    this.rows.push(row);
    if (this.open.has(a)) for (let q = a; q < b; q++) this.push(q);
  }
  /* One instruction a row; parameters between the others are rows of their own kind if there are many. */
  run(f, from) {
    for (let k = from; k < f.text.length;) {
      let e = k;
      while (e < f.text.length && isParameter(inst(S.piece, f.first + e))) e++;
      if (e - k > 3) { this.group({params: e - k, a: f.first + k, b: f.first + e, all: f.text.slice(k, e).reduce((a, t) => a + count(typeOf(t)), 0)}, f.first + k, f.first + e); k = e; }
      else this.push(f.first + k++);
    }
  }
  folded(f, from) {
    for (let k = from; k < f.text.length;) {
      const line = q => { const p = PLACE[f.place[q]]; return p ? p.file + ':' + lineOf(p) + ':' + f.role[q] : ''; };
      let e = k + 1;
      while (e < f.text.length && line(e) === line(k)) e++;
      this.group({line: PLACE[f.place[k]], a: f.first + k, b: f.first + e, role: f.role[k], flop: f.flop.slice(k, e).reduce((x, y) => x + y, 0)}, f.first + k, f.first + e);
      k = e;
    }
  }
  draw(r) {
    if (r.head !== undefined) return h('div.row.head', null, r.head);
    if (r.n) return instRow(r.n);
    let hot = '';
    for (let n = r.a; n < r.b && hot !== 'sel'; n++) hot = S.hot.get(n) || hot;
    const toggle = () => { this.open.has(r.a) ? this.open.delete(r.a) : this.open.add(r.a); this.fill(); };
    const open = this.open.has(r.a), row = h('div.row.fold' + (hot ? '.' + hot : ''), {onclick: toggle, 'aria-expanded': open}, h('span.mark', null, open ? '▾' : '▸'));
    if (r.params) row.append(h('span.id', null, ''), `${r.params} parameters, ${large(r.all)} numbers`);
    else {
      row.append(h('span' + ROLE[r.role], null, `${whereText(r.line) || 'no line'}  `), h('span', null, (r.line ? lineText(r.line.file, lineOf(r.line)).trim() : '').slice(0, 90)), h('span.where', null, `${r.role ? 'derived, ' : ''}${r.b - r.a} instructions, ${large(r.flop)} FLOP`));
      tinted(row, r.a);
    }
    return row;
  }
  update(scroll) {
    const folded = n => this.rows[this.at.get(n)] && !this.rows[this.at.get(n)].n && this.rows[this.at.get(n)].params;
    if (scroll && S.n && this.at.has(S.n)) {
      if (folded(S.n)) { this.open.add(this.rows[this.at.get(S.n)].a); this.fill(); }
      return this.list.show(this.at.get(S.n));
    }
    if (scroll) for (const want of ['sel', 'drv', 'pri'])
      for (const [n, k] of this.at) if (S.hot.get(n) === want && !folded(n)) return this.list.show(k);
    this.list.paint();
  }
  hover() { this.list.hover(); }
  step(by) { this.list.step(by); }
  find(text, by) {
    const hit = S.piece.stages[this.stage].fns.some(f => f.text.some((t, k) => isParameter(inst(S.piece, f.first + k)) && nameOfInput(inst(S.piece, f.first + k)).includes(text)));
    if (hit && text) { for (const r of this.rows.slice()) if (r.params && !this.open.has(r.a)) this.open.add(r.a); this.fillKeeping(); }
    return this.list.find(text, by);
  }
  fillKeeping() { const found = this.list.found; this.fill(); this.list.found = found; }
}

function stageBy(pane, by) {
  pane.options.stage = Math.max(0, Math.min(S.piece.stages.length - 1, pane.view.stage + by));
  pane.open(pane.kind);
  remember(true);
}

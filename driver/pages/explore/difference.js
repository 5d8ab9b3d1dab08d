/* Two stages: what one has of the other, by where instructions come from; in one column or beside one another. */

/* The longest ascending run of places: what of it stands in order, the rest was moved. */
function inOrder(list) {
  const tails = [], from = new Array(list.length);
  list.forEach((v, k) => {
    let lo = 0, hi = tails.length;
    while (lo < hi) { const m = (lo + hi) >> 1; if (list[tails[m]] < v) lo = m + 1; else hi = m; }
    from[k] = lo ? tails[lo - 1] : -1;
    tails[lo] = k;
  });
  const keep = new Set();
  for (let k = tails.length ? tails[tails.length - 1] : -1; k >= 0; k = from[k]) keep.add(k);
  return keep;
}

class DifferenceView {
  constructor(pane) {
    const last = S.piece.stages.length - 1, o = pane.options;
    this.a = Math.min(o.a === undefined ? Math.max(0, S.piece.before - 1) : o.a, last);
    this.b = Math.min(o.b === undefined ? Math.min(this.a + 1, last) : o.b, last);
    this.side = h('input', {type: 'checkbox', checked: o.side !== false, onchange: e => { o.side = e.target.checked; this.fill(); }});
    this.only = h('input', {type: 'checkbox', checked: o.only !== false, onchange: e => { o.only = e.target.checked; this.fill(); }});
    pane.bar.append(stageSelect(this.a, k => { o.a = this.a = k; this.fill(); }, 'from'), '→', stageSelect(this.b, k => { o.b = this.b = k; this.fill(); }, 'to'),
      h('label', {title: 'what was on the left, what became of it on the right'}, this.side, 'side by side'), h('label', {title: 'folds what both have alike'}, this.only, 'changes alone'));
    this.list = new List(pane.body, r => this.draw(r), {label: 'difference of two stages', number: r => r.n || r.l || 0, text: r => r.head || [r.n, r.l].filter(Boolean).map(n => inst(S.piece, n).text).join(' ')});
    this.fill();
  }
  /* What an instruction of the second stage comes from in the first, and whether derived. */
  origin(n) {
    const p = S.piece;
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
  }
  fill() {
    const p = S.piece, tally = {same: 0, moved: 0, changed: 0, derived: 0, made: 0, gone: 0}, rows = [], shape = t => t.replace(/%\d+/g, '%').replace(/ @\d+/, ' @');
    const right = [], used = new Set();
    for (const f of p.stages[this.b].fns) f.text.forEach((t, k) => {
      const n = f.first + k, [o, derived] = this.origin(n), first = o && !derived && !used.has(o);
      if (first) used.add(o);
      right.push({n, fn: f, o: first ? o : 0, kind: !o ? 'made' : derived ? 'derived' : shape(inst(p, o).text) === shape(t) ? 'same' : 'changed'});
    });
    const kept = right.filter(r => r.o), order = inOrder(kept.map(r => r.o));
    kept.forEach((r, k) => { if (!order.has(k)) r.moved = true; });
    const left = p.stages[this.a].fns.flatMap(f => f.text.map((_, k) => f.first + k)), movedTo = new Map(kept.filter(r => r.moved).map(r => [r.o, r.n]));
    let at = 0, fn = null;
    const before = upto => {
      for (; at < left.length && left[at] !== upto; at++) {
        if (!used.has(left[at])) { rows.push({l: left[at], mark: '−', cls: '.gone'}); tally.gone++; }
        else if (movedTo.has(left[at])) rows.push({l: left[at], to: movedTo.get(left[at]), mark: '↕', cls: '.away'});
      }
      if (upto !== undefined) at++;
    };
    for (const r of right) {
      if (r.o && !r.moved) before(r.o);
      if (r.fn !== fn) rows.push({head: '@' + (fn = r.fn).name});
      const kind = r.kind;
      tally[kind]++;
      tally.moved += !!r.moved;
      rows.push({n: r.n, l: r.moved ? 0 : r.o, from: r.moved ? r.o : 0, mark: r.moved && kind === 'same' ? '↕' : {same: '', changed: '~', derived: '∂', made: '+'}[kind], cls: kind === 'changed' ? '.changed' : kind !== 'same' ? '.new' : r.moved ? '.moved' : ''});
    }
    before();
    const side = this.side.checked, shown = this.folded(rows.filter(r => side || r.head || r.mark !== '↕' || r.n));
    shown.unshift({head: `${tally.same} kept, ${tally.moved} of them moved ↕, ${tally.changed} changed ~, ${tally.derived} derived ∂, ${tally.made} new +, ${tally.gone} gone −`});
    this.at = new Map();
    shown.forEach((r, k) => { if (r.l) this.at.set(r.l, k); if (r.n) this.at.set(r.n, k); });
    this.rows = shown;
    this.list.body.classList.toggle('beside', side);
    this.list.set(shown);
  }
  /* Changes with two rows around them; what is alike between them is one row. */
  folded(rows) {
    if (!this.only.checked) return rows;
    const near = rows.map((r, k) => r.head && !/^ /.test(r.head) || rows.slice(Math.max(0, k - 2), k + 3).some(q => q.mark)), out = [];
    for (let k = 0; k < rows.length;) {
      let e = k;
      while (e < rows.length && !near[e]) e++;
      if (e - k > 1) out.push({head: `   ⋯ ${e - k} alike`});
      else if (e > k) out.push(rows[k]);
      if (e < rows.length) out.push(rows[e]);
      k = e + 1;
    }
    return out;
  }
  cell(n, r) {
    if (!n) return h('span.cell.none');
    const i = inst(S.piece, n), hot = S.hot.get(n);
    return h('span.cell' + (hot ? '.' + hot : ''), {title: `%${i.id} = ${i.text}`, onclick: e => clickRow(e, n)}, h('span.id', null, '%' + i.id), ...instText(i));
  }
  draw(r) {
    if (r.head) return h('div.row.head', null, r.head);
    if (!this.side.checked) return instRow(r.n || r.l, r.mark, r.cls);
    const title = r.to ? `moved: now %${inst(S.piece, r.to).id}` : r.from ? `moved: was %${inst(S.piece, r.from).id}` : MARK[r.mark] || '';
    return h('div.row' + r.cls + (S.n && (S.n === r.n || S.n === r.l) ? '.now' : ''), null, this.cell(r.l, r), h('span.mark', title ? {title} : null, r.mark), this.cell(r.n, r));
  }
  update(scroll) {
    const k = this.rows.findIndex(r => [r.n, r.l].some(n => n && S.hot.get(n) === 'sel'));
    if (scroll && k >= 0) this.list.show(S.n && this.at.has(S.n) ? this.at.get(S.n) : k);
    else this.list.paint();
  }
  hover() { this.list.hover(); }
  find(text, by) { return this.list.find(text, by); }
}

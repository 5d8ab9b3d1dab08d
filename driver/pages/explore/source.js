/* The source, and its syntax tree. */

const WORDS = /(#.*$)|("[^"]*")|\b(precision|import|const|hamiltonian|fn|net|flow|symplectic|volume|prove|data|use|loss|train|report|expect|plot|save|let|return|yield|repeat|for|in|on|param|inverse|logdet|if|else|require|evolve|running|language|ode|measure)\b|\b(\d+\.?\d*(?:e[+-]?\d+)?)\b/g;

/* What an expression is: kind, type, value. */
function nodeTitle(node) {
  const n = resultOf(S.piece, node), v = n && valueOf(S.piece, n);
  return `${node.kind} ${node.name}${node.type ? ' : ' + node.type : ''}${v ? '\n' + valueTitle(v) : ''}`;
}

class SourceView {
  constructor(pane) {
    this.body = pane.body;
    this.file = 1;
    this.choose = h('select', {'aria-label': 'file', onchange: e => { this.file = +e.target.value; this.fill(); panes.forEach(q => q.view !== this && q.view.update(false)); }},
      D.files.map((f, k) => h('option', {value: k + 1, title: f.name}, f.name.replace(/^.*\/(?=std\/)/, '').replace(/^.*\/(?!.*std\/)/, ''))));
    if (D.files.length > 1) pane.bar.append(this.choose);
    else pane.bar.append(h('span.soft', null, shortName(1)));
    this.pre = h('pre.source', {onclick: e => this.click(e), onmousemove: e => this.point(e), onmouseleave: hoverNothing});
    pane.body.setAttribute('tabindex', 0);
    pane.body.setAttribute('aria-label', 'source');
    pane.body.replaceChildren(this.pre);
    this.fill();
  }
  fill() {
    const f = D.files[this.file - 1];
    this.choose.value = this.file;
    this.work = this.costs();
    this.made = new Set(S.piece.stages[S.piece.before].fns.flatMap(g => g.text.map((_, k) => lineIn(S.piece, g.first + k, this.file))));
    this.lines = f.start.map((a, k) => h('span.l', {'data-n': k + 1, 'data-at': a}, this.cost(k), ...this.line(lineText(this.file, k))));
    this.pre.replaceChildren(...this.lines);
    this.marked = [];
    this.update(false);
  }
  /* FLOP of each line: what stands there, and what is derived from it. */
  costs() {
    const out = new Map(), p = S.piece;
    let all = 0;
    for (const [n, v] of work(p, p.before)) {
      const line = lineIn(p, n, this.file), at = out.get(line) || [0, 0];
      at[inst(p, n).f.role[inst(p, n).k] ? 1 : 0] += v;
      all += v;
      out.set(line, at);
    }
    this.all = all;
    return out;
  }
  cost(k) {
    const c = this.work.get(k), v = c ? c[0] + c[1] : 0;
    if (!v || v < this.all * .0005) return h('i.cost');
    const part = 100 * v / this.all;
    return h('i.cost', {title: `${part < 1 ? '< 1' : part.toFixed(0)} % of the FLOP of ${S.piece.kind} ${S.piece.name}: ${large(Math.round(c[0]))} as written, ${large(Math.round(c[1]))} of derivatives`},
      h('u', {style: `width: ${Math.max(2, 26 * v / this.all)}px`}));
  }
  line(s) {
    const out = [];
    let last = 0;
    for (const m of s.matchAll(WORDS)) {
      out.push(s.slice(last, m.index), h('span' + (m[1] ? '.comment' : m[2] ? '.string' : m[3] ? '.word' : '.num'), null, m[0]));
      last = m.index + m[0].length;
    }
    out.push(s.slice(last));
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
  /* Nodes there, the smallest first, of which there is something; or all of them. */
  nodes(at) {
    const here = NODE.filter(n => n.place && n.place.file === this.file && n.place.begin <= at && at <= n.place.end)
      .sort((a, b) => (a.place.end - a.place.begin) - (b.place.end - b.place.begin) || b.k - a.k);
    const good = here.filter(n => S.piece.nodeMade.has(n.k) || seedsOfNode(S.piece, n).length);
    return good.length ? good : here;
  }
  /* The smallest node there of which there is something; the same place again: the next one around it. */
  click(e) {
    const at = this.offset(e);
    if (at < 0 || String(getSelection())) return;
    const list = this.nodes(at), now = at === this.clicked ? list.indexOf(S.node) : -1;
    this.clicked = at;
    if (list.length) selectNode(list[(now + 1) % list.length]);
  }
  point(e) {
    const at = this.offset(e);
    if (at === this.pointed) return;
    this.pointed = at;
    const node = at < 0 ? null : this.nodes(at)[0];
    this.pre.title = node ? nodeTitle(node) : '';
    node ? hover(seedsOfNode(S.piece, node), node.place) : hoverNothing();
  }
  goto(place) {
    if (place.file !== this.file) { this.file = place.file; this.fill(); }
    this.update(false);
    this.lines[lineOf(place)].scrollIntoView({block: 'center'});
  }
  hover() { this.draw(); }
  update(scroll) {
    if (scroll && S.spans[0] && S.spans.every(s => s.file !== this.file)) { this.file = S.spans[0].file; this.fill(); return this.update(scroll); }
    this.draw();
    if (this.tint !== S.tint || S.tint === 'lines') this.lines.forEach((l, k) => l.style.background = S.tint === 'lines' && this.made.has(k) ? lineTint(k) : '');
    this.tint = S.tint;
    const at = S.spans.find(q => q.file === this.file);
    if (scroll && at) {
      const l = this.lines[lineOf(at)], y = l.offsetTop, body = this.body;
      if (y < body.scrollTop || y > body.scrollTop + body.clientHeight - 3 * ROW) body.scrollTop = y - body.clientHeight / 3;
    }
  }
  /* Marks what is selected, and what is pointed at. */
  draw() {
    const spans = [...S.spans.map(s => [s, '']), ...S.overSpans.map(s => [s, '.over'])].filter(([s]) => s.file === this.file), f = D.files[this.file - 1], now = new Map();
    for (const [s, c] of spans) for (let k = lineOf(s); k < f.start.length && f.start[k] < s.end; k++) (now.get(k) || now.set(k, []).get(k)).push([s, c]);
    for (const k of new Set([...this.marked, ...now.keys()])) this.redraw(k, now.get(k) || []);
    this.marked = [...now.keys()];
  }
  redraw(k, spans) {
    const a = D.files[this.file - 1].start[k], s = lineText(this.file, k), cuts = new Set([0, s.length]);
    if (!spans.length) { this.lines[k].replaceChildren(this.cost(k), ...this.line(s)); return; }
    for (const [q] of spans) for (const c of [q.begin - a, q.end - a]) if (c > 0 && c < s.length) cuts.add(c);
    const at = [...cuts].sort((x, y) => x - y), out = [];
    for (let j = 0; j + 1 < at.length; j++) {
      const cls = spans.filter(([q]) => q.begin - a <= at[j] && q.end - a >= at[j + 1]).map(([, c]) => c || '.on').join('');
      out.push(cls ? h('mark' + cls, null, s.slice(at[j], at[j + 1])) : s.slice(at[j], at[j + 1]));
    }
    this.lines[k].replaceChildren(this.cost(k), ...out);
  }
  find(text, by) {
    const has = this.lines.map((_, k) => lineText(this.file, k).toLowerCase().includes(text.toLowerCase())), all = has.filter(Boolean).length;
    this.lines.forEach(l => l.classList.remove('found'));
    if (!text || !all) return [0, 0];
    let k = this.found === undefined ? -1 : this.found;
    do k = (k + by + has.length) % has.length; while (!has[k]);
    this.found = k;
    this.lines[k].classList.add('found');
    this.lines[k].scrollIntoView({block: 'center'});
    return [has.slice(0, k + 1).filter(Boolean).length, all];
  }
}

class TreeView {
  constructor(pane) {
    const depth = [];
    this.rows = NODE.filter(n => n.place && n.place.file === 1).map(n => { depth[n.k] = n.parent < 0 ? 0 : depth[n.parent] + 1; return {n, d: depth[n.k]}; });
    this.list = new List(pane.body, r => h('div.row' + (S.node === r.n ? '.sel.now' : S.piece.nodeMade.has(r.n.k) ? '' : '.soft'), {onclick: () => selectNode(r.n), onmouseenter: () => hover(seedsOfNode(S.piece, r.n), r.n.place)},
      '  '.repeat(r.d), h('b.op', null, r.n.kind), ' ', r.n.name, h('span.type', null, r.n.type ? ' : ' + r.n.type : ''), h('span.where', null, whereText(r.n.place))), {label: 'syntax tree', text: r => `${r.n.kind} ${r.n.name} ${r.n.type}`});
    this.list.set(this.rows);
    pane.bar.append(h('span.soft', {title: 'Grey: nothing of it is in this function.'}, `${this.rows.length} nodes`));
  }
  find(text, by) { return this.list.find(text, by); }
  update(scroll) {
    const k = this.rows.findIndex(r => r.n === S.node);
    if (scroll && k >= 0) this.list.show(k);
    else this.list.paint();
  }
}

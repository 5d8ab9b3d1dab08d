/* The graph of a function: what one line of the source made is a node until it is opened. */

const FOLDS = {own: "the model's lines", lines: 'all lines', none: 'nothing'};

/* A line of the source without what it defines. */
function codeOf(file, line) {
  const text = lineText(file, line).replace(/#.*/, '').trim();
  return text.replace(/^(?:(?:symplectic |volume )?(?:hamiltonian|fn|net|flow|loss|let|var|report)\b[^=]*=|return)\s*/, '') || text;
}

class GraphView {
  constructor(pane) {
    this.body = pane.body;
    const o = pane.options;
    this.stage = Math.min(o.stage === undefined ? S.piece.before : o.stage, S.piece.stages.length - 1);
    this.by = o.by || 'own';
    this.open = new Set();
    this.at = {x: 0, y: 0, k: 1};
    pane.bar.append(h('button', {title: 'pass before  [', 'aria-label': 'pass before', onclick: () => stageBy(pane, -1)}, '‹'), stageSelect(this.stage, k => { o.stage = this.stage = k; this.open.clear(); this.fill(); }),
      h('button', {title: 'pass after  ]', 'aria-label': 'pass after', onclick: () => stageBy(pane, 1)}, '›'), h('label', {title: 'Instructions one after the other that one line made are one node. A click on its triangle opens it.'}, 'fold ',
        h('select', {'aria-label': 'fold by', onchange: e => { o.by = this.by = e.target.value; this.open.clear(); this.fill(); }}, Object.entries(FOLDS).map(([k, t]) => h('option', {value: k, selected: k === this.by}, t)))),
      h('button', {title: 'larger', onclick: () => this.zoom(1.3)}, '+'), h('button', {title: 'smaller', onclick: () => this.zoom(1 / 1.3)}, '−'), h('button', {title: 'all of it', onclick: () => this.fit(true)}, 'fit'));
    pane.body.classList.add('graph');
    pane.body.setAttribute('tabindex', 0);
    pane.body.setAttribute('aria-label', 'graph');
    this.fill();
  }
  /* Runs of instructions of one line. Parameters, constants and indices are left out. */
  nodes(f) {
    const p = S.piece, list = [], file = this.by === 'own' ? 1 : 0;
    const key = k => { const n = f.first + k, line = file ? lineIn(p, n, 1) : -1, at = PLACE[f.place[k]]; return this.by === 'none' || opOf(f.text[k]) === 'in' ? 'k' + k : (file && line >= 0 ? '1:' + line : at ? at.file + ':' + lineOf(at) : 'none') + ':' + f.role[k]; };
    this.group = [];
    f.text.forEach((t, k) => {
      if (['const', 'table', 'iota'].includes(opOf(t)) || isParameter(inst(p, f.first + k))) return;
      const last = list[list.length - 1], id = key(k), joins = last && last.key === id && !this.open.has(f.first + last.run);
      if (joins) last.all.push(k);
      else list.push({key: id, run: last && last.key === id ? last.run : k, all: [k], role: f.role[k], part: last && last.key === id});
      this.group[k] = list.length - 1;
    });
    return list;
  }
  /* What runs backwards: of a gradient, all that its value does not need; else what is derived, and what needs that. */
  halves(f, list, edges) {
    const many = S.piece.kind === 'gradient' && f.out.length > 1, needs = list.map(() => []);
    for (const e of edges) needs[e.to].push(e.from);
    if (many) {
      const need = new Set(), stack = [this.group[f.out[0][0] - 1]];
      while (stack.length) { const g = stack.pop(); if (g === undefined || need.has(g)) continue; need.add(g); stack.push(...needs[g]); }
      if (need.size) { list.forEach((g, k) => g.back = !need.has(k) && (needs[k].length > 0)); return; }
    }
    list.forEach((g, k) => g.back = g.role > 0 || needs[k].some(a => list[a].back));
    if (list.every(g => g.back)) list.forEach(g => g.back = false);
  }
  /* The node of what it is derived of. */
  primal(f, g) {
    const p = S.piece;
    for (const k of g.all) {
      let n = f.first + k;
      for (let steps = 0; steps < 60; steps++) { const i = inst(p, n), up = i ? i.f.from[i.k] : 0; if (!up) break; n = Math.abs(up); if (up < 0) break; }
      const root = rootOf(p, n);
      for (const [m, c] of spread(p, [root])) if (c === 'sel' && p.of[m] === f && this.group[m - f.first] !== undefined) return this.group[m - f.first];
    }
    return null;
  }
  fill() {
    const p = S.piece, f = p.stages[this.stage].fns[0], most = 500, list = this.nodes(f), seen = new Set();
    let edges = [];
    f.text.forEach((t, k) => { const to = this.group[k]; if (to !== undefined) for (const a of argsOf(t)) { const from = this.group[a - 1]; if (from !== undefined && from !== to && !seen.has(from + ',' + to)) { seen.add(from + ',' + to); edges.push({from, to}); } } });
    this.halves(f, list, edges);
    const flop = work(p, this.stage), within = n => { const b = p.of[n].body[n - p.of[n].first], g = b && p.fn.get(b); return (flop.get(n) || 0) + (g ? g.text.reduce((a, _, q) => a + within(g.first + q), 0) : 0); }, byBody = k => within(f.first + k);
    for (const g of list) g.flop = g.all.reduce((a, k) => a + byBody(k), 0);
    let shown = list;
    if (list.length > most) {
      const hot = new Set(list.filter(g => g.all.some(k => S.hot.has(f.first + k)))), near = new Set(hot);
      for (const e of edges) { if (hot.has(list[e.from])) near.add(list[e.to]); if (hot.has(list[e.to])) near.add(list[e.from]); }
      shown = list.filter(g => near.has(g)).slice(0, most);
      this.partial = true;
      if (!shown.length) { this.body.replaceChildren(h('p.card.soft', null, `${list.length} nodes: select something, and it is drawn with its neighbours. Or fold more.`)); this.drawn = []; return; }
    } else this.partial = false;
    const index = new Map(shown.map((g, k) => [g, k]));
    edges = edges.filter(e => index.has(list[e.from]) && index.has(list[e.to])).map(e => ({from: index.get(list[e.from]), to: index.get(list[e.to])}));
    const mostFlop = Math.max(1, ...shown.map(g => g.flop)), all = list.reduce((a, g) => a + g.flop, 0);
    for (const g of shown) {
      g.w = this.by === 'none' || g.all.length === 1 ? 138 : 196;
      g.h = 36 + Math.round(30 * Math.sqrt(g.flop / mostFlop));
      const q = g.back ? this.primal(f, g) : null;
      g.of = q === null ? null : index.get(list[q]);
      if (g.of === undefined) g.of = null;
    }
    this.size = layout(shown, edges);
    this.paint(f, shown, edges, all);
  }
  edge(a, b, e) {
    if (a.back !== b.back) {
      const x0 = a.x + a.w / 2, y0 = a.y + a.h / 2, x1 = b.x - b.w / 2, y1 = b.y + b.h / 2, m = (x0 + x1) / 2;
      return `M${x0},${y0} C${m},${y0} ${m},${y1} ${x1},${y1}`;
    }
    const down = b.y > a.y;
    let x = a.x, y = down ? a.y + a.h : a.y, d = `M${x},${y}`;
    for (const c of e.points.concat({x: b.x, y: down ? b.y : b.y + b.h, h: 0})) {
      const to = down ? c.y : c.y + c.h, m = (y + to) / 2;
      d += ` C${x},${m} ${c.x},${m} ${c.x},${to}`;
      x = c.x; y = down ? c.y + c.h : c.y;
      if (c.h) d += ` L${x},${y}`;
    }
    return d;
  }
  paint(f, shown, edges, all) {
    const out = svg('svg', {class: 'graph', width: '100%', height: '100%', role: 'img', 'aria-label': 'graph of the function'}), move = this.move = svg('g', {});
    out.append(svg('defs', {}, svg('marker', {id: 'tip', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, orient: 'auto-start-reverse'}, svg('path', {class: 'tip', d: 'M0,0 L8,4 L0,8 z'}))), move);
    if (this.size.middle) {
      move.append(svg('line', {class: 'half', x1: this.size.middle, x2: this.size.middle, y1: -24, y2: this.size.height + 10}));
      for (const [x, t, anchor] of [[this.size.middle - 12, S.piece.kind === 'gradient' ? 'forwards: the value ↓' : 'as written ↓', 'end'], [this.size.middle + 12, S.piece.kind === 'gradient' ? 'backwards: its gradient ↑' : 'derived ↑', 'start']]) {
        const text = svg('text', {class: 'half', x, y: -12, 'text-anchor': anchor});
        text.textContent = t;
        move.append(text);
      }
    }
    this.edges = edges.map(e => { const path = svg('path', {class: 'edge' + (shown[e.from].back !== shown[e.to].back ? ' across' : ''), d: this.edge(shown[e.from], shown[e.to], e), 'marker-end': 'url(#tip)'}); move.append(path); return {path, from: shown[e.from], to: shown[e.to]}; });
    this.drawn = shown;
    for (const g of shown) { g.box = this.node(f, g, all); move.append(g.box); }
    this.body.replaceChildren(out);
    this.svg = out;
    out.addEventListener('wheel', e => { e.preventDefault(); this.zoom(Math.exp(-e.deltaY / 500), e); }, {passive: false});
    out.addEventListener('pointerdown', e => this.drag(e));
    this.update(false);
    requestAnimationFrame(() => this.fit(false));
  }
  node(f, g, all) {
    const p = S.piece, many = g.all.length > 1, k = g.all[g.all.length - 1], i = inst(p, f.first + k), op = opOf(i.text), line = this.by === 'own' ? lineIn(p, i.n, 1) : -1, at = PLACE[f.place[k]];
    const file = line >= 0 ? 1 : at ? at.file : 0, l = line >= 0 ? line : at ? lineOf(at) : -1, wide = Math.floor((g.w - 12) / 6.7);
    const cut = (s, n) => s.length > n ? s.slice(0, n - 1) + '…' : s;
    const code = many ? (file ? codeOf(file, l) : [...new Set(g.all.map(q => opOf(f.text[q])))].join(', ')) : op === 'in' ? nameOfInput(i) : `%${i.id} ${op}`;
    const from = file ? `${shortName(file)}:${l + 1}` : 'the compiler', sub = many ? `${g.role ? file ? 'derived of ' : 'derivatives, by ' : file ? '' : 'by '}${from}` : typeOf(i.text);
    const title = svg('title', {}), text = svg('text', {x: 7, y: 15}), under = svg('text', {x: 7, y: 28, class: 'under'});
    title.textContent = `${many ? `${g.all.length} instructions of ${from}` : `%${i.id} = ${i.text}`}\n${large(Math.round(g.flop))} FLOP${all ? `, ${(100 * g.flop / all).toFixed(1)} %` : ''}${g.role ? `\n${g.role === 1 ? 'adjoints' : 'tangents'}` : ''}`;
    text.textContent = cut((g.role && many ? '∂ ' : '') + code, many ? wide - 2 : wide);
    under.textContent = cut(sub, wide);
    const box = svg('g', {class: `node ${['', 'adjoint', 'tangent'][g.role]}`, transform: `translate(${g.x - g.w / 2},${g.y})`, tabindex: 0, role: 'button', onclick: () => selectInst(i.n), onmouseenter: () => hover(many ? g.all.map(q => f.first + q) : [i.n], placeOf(i)), onmouseleave: hoverNothing, onkeydown: e => { if (e.key === 'Enter') selectInst(i.n); }},
      title, svg('rect', {class: 'box', width: g.w, height: g.h, rx: 5}), text, under);
    if (g.flop) box.append(svg('rect', {class: 'flop', x: 1, y: g.h - 4, width: Math.max(1, (g.w - 2) * g.flop / Math.max(1, all)), height: 3}));
    if (many || g.part || this.open.has(f.first + g.run)) {
      const opened = this.open.has(f.first + g.run), sign = svg('text', {class: 'open', x: g.w - 14, y: 15});
      sign.textContent = opened ? '▾' : '▸';
      const toggle = e => { e.stopPropagation(); opened ? this.open.delete(f.first + g.run) : this.open.add(f.first + g.run); const keep = {...this.at}; this.fill(); this.keep = keep; };
      box.append(svg('g', {class: 'toggle', onclick: toggle, role: 'button', 'aria-label': opened ? 'close' : 'open'}, svg('rect', {class: 'hit', x: g.w - 20, y: 0, width: 20, height: 20}), sign));
    }
    return box;
  }
  update(scroll) {
    if (!this.drawn) return;
    if (scroll && this.partial) return this.fill();
    const f = S.piece.stages[this.stage].fns[0], hot = g => { let c = ''; for (const k of g.all) { const q = S.hot.get(f.first + k); if (q === 'sel') return q; c = c || q || ''; } return c; };
    for (const g of this.drawn) {
      g.hot = hot(g);
      const bad = g.all.some(k => { const v = valueOf(S.piece, f.first + k); return wrongOnes(S.piece).has(f.first + k) || v && v[3]; }), now = g.all.some(k => f.first + k === S.n);
      g.box.setAttribute('class', `node ${['', 'adjoint', 'tangent'][g.role]} ${g.hot} ${bad ? 'wrong' : ''} ${now ? 'now' : ''}`);
      const deep = S.tint === 'links' || S.tint === 'lines' ? g.all[0] : g.all.reduce((a, k) => this.strength(f.first + k) > this.strength(f.first + a) ? k : a, g.all[0]);
      g.box.querySelector('.box').style.fill = S.tint === 'links' ? '' : tintOf(f.first + deep) || 'var(--panel)';
    }
    for (const e of this.edges) e.path.classList.toggle('lit', !!(e.from.hot && e.to.hot));
    if (scroll) this.reveal();
  }
  strength(n) { const p = S.piece, v = S.tint === 'flow' ? flowNear(p, n) : S.tint === 'flop' ? [work(p, this.stage).get(n) || 0] : valueOf(p, n); return v ? +v[0] || 0 : -1; }
  hover() {
    if (!this.drawn) return;
    const f = S.piece.stages[this.stage].fns[0];
    for (const g of this.drawn) { g.over = g.all.some(k => S.over.has(f.first + k)); g.box.classList.toggle('over', g.over); }
    for (const e of this.edges) e.path.classList.toggle('over', e.from.over || e.to.over);
  }
  /* ---- where it is seen from */
  apply() { this.move.setAttribute('transform', `translate(${this.at.x},${this.at.y}) scale(${this.at.k})`); }
  fit(whole) {
    const w = this.body.clientWidth, high = this.body.clientHeight, k = Math.min(1, (w - 30) / this.size.width, (high - 50) / (this.size.height + 24));
    if (this.keep) { this.at = this.keep; this.keep = null; return this.apply(); }
    const used = whole ? k : Math.max(k, .62);
    this.at = {k: used, x: Math.max(15, (w - this.size.width * used) / 2), y: 30 + 6 * used};
    if (this.size.width * used > w) this.at.x = 15;
    this.apply();
    if (!whole && k < used) this.reveal();
  }
  reveal() {
    const g = this.drawn.find(q => q.box.classList.contains('now')) || this.drawn.find(q => q.hot === 'sel');
    if (!g || !this.move) return;
    const w = this.body.clientWidth, high = this.body.clientHeight, x = g.x * this.at.k + this.at.x, y = g.y * this.at.k + this.at.y;
    if (x > 60 && x < w - 60 && y > 20 && y < high - 40) return;
    Object.assign(this.at, {x: w / 2 - g.x * this.at.k, y: high / 3 - g.y * this.at.k});
    this.apply();
  }
  zoom(by, e) {
    const box = this.body.getBoundingClientRect(), x = e ? e.clientX - box.x : box.width / 2, y = e ? e.clientY - box.y : box.height / 2, k = Math.max(.08, Math.min(3, this.at.k * by));
    this.at = {k, x: x - (x - this.at.x) * k / this.at.k, y: y - (y - this.at.y) * k / this.at.k};
    this.apply();
  }
  drag(e) {
    if (e.target.closest('.node')) return;
    const x = e.clientX - this.at.x, y = e.clientY - this.at.y, move = m => { this.at.x = m.clientX - x; this.at.y = m.clientY - y; this.apply(); };
    addEventListener('pointermove', move);
    addEventListener('pointerup', () => removeEventListener('pointermove', move), {once: true});
  }
  find(text, by) {
    if (!this.drawn || !text) return [0, 0];
    const f = S.piece.stages[this.stage].fns[0], has = this.drawn.filter(g => g.all.some(k => f.text[k].includes(text)) || g.box.textContent.toLowerCase().includes(text.toLowerCase()));
    this.drawn.forEach(g => g.box.classList.remove('found'));
    if (!has.length) return [0, 0];
    this.found = ((this.found === undefined ? -1 : this.found) + by + has.length) % has.length;
    const g = has[this.found];
    g.box.classList.add('found');
    Object.assign(this.at, {x: this.body.clientWidth / 2 - g.x * this.at.k, y: this.body.clientHeight / 3 - g.y * this.at.k});
    this.apply();
    return [this.found + 1, has.length];
  }
}

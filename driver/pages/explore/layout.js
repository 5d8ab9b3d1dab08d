/* A layered layout (Sugiyama, Tagawa, Toda 1981): rows by longest paths, long edges cut by points in the rows that they cross, the order in a row by
 * barycentres of neighbours, places by least squares under the distances that must be kept. What runs backwards stands on the right and goes upwards, each
 * node beside its primal where the arrows allow it.
 *
 * layout(nodes, edges): nodes {w, h, back, of: its primal or null} in an order in which edges go forward; edges {from, to}, indices of nodes. Sets x, y of
 * nodes (their middle on top), points of edges ([] of those that go across); returns {width, height, middle}. */

function layout(nodes, edges) {
  const GAP = 28, NEAR = 22, ACROSS = 90, into = nodes.map(() => []), out = nodes.map(() => []);
  for (const e of edges) { out[e.from].push(e.to); into[e.to].push(e.from); }
  ranks(nodes, into, out);
  const rows = Math.max(0, ...nodes.map(n => n.rank)) + 1, high = new Array(rows).fill(24);
  for (const n of nodes) high[n.rank] = Math.max(high[n.rank], n.h);
  const top = [0];
  for (let r = 0; r < rows; r++) top.push(top[r] + high[r] + GAP);
  const halves = [false, true].map(back => half(nodes, edges, back, rows, NEAR));
  const middle = halves[0].width + ACROSS / 2, shift = halves[0].width && halves[1].width ? halves[0].width + ACROSS : halves[0].width;
  for (const n of nodes) { n.x += n.back ? shift : 0; n.y = top[n.rank]; }
  for (const e of edges) {
    e.points = (e.cuts || []).map(c => ({x: c.x + (nodes[e.from].back ? shift : 0), y: top[c.rank], h: high[c.rank]}));
    delete e.cuts;
  }
  return {width: shift + halves[1].width, height: top[rows] - GAP, middle: halves[1].width ? middle : 0};
}

/* Forwards: below all that is read, and not farther above what reads it than need be. Backwards: above what is read there. */
function ranks(nodes, into, out) {
  nodes.forEach((n, k) => { if (!n.back) n.rank = Math.max(-1, ...into[k].filter(a => !nodes[a].back).map(a => nodes[a].rank)) + 1; });
  for (let k = nodes.length - 1; k >= 0; k--) {
    const below = out[k].filter(b => !nodes[b].back).map(b => nodes[b].rank);
    if (!nodes[k].back && !into[k].length && below.length) nodes[k].rank = Math.min(...below) - 1;
  }
  const last = Math.max(0, ...nodes.filter(n => !n.back).map(n => n.rank)), forward = nodes.some(n => !n.back);
  nodes.forEach((n, k) => {
    if (!n.back) return;
    const before = into[k].filter(a => nodes[a].back).map(a => nodes[a].rank), most = before.length ? Math.min(...before) - 1 : last;
    const beside = n.of !== null && n.of !== undefined && nodes[n.of].rank !== undefined ? nodes[n.of].rank : most;
    n.rank = forward ? Math.min(most, beside) : -before.length && Math.min(...before) - 1;
  });
  const least = Math.min(0, ...nodes.map(n => n.rank));
  for (const n of nodes) n.rank -= least;
}

function half(nodes, edges, back, rows, near) {
  const row = Array.from({length: rows}, () => []), items = new Map();
  nodes.forEach((n, k) => { if (n.back === back) { const it = {rank: n.rank, w: n.w, up: [], down: [], node: n}; items.set(k, it); row[n.rank].push(it); } });
  const join = (a, b) => { a.down.push(b); b.up.push(a); };
  for (const e of edges) {
    const a = items.get(e.from), b = items.get(e.to);
    if (!a || !b) continue;
    e.cuts = [];
    const step = Math.sign(b.rank - a.rank);
    let last = a;
    for (let r = a.rank + step; r !== b.rank; r += step) {
      const cut = {rank: r, w: 10, up: [], down: [], cut: true};
      row[r].push(cut);
      step > 0 ? join(last, cut) : join(cut, last);
      e.cuts.push(last = cut);
    }
    step > 0 ? join(last, b) : join(b, last);
  }
  if (row.every(r => !r.length)) return {width: 0};
  arrange(row);
  place(row, near);
  const all = row.flat(), left = Math.min(...all.map(i => i.x - i.w / 2)), right = Math.max(...all.map(i => i.x + i.w / 2));
  for (const i of all) { i.x -= left; if (i.node) i.node.x = i.x; }
  return {width: right - left};
}

const mean = list => list.reduce((a, b) => a + b, 0) / list.length;

function crossings(row) {
  let n = 0;
  for (const r of row) {
    const ends = r.flatMap(i => i.down.map(d => [i.at, d.at])).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(e => e[1]);
    if (ends.length > 400) continue;
    for (let a = 0; a < ends.length; a++) for (let b = a + 1; b < ends.length; b++) n += ends[a] > ends[b];
  }
  return n;
}

function arrange(row) {
  const number = () => row.forEach(r => r.forEach((i, k) => i.at = k));
  number();
  let best = crossings(row), keep = row.map(r => r.slice());
  for (let sweep = 0; sweep < 16 && best; sweep++) {
    const down = sweep % 2 === 0;
    for (let k = 0; k < row.length; k++) {
      const r = row[down ? k : row.length - 1 - k];
      for (const i of r) { const side = down ? i.up : i.down; i.want = side.length ? mean(side.map(j => j.at)) : i.at; }
      r.sort((a, b) => a.want - b.want || a.at - b.at);
      r.forEach((i, q) => i.at = q);
    }
    const now = crossings(row);
    if (now < best) { best = now; keep = row.map(r => r.slice()); }
  }
  keep.forEach((r, k) => row[k] = r);
  number();
}

/* The places nearest to those wanted (weighted squares) that keep order and distances: pools of neighbours move together. */
function spaced(r, near) {
  const pools = [];
  let off = 0;
  r.forEach((i, k) => {
    if (k) off += (r[k - 1].w + i.w) / 2 + (i.cut || r[k - 1].cut ? near / 2 : near);
    i.off = off;
    const weight = i.cut ? 4 : 1;
    pools.push({sum: weight * (i.want - off), weight, items: [i]});
    while (pools.length > 1) {
      const b = pools[pools.length - 1], a = pools[pools.length - 2];
      if (a.sum / a.weight <= b.sum / b.weight) break;
      pools.pop();
      a.sum += b.sum; a.weight += b.weight; a.items.push(...b.items);
    }
  });
  for (const p of pools) for (const i of p.items) i.x = p.sum / p.weight + i.off;
}

function place(row, near) {
  row.forEach(r => { r.forEach(i => i.want = 0); spaced(r, near); });
  for (let sweep = 0; sweep < 12; sweep++)
    for (let k = 0; k < row.length; k++) {
      const r = row[sweep % 2 ? row.length - 1 - k : k];
      for (const i of r) {
        const side = sweep % 2 ? i.down : i.up, all = sweep > 7 ? [...i.up, ...i.down] : side;
        i.want = all.length ? mean(all.map(j => j.x)) : i.x;
      }
      spaced(r, near);
    }
}

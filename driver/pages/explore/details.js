/* What is selected, in words, below the panes; and what was found, above them. */

const link = (n, text) => h('button.to.mono', {onclick: () => selectInst(n), onmouseenter: () => hoverInst(n), onmouseleave: hoverNothing, title: whereText(placeOf(inst(S.piece, n)))}, text);
const shorter = (s, n) => s.length > n ? s.slice(0, n - 2) + ' …' : s;
const block = (title, ...what) => h('div.block', null, title ? h('h3', null, title) : null, ...what);
const verdict = v => h('b' + (v <= EPS ? '.good' : '.bad'), {title: 'Distance between the derivative by the rules and central differences, relative to their size. Above 10⁻⁵ they differ.'}, `${v <= EPS ? 'agrees' : 'DIFFERS'}, ${number(v, 2)}`);

function valueBlock(n) {
  const p = S.piece, v = valueOf(p, n), flow = flowNear(p, n), oe = p.operatorError.get(rootOf(p, n)), rows = [], row = (title, told, cell) => rows.push(h('tr', null, h('th', {title: told}, title), cell));
  if (v) {
    row('size', 'Root mean square over elements and all samples.', h('td', null, number(v[0])));
    row('range', 'The least and the greatest number, over elements and samples.', h('td', null, `${number(v[1])} … ${number(v[2])}`));
    if (v[3]) row('not finite', '', h('td.bad', null, v[3] === 2 ? 'here first: its operands are finite' : 'its operands are not either'));
    for (let s = 4; s < v.length; s++) row(v.length > 5 ? 'sample ' + (s - 4) : 'shared', 'The first elements.', h('td.mono' + (s - 4 === S.sample && v.length > 5 ? '.sel' : ''), null, v[s].map(x => number(x, 6)).join('  ')));
  }
  rows.push(...turnRows(n));
  if (flow) {
    row('gradient flow', 'How large the derivative of the result by this value is.', h('td', null, '|', fraction('∂ result', '∂ this'), `| = ${number(flow[0])}`));
    row('differences', 'This value is moved, what reads it is run again, and the change compared with the derivatives by what reads it.', h('td', null, flow[1] === null ? h('span.soft', null, 'not compared: ' + flow[2]) : [verdict(flow[1]), flow[2] ? ': ' + flow[2] : '']));
  }
  if (oe !== undefined) row('operator', 'The operator that was written, against finite differences of what it is taken of.', h('td', null, verdict(oe)));
  return rows.length ? block('Numbers', h('table', null, rows)) : null;
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

/* The chart of the kernel that most of what is selected lies in. */
function memoryBlock(hot) {
  const p = S.piece, lines = [];
  if (!p.code) return null;
  for (const [n, c] of hot) if (c === 'sel') for (const k of p.codeLines.get(n) || []) lines.push(k);
  const all = scratchOf(p), mine = s => s.places.filter(q => hot.get(q.n) === 'sel'), bytes = s => mine(s).reduce((a, q) => a + q.bytes, 0), s = all.filter(q => mine(q).length && !q.form.startsWith('for')).sort((a, b) => bytes(b) - bytes(a))[0];
  if (!lines.length && !s) return block('Memory', h('span.soft', null, 'Nothing of it is left in the code.'));
  lines.sort((a, b) => a - b);
  const stores = lines.map(k => p.code.kernels.text[k].trim()).filter(t => / -> /.test(t));
  const out = block('Memory');
  if (s) {
    const one = mine(s).length === 1 && mine(s)[0];
    out.append(h('div', null, one ? `scratch, ${large(one.bytes)} bytes from ${one.off} on; needed in loop nests ${nestNumber(s, one.t0)} to ${nestNumber(s, one.t1)} of ${s.nests.length}` : `${mine(s).length} values in scratch, ${large(bytes(s))} of ${large(s.bytes)} bytes (others may lie there at other times)`),
      h('div.chart', {title: 'Scratch from left to right, loop nests from top to bottom. A box is where a value lies, and how long.'}, scratchChart(s, 300, 76), h('div.axis.soft', null, h('span', null, '0'), h('span', null, s.name), h('span', null, large(s.bytes)))));
  } else out.append(h('div', null, stores.length ? '' : 'In registers of its loop nest alone: nothing is stored.'));
  for (const t of [...new Set(stores)].filter(t => !s || !/scratch/.test(t)).slice(0, 5)) out.append(h('div.mono', null, t));
  return out;
}

function historyBlock(n) {
  const p = S.piece, rows = [];
  for (let a = n; a && p.of[a];) {
    const i = inst(p, a), up = i.f.from[i.k];
    rows.push(h('tr', null, h('td.soft', null, `${i.f.stage} ${p.stages[i.f.stage].pass || 'as written'}`), h('td', null, link(a, shorter(`%${i.id} = ${i.text}`, 64))), h('td.soft', null, up < 0 ? '← derived of' : '')));
    a = Math.abs(up);
  }
  const became = [...S.hot].filter(([m, c]) => c === 'drv' && p.of[m].stage === p.before && p.of[n].stage <= p.before).map(([m]) => m).slice(0, 8);
  return block('Where it comes from', h('table', null, rows.slice(0, 14)), became.length ? h('div', null, h('span.soft', null, 'derived from it: '), became.map(m => [link(m, briefly(m)), ' '])) : null);
}

/* FLOP of what is lit behind the last pass before the split, turns of loops counted. */
function cost(hot) {
  const p = S.piece, out = {sel: 0, drv: 0, all: 0}, w = work(p, p.before);
  out.all = w.all;
  for (const [n, c] of hot) if (c in out) out[c] += w.get(n) || 0;
  return out;
}

const percent = (a, all) => { const v = 100 * a / all; return !a || !all ? '' : ` (${v < .1 ? '< 0.1' : v < 10 ? v.toFixed(1) : v.toFixed(0)} %)`; };

function primalOf(n) {
  const p = S.piece;
  let a = n;
  while (inst(p, a) && inst(p, a).f.from[inst(p, a).k] > 0) a = inst(p, a).f.from[inst(p, a).k];
  const d = inst(p, a);
  return d && d.f.from[d.k] < 0 ? inst(p, -d.f.from[d.k]) : null;
}

function instBlock(n) {
  const p = S.piece, i = inst(p, n), role = i.f.role[i.k], w = work(p, i.f.stage), flop = w.get(n) !== undefined ? w.get(n) : i.f.flop[i.k], all = w.all, at = placeOf(i), out = block();
  out.append(h('h3.mono', null, shorter(`%${i.id} = ${opOf(i.text) === 'in' ? 'in ' + nameOfInput(i) + ' : ' + typeOf(i.text) : i.text}`, 150)),
    h('div', null, at ? [placeLink(at), '   ', h('code', null, shorter(textAt(at).replace(/\s+/g, ' '), 60))] : '', h('div.soft', null, `${large(Math.round(flop))} FLOP a sample`, percent(flop, all))));
  if (role) {
    const prime = primalOf(n), op = D.ops[i.f.of[i.k]][0];
    out.append(h('div', null, h('b' + ROLE[role], null, role === 1 ? 'adjoint' : 'tangent'), role === 1 ? ' (backwards) of ' : ' (forwards) of ', prime ? link(prime.n, shorter(`%${prime.id} = ${prime.text}`, 70)) : op));
    if (prime) {
      const kin = i.f.text.map((_, k) => i.f.first + k).filter(m => m !== n && inst(p, m).f.role[inst(p, m).k] && (primalOf(m) || {}).n === prime.n).slice(0, 8);
      if (kin.length) out.append(h('div', null, h('span.soft', null, 'with it, of the same rule: '), kin.map(m => [link(m, briefly(m)), ' '])));
    }
    out.append(h('div.rules', null, ...ruleOf(prime ? prime.text : op)), prime ? operandsOf(prime) : '');
  } else out.append(h('div.rules', null, ...ruleOf(i.text)), operandsOf(i));
  return out;
}

/* What the rule's letters are here. */
function operandsOf(i) {
  const a = argsOf(i.text).filter(q => q <= i.f.text.length), row = OPS.get(opOf(i.text));
  if (!a.length || !row || (row[3] === null && !/->/.test(i.text)) || a.length > 2) return '';
  return h('div.soft', null, 'here ', a.map((q, k) => [['x', 'y'][k] + ' = ', link(i.f.first + q - 1, briefly(i.f.first + q - 1)), ', ']), 'z = ', link(i.n, '%' + i.id));
}

/* What an expression is at the chosen sample. */
function resultLine(node) {
  const n = resultOf(S.piece, node), v = n && valueOf(S.piece, n), one = v && v[4 + Math.min(S.sample, v.length - 5)];
  if (!one) return null;
  return h('div', {title: valueTitle(v)}, 'value ', h('span.mono', null, one.map(x => number(x, 6)).join('  '), count(node.type) > one.length ? ' …' : ''), h('span.soft', null, v.length > 5 ? ` at sample ${Math.min(S.sample, v.length - 5)}` : ''), count(node.type) > 1 ? h('span.soft', null, `, rms ${number(v[0])}`) : '');
}

/* Whether something of a piece was made by a node; without preparing the piece. */
function madeBy(q, k) {
  for (let j = 0; j < q.made.length; j += 3) if (q.made[j] === k) return true;
  return false;
}

function nodeBlock(node) {
  const p = S.piece, c = cost(S.hot), roles = [0, 0, 0], text = textAt(node.place);
  for (const [n, q] of S.hot) { const i = inst(p, n); if (i.f.stage === p.before && q !== 'pri') roles[i.f.role[i.k]]++; }
  const errors = [...S.hot].filter(([n]) => p.operatorError.has(n)).map(([n]) => [n, p.operatorError.get(n)]);
  const elsewhere = D.pieces.map((q, k) => [q, k]).filter(([q]) => q !== p && madeBy(q, node.k)).slice(0, 8);
  return block(null, h('h3.mono', null, shorter(text, 160)), h('div', null, placeLink(node.place), `   ${node.kind} ${node.name}`, node.type ? h('span.soft', null, ' : ' + node.type) : ''), resultLine(node),
    S.hot.size ? h('table.counts', null, h('tr', null, h('th'), h('th', null, 'instructions'), h('th', null, 'FLOP a sample')), h('tr', null, h('td', null, h('i.sel'), 'what it became'), h('td.n', null, roles[0]), h('td.n', null, large(Math.round(c.sel)), percent(c.sel, c.all))),
      roles[1] + roles[2] || c.drv ? h('tr', null, h('td', null, h('i.drv'), 'derived from it'), h('td.n', {title: `${roles[1]} of adjoints, ${roles[2]} of tangents`}, roles[1] + roles[2]), h('td.n', null, large(Math.round(c.drv)), percent(c.drv, c.all))) : null) : h('div.soft', null, 'Nothing of it is in this function.'),
    errors.map(([n, e]) => h('div', null, link(n, briefly(n)), ' against finite differences: ', verdict(e))),
    elsewhere.length ? h('div.soft', null, 'also in ', elsewhere.map(([q, k], j) => [j ? ' · ' : '', h('button.to', {onclick: () => choosePiece(k)}, `${q.kind} ${q.name}`)])) : null);
}

/* Expressions around it and in it, to click. */
function aroundBlock(node) {
  const p = S.piece, around = [], has = n => p.nodeMade.has(n.k) || seedsOfNode(p, n).length, go = n => h('button.to.mono', {onclick: () => selectNode(n), onmouseenter: () => hover(seedsOfNode(p, n), n.place), onmouseleave: hoverNothing}, shorter(textAt(n.place).replace(/\s+/g, ' '), 56));
  for (let n = node; n.parent >= 0 && around.length < 3;) { n = NODE[n.parent]; if (n.place && has(n)) around.push(n); }
  const inside = NODE.filter(n => n.parent === node.k && n.place && has(n)).slice(0, 6);
  if (!around.length && !inside.length) return null;
  return block('Around it, and in it', around.reverse().map(n => h('div', null, go(n))), h('div.mono', null, '▸ ' + shorter(textAt(node.place).replace(/\s+/g, ' '), 50)), inside.map(n => h('div.inside', null, go(n))));
}

function pieceBlock() {
  const p = S.piece, parameter = n => n.includes('/'), params = p.inputs.filter(([n]) => parameter(n)), fields = p.inputs.filter(([n]) => !parameter(n)), row = ([n, t]) => h('tr', null, h('td.mono', null, n), h('td.mono.soft', null, t));
  return [block(`${p.kind} ${p.name}`, h('div', null, `${large(p.flops)} FLOP a sample, ${large(p.once)} a call`, p.data ? `; samples of ${p.data}` : ''), h('p.soft', null, 'Click an expression of the source, or an instruction. Press ? for keys and notation.')),
    block('Inputs', fields.length ? h('table', null, fields.slice(0, 12).map(row)) : null, params.length ? h('details', null, h('summary', null, `${params.length} parameters, ${large(params.reduce((a, [, t]) => a + count(t), 0))} numbers`), h('table', null, params.map(row))) : null, p.inputs.length ? null : h('span.soft', null, 'none'))];
}

function details() {
  const box = $('facts');
  if (S.n) box.replaceChildren(...[instBlock(S.n), valueBlock(S.n), memoryBlock(S.hot), historyBlock(S.n)].filter(Boolean));
  else if (S.node) box.replaceChildren(...[nodeBlock(S.node), memoryBlock(S.hot), aroundBlock(S.node)].filter(Boolean));
  else box.replaceChildren(...pieceBlock());
  $('details').scrollTop = 0;
}

const differs = p => [...p.flowOf].filter(([, v]) => wrongFlow(v)).map(([n]) => n);
const sizeOf = p => p.stages[0].fns[0].text.length;

/* What disagrees with finite differences in the functions that are not shown. */
function elsewhere(p) {
  const out = [];
  D.pieces.forEach((q, k) => {
    const n = q === p ? 0 : (q.flow ? [q.flow, ...q.flow.bodies].reduce((s, w) => s + w.flow.filter(wrongFlow).length, 0) : 0) + q.operators.filter(([, e]) => !(e <= EPS)).length;
    if (n) out.push([sizeOf(q), h('span.bad', null, ' ✗ ', h('button.to', {onclick: () => choosePiece(k)}, `${q.kind} ${q.name}`), `: ${n === 1 ? '1 differs' : n + ' differ'}  `)]);
  });
  return out.sort(([a], [b]) => a - b);
}

/* Why derivatives were not compared, and of how many that is so. */
function notCompared(all) {
  const why = new Map();
  for (const v of all) if (v[1] === null) { const t = v[2].replace(/%\d+/, 'a value'); why.set(t, (why.get(t) || 0) + 1); }
  const list = [...why].sort((a, b) => b[1] - a[1]), n = list.reduce((s, [, k]) => s + k, 0);
  return n ? h('span.soft', {title: list.map(([t, k]) => `${k}: ${t}`).join('\n')}, `  ${n} not compared: ${list[0][0]}${list.length > 1 ? ', …' : ''}  `) : null;
}

/* How many derivatives agree with differences: of a gradient those of its loss, which it is made of. */
function agreed(p) {
  const of = p.kind === 'gradient' && D.pieces.find(q => q.kind === 'loss' && q.name === p.name) || p;
  const seen = [...prepare(of).flowOf.values()].filter(v => v[1] !== null), n = seen.length + of.operators.length;
  const title = 'Each value is moved a little, what reads it is run again, and the change compared with the derivatives.';
  if (!n) return h('span.soft', {title}, 'derivatives were not compared with differences here');
  const whose = of === p ? '' : [' of ', h('button.to', {onclick: () => choosePiece(D.pieces.indexOf(of))}, `loss ${of.name}`)];
  const worst = Math.max(0, ...seen.map(v => v[1]), ...of.operators.map(o => o[1]));
  return h('span', {title}, h('span.good', null, `✓ ${n === 1 ? '1 derivative' : `${n} derivatives`}`, whose, ` ${n === 1 ? 'agrees' : 'agree'} with finite differences`), h('span.soft', null, `, the worst by ${number(worst, 2)}`));
}

/* What disagrees with finite differences, and what is not a number: above the panes; the smallest function that differs comes first. */
function findings() {
  const p = S.piece, out = [], mine = [], wrong = differs(p), all = [...p.flowOf.values()], others = elsewhere(p);
  if (wrong.length) mine.push(h('span.bad', null, `✗ ${wrong.length === 1 ? 'a derivative' : wrong.length + ' derivatives'} of ${p.kind} ${p.name} ${wrong.length === 1 ? 'disagrees' : 'disagree'} with finite differences. The wrong rule is for `,
    wrong.slice(0, 5).map(n => [link(n, briefly(n)), ` (${whereText(placeOf(inst(p, n)))}${p.flowOf.get(n)[2] ? ': ' + p.flowOf.get(n)[2] : ''}) `])));
  for (const [n, e] of p.operators) if (!(e <= EPS)) mine.push(h('span.bad', null, '✗ ', link(n, briefly(n)), ` at ${whereText(placeOf(inst(p, n)))} disagrees with finite differences by ${number(e, 2)}  `));
  const before = n => !mine.length || n < sizeOf(p);
  out.push(...others.filter(([n]) => before(n)).map(([, e]) => e), ...mine, ...others.filter(([n]) => !before(n)).map(([, e]) => e));
  let bad = 0;
  for (const [index, v] of Object.entries(p.values)) v.forEach((one, k) => {
    if (one && one[3] === 2 && bad < 4 && p.fn.has(+index)) { bad++; const n = p.fn.get(+index).first + k; out.push(h('span.bad', null, '✗ not finite first at ', link(n, briefly(n)), '  ')); }
  });
  if (!mine.length) out.push(agreed(p));
  out.push(notCompared(all) || '');
  const refuted = D.proofs.filter(q => q.answer === 'refuted').length, proved = D.proofs.filter(q => q.answer === 'proved').length;
  if (D.proofs.length) out.push(h('button.to', {onclick: () => showView('proofs')}, refuted ? h('span.bad', null, `✗ ${refuted} refuted`) : `${proved} of ${D.proofs.length} claims proved`));
  $('found').replaceChildren(...out);
}

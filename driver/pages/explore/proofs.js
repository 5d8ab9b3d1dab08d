/* Patterns of Jacobians with their colours; what was claimed, what was decided, and how. */

const HUES = [210, 25, 130, 285, 50, 340, 175, 95];
const colourOf = c => `hsl(${HUES[c % 8]} 60% ${45 + 8 * (Math.floor(c / 8) % 3)}%)`;
const placeLink = at => at ? h('button.to', {onclick: () => showPlace(at)}, whereText(at)) : '';

class SparsityView {
  constructor(pane) {
    const p = S.piece.patterns;
    pane.body.replaceChildren(...p.map(t => this.card(t, pane)));
    if (!p.length) pane.body.replaceChildren(h('p.card.soft', null, 'No Jacobian was taken in this function.'));
  }
  card(t, pane) {
    const side = Math.max(120, Math.min(420, (pane.body.clientWidth || 400) - 60)), scale = Math.max(1, Math.min(16, Math.floor(side / Math.max(t.rows, t.cols)))), c = h('canvas', {width: t.cols * scale, height: t.rows * scale, role: 'img', 'aria-label': `pattern of a Jacobian, ${t.rows} by ${t.cols}`}), g = c.getContext('2d'), at = PLACE[t.place];
    const colour = (i, j) => t.colour.length ? t.colour[t.byRows ? i : j] : 0, has = new Set();
    t.at.forEach((row, i) => row.forEach(j => {
      has.add(i * t.cols + j);
      g.fillStyle = colour(i, j) < 0 ? '#888' : colourOf(colour(i, j));
      g.fillRect(j * scale, i * scale, scale > 3 ? scale - 1 : scale, scale > 3 ? scale - 1 : scale);
    }));
    const said = h('div.soft.said', null, ' '), full = t.rows * t.cols, sweeps = t.byRows ? t.rows : t.cols, lines = t.byRows ? 'rows' : 'columns';
    c.addEventListener('mousemove', e => {
      const j = Math.floor(e.offsetX / scale), i = Math.floor(e.offsetY / scale), on = has.has(i * t.cols + j);
      said.textContent = `∂ result ${i} / ∂ argument ${j}: ${on ? t.colours ? `may differ from zero, found in sweep ${colour(i, j)}` : 'may differ from zero' : 'always zero'}`;
    });
    c.addEventListener('mouseleave', () => said.textContent = ' ');
    const shared = new Map();
    t.colour.forEach(q => shared.set(q, (shared.get(q) || 0) + 1));
    return h('div.card', null, h('b', null, `Jacobian, ${t.rows} × ${t.cols}`), ' at ', placeLink(at),
      h('p', null, t.nonzeros < 0 ? '' : `${t.nonzeros} of ${full} entries (${(100 * t.nonzeros / full).toPrecision(3)} %) can differ from zero. `, t.colours ? `${t.colours} ${t.byRows ? 'backward' : 'forward'} sweeps give all of them, in place of ${sweeps}: ${lines} of one colour have no entry in the same ${t.byRows ? 'column' : 'row'}, so one sweep finds them all.` : '', h('span.soft', null, t.colours || /^the blocks/.test(t.way) ? ` Method: ${t.way}.` : ` No colours: ${t.way}.`)),
      t.at.length ? h('div.matrix', null, h('span.soft', null, `${t.cols} arguments →`), h('div', null, c), said) : t.nonzeros < 0 ? null : h('i', null, 'Too many entries to draw.'),
      t.colours ? h('div.swatches', null, [...shared].filter(([q]) => q >= 0).slice(0, 24).map(([q, n]) => h('span', null, h('i', {style: `background: ${colourOf(q)}`}), `sweep ${q}: ${n} ${n === 1 ? lines.slice(0, -1) : lines}`))) : null);
  }
  update() {}
}

/* 2^-bits as a power of ten. */
const power10 = bits => { const d = Math.ceil(-bits * Math.LOG10E * Math.LN2); return ['10', h('sup', null, String(d).replace('-', '−'))]; };

function proofWords(q) {
  const bound = q.detail.match(/^error below 2\^-(\d+)/), branched = /signs decide/.test(q.detail), what = {'symplectic': 'It is canonical: J Ω Jᵀ = Ω for its Jacobian J.', 'volume': 'It keeps volume: |det J| = 1.', 'inverse': 'The inverse undoes the step.'}[q.text.split(' ')[0]];
  const say = [what ? what + ' ' : ''];
  if (q.answer === 'proved' && bound)
    say.push('Both sides are equal at random points of a finite field. A false statement would be so with a probability below ', ...power10(+bound[1]), ' (2', h('sup', null, '−' + bound[1]), ').', branched ? ' Cases that hang on signs are decided where they were met; some may not have been.' : '');
  else if (q.answer === 'proved') say.push('It follows from how it is made: every step of it was decided by itself, or has this form by construction. No probability is left.');
  else if (q.answer === 'refuted') say.push('It is false. A point where both sides differ: ', h('code', null, q.detail), '.');
  else say.push('It was not decided: ', q.detail || 'no reason is known', '. Nothing is assumed of it.');
  return say;
}

class ProofView {
  constructor(pane) {
    const own = D.proofs.filter(q => q.own), others = D.proofs.filter(q => !q.own), tally = a => D.proofs.filter(q => q.answer === a).length;
    const card = q => h('div.card', null, h('b.badge' + {proved: '.good', refuted: '.bad', undecided: '.warn'}[q.answer], null, {proved: '✓ proved', refuted: '✗ refuted', undecided: '? undecided'}[q.answer] || q.answer), ' ', h('code', null, q.text), ' ', placeLink(PLACE[q.place]),
      h('div', null, q.stated ? 'You stated it. ' : 'Claimed by its declaration. ', proofWords(q)));
    pane.body.replaceChildren(...D.proofs.length ? [h('div.card', null, ['proved', 'refuted', 'undecided'].filter(tally).map(a => `${tally(a)} ${a}`).join(', ') + '.', h('div.soft', null, 'How: both sides are computed exactly, in a field of p² elements (p = 2⁶¹ − 12226564353), at random points; exp, sin and their kin are unknown functions there, with their identities. Where two rational functions differ, they are equal at few points of so large a field: that gives the probability. Nothing is sampled in floating point.')), ...own.map(card),
      others.length ? h('details.card', {open: !own.length}, h('summary', null, `${others.length} of layers that the model imports`), ...others.map(card)) : ''] : [h('p.card.soft', null, 'Nothing was claimed in this model. A claim is written as  prove (q: real[3], p: real[3]) a(q, p) == b(q, p),  or as  symplectic flow.')]);
  }
  update() {}
}

/* Rules of derivatives as mathematics: texts of the op table, read and set with fractions, roots and cases. */

/* ---- reading: [kind, ...] ---------------------------------------------------------------------------------------------------- */

function readRule(text) {
  const tok = text.match(/\d+(?:\.\d+)?|[a-zA-Z]+|[^\s]/g) || [];
  let at = 0;
  const is = t => tok[at] === t, take = t => is(t) && ++at, want = t => { if (!take(t)) throw new Error('a rule that cannot be read: ' + text); };
  const whole = () => {
    const e = sum();
    if (!take('if')) return e;
    const c = either();
    want(','); want('else');
    return ['case', e, c, whole()];
  };
  const either = () => { let e = both(); while (take('or')) e = ['word', e, 'or', both()]; return e; };
  const both = () => { let e = relation(); while (take('and')) e = ['word', e, 'and', relation()]; return e; };
  const relation = () => { const e = sum(); if (!['=', '≤', '<', '≠'].includes(tok[at])) return e; const o = tok[at++]; return ['word', e, o, sum()]; };
  const sum = () => {
    let list = [['+', take('−') ? ['neg', product()] : product()]];
    while (is('+') || is('−')) list.push([tok[at++], product()]);
    return list.length > 1 ? ['sum', list] : list[0][1];
  };
  const product = () => {
    const up = [], down = [];
    up.push(power());
    while (is('·') || is('/')) (tok[at++] === '·' ? up : down).push(is('−') ? (at++, ['neg', power()]) : power());
    const some = up.filter(e => e[0] !== 'num' || e[1] !== '1'), top = some.length ? some : [up[0]];
    return down.length ? ['frac', times(top), times(down)] : times(top);
  };
  const times = list => list.length > 1 ? ['times', list] : list[0];
  const power = () => {
    let e = atom();
    for (; ;) {
      if (take('²')) e = ['pow', e, ['num', '2']];
      else if (take('³')) e = ['pow', e, ['num', '3']];
      else if (take('^')) e = ['pow', e, is('(') ? (at++, inside(')')) : power()];
      else return e;
    }
  };
  const inside = end => { const e = whole(); want(end); return e; };
  const atom = () => {
    if (take('(')) return ['group', inside(')')];
    if (take('|')) { const e = sum(); want('|'); return ['abs', e]; }
    if (take('√')) return ['root', take('(') ? inside(')') : ['name', tok[at++]]];
    const t = tok[at++];
    if (t === undefined) throw new Error('a rule that ends too soon: ' + text);
    if (/^[\d½∞]/.test(t)) return ['num', t];
    if (is('(') && t.length > 1) { at++; return ['call', t, inside(')')]; }
    if (t === 'log') return ['call', t, power()];
    return ['name', t];
  };
  const e = whole();
  if (at !== tok.length) throw new Error('a rule with something behind it: ' + text);
  return e;
}

/* ---- setting it ------------------------------------------------------------------------------------------------------------------ */

const bare = e => e[0] === 'group' ? e[1] : e;
const fraction = (a, b) => h('span.frac', null, h('span', null, a), h('span', null, b));

function setRule(e) {
  const [kind, a, b, c] = e, wrap = s => [h('span.paren', null, '('), s, h('span.paren', null, ')')];
  switch (kind) {
  case 'num': return a;
  case 'name': return h('i', null, a);
  case 'neg': return ['−', a[0] === 'sum' || a[0] === 'case' ? wrap(setRule(a)) : setRule(a)];
  case 'sum': return a.map(([sign, x], k) => [k || sign === '−' ? ` ${sign} ` : '', x[0] === 'case' ? wrap(setRule(x)) : setRule(x)]);
  case 'times': return a.map((x, k) => [k ? ' · ' : '', x[0] === 'sum' || x[0] === 'case' ? wrap(setRule(x)) : setRule(x)]);
  case 'frac': return fraction(setRule(bare(a)), setRule(bare(b)));
  case 'pow': return [a[0] === 'frac' || a[0] === 'call' && a[1] === 'log' ? wrap(setRule(a)) : setRule(a), h('sup', null, setRule(bare(b)))];
  case 'group': return a[0] === 'case' ? setRule(a) : wrap(setRule(a));
  case 'abs': return ['|', setRule(a), '|'];
  case 'root': return h('span.root', null, '√', h('span', null, setRule(bare(a))));
  case 'call': return [a, b[0] === 'name' || b[0] === 'num' ? [h('span.thin'), setRule(b)] : wrap(setRule(bare(b)))];
  case 'word': return [setRule(a), ` ${b} `, setRule(c)];
  case 'case': {
    const rows = [[a, b]];
    let last = c;
    while (last[0] === 'case') { rows.push([last[1], last[2]]); last = last[3]; }
    return h('span.cases', null, ...rows.map(([x, when]) => h('span', null, h('span', null, setRule(x)), h('span.when', null, 'if ', setRule(when)))), h('span', null, h('span', null, setRule(last)), h('span.when', null, 'else')));
  }
  }
  return '';
}

function ruleHtml(text) {
  try { return setRule(readRule(text)); } catch (e) { return text; }
}

const partial = v => fraction('∂z', ['∂', h('i', null, v)]), bar = v => h('span.bar', null, h('i', null, v)), dotted = v => h('span.dotted', null, h('i', null, v));

/* ---- of operators whose rule is a function: z of x (and y), what comes back, what goes on ------------------------------------------ */

const STRUCTURAL = {
  sum: ['z = Σ x', 'x̄ += z̄, in every element', 'ż = Σ ẋ'], batch_sum: ['z = Σ x over the samples', 'x̄ += z̄, for every sample', 'ż = Σ ẋ'], batch_mean: ['z = Σ x / B', 'x̄ += z̄ / B', 'ż = Σ ẋ / B'],
  expand: ['z is x, repeated', 'x̄ += Σ z̄ over the repetitions', 'ż is ẋ, repeated'], spread: ['z is x, for every sample', 'x̄ += Σ z̄ over the samples', 'ż is ẋ'], reshape: ['z is x in another shape', 'x̄ += z̄ in the shape of x', 'ż is ẋ in another shape'],
  transpose: ['z = xᵀ', 'x̄ += z̄ᵀ', 'ż = ẋᵀ'], concat: ['z = (x, y, …)', 'x̄, ȳ, … += their parts of z̄', 'ż = (ẋ, ẏ, …)'], slice: ['z is a part of x', 'that part of x̄ += z̄', 'ż is that part of ẋ'], unslice: ['z is x, with zeros around', 'x̄ += its part of z̄', 'ż is ẋ, with zeros around'],
  gather: ['zₖ = x at index iₖ', 'x̄ at index iₖ += z̄ₖ (scatter)', 'żₖ = ẋ at index iₖ'], scatter: ['z at index iₖ += xₖ', 'x̄ₖ += z̄ at index iₖ (gather)', 'ż at index iₖ += ẋₖ'], select: ['z = x where c, else y', 'x̄ += z̄ where c, ȳ += z̄ elsewhere', 'ż = ẋ where c, else ẏ'],
  solve: ['A z = b', 'b̄ += A⁻ᵀ z̄,  Ā −= (A⁻ᵀ z̄) zᵀ', 'ż = A⁻¹ (ḃ − Ȧ z)'], trisolve: ['L z = b', 'b̄ += L⁻ᵀ z̄,  L̄ −= tril((L⁻ᵀ z̄) zᵀ)', 'ż = L⁻¹ (ḃ − L̇ z)'], det: ['z = det A', 'Ā += z̄ z A⁻ᵀ', 'ż = z tr(A⁻¹ Ȧ)'], logdet: ['z = log |det A|', 'Ā += z̄ A⁻ᵀ', 'ż = tr(A⁻¹ Ȧ)'],
  rmax: ['z = max x', 'x̄ += z̄ at the largest element', 'ż = ẋ at the largest element'], rmin: ['z = min x', 'x̄ += z̄ at the least element', 'ż = ẋ at the least element'], scan: ['z is the state after all turns', 'a loop backwards over the turns, with what they kept', 'a loop over the same turns'],
  diag: ['z = diag(x)', 'x̄ += the diagonal of z̄', 'ż = diag(ẋ)'], diagv: ['z is the diagonal of x', 'x̄ += diag(z̄)', 'ż is the diagonal of ẋ'], tri: ['z has x below its diagonal', 'x̄ += z̄ below the diagonal', 'ż has ẋ below its diagonal'], stop: ['z = x', 'nothing goes back: stop_gradient', 'ż = 0'],
  id: ['z = x', 'x̄ += z̄', 'ż = ẋ'], proj: ['z is one of the results', 'its adjoint goes to that result', 'ż is that tangent'], window: ['z: windows of x', 'x̄ += the windows of z̄, added where they overlap', 'ż: windows of ẋ'], unwindow: ['z: windows, added where they overlap', 'x̄ += windows of z̄', 'ż: windows of ẋ, added'],
  ode: ['z: the states at the times asked for', 'backwards through the recorded steps', 'the same steps, with tangents'], require: ['z = x, if it holds', 'x̄ += z̄', 'ż = ẋ']};

const DERIVED = {grad: ['z = ', ['∂e', '∂x']], jac: ['z = ', ['∂e', '∂x']], divergence: ['z = Σ ', ['∂eᵢ', '∂xᵢ']], logjac: ['z = log |det ', ['∂e', '∂x'], '|']};

function productRule(text, e) {
  const lanes = text.includes('+lanes'), sub = (v, ix) => [h('i', null, v), ix ? h('sub', null, ix) : ''], over = (own, all) => [...new Set(all)].filter(c => !own.includes(c)).join('');
  const sigma = ix => ix || lanes ? [h('span.sigma', null, 'Σ', h('sub', null, ix + (lanes ? (ix ? ', ' : '') + 'samples' : ''))), ' '] : '', back = (own, other) => { const s = over(own, other + e[3]); return s ? [h('span.sigma', null, 'Σ', h('sub', null, s)), ' '] : ''; };
  return [h('div.rule', null, sub('z', e[3]), ' = ', sigma(over(e[3], e[1] + e[2])), sub('x', e[1]), ' ', sub('y', e[2])),
    h('div.rule.small', {title: 'x̄, ȳ, z̄: adjoints (cotangents), how much the result changes with x, y, z'}, h('span.way', null, 'backwards'), bar('x'), e[1] ? h('sub', null, e[1]) : '', ' += ', back(e[1], e[2]), bar('z'), e[3] ? h('sub', null, e[3]) : '', ' ', sub('y', e[2]), ',   ',
      bar('y'), e[2] ? h('sub', null, e[2]) : '', ' += ', back(e[2], e[1]), bar('z'), e[3] ? h('sub', null, e[3]) : '', ' ', sub('x', e[1])),
    h('div.rule.small', null, h('span.way', null, 'forwards'), dotted('z'), ' = ', 'Σ ', dotted('x'), ' ', h('i', null, 'y'), ' + Σ ', h('i', null, 'x'), ' ', dotted('y'))];
}

/* The rule of an operator, as the table has it; of a product from its labels. */
function ruleOf(text) {
  const op = opOf(text), row = OPS.get(op), e = text.match(/\{(\w*),(\w*)->(\w*)/);
  if (!row) return [];
  if (row[3] !== null) {
    const two = row[4] !== null, z = {mul: 'x · y', add: 'x + y', sub: 'x − y', div: 'x/y', pow: 'x^y', neg: '−x', sqrt: '√x', rsqrt: '1/√x', abs: '|x|', rsqrt3: '1/√(x)³', expm1: 'exp(x) − 1', log1p: 'log(1 + x)'}[op] || `${op}(x)`;
    const big = t => t.length > 60, f = k => ruleHtml(row[k]), factor = k => row[k] === '1' ? '' : [' · ', /[+−if]/.test(row[k].slice(1)) && !big(row[k]) ? ['(', f(k), ')'] : big(row[k]) ? partial(k === 3 ? 'x' : 'y') : f(k)];
    return [h('div.rule', null, h('i', null, 'z'), ' = ', two && z === `${op}(x)` ? `${op}(x, y)` : ruleHtml(z)),
      h('div.rule' + (big(row[3] + (row[4] || '')) ? '.small' : ''), null, partial('x'), ' = ', f(3), two ? [',   ', partial('y'), ' = ', f(4)] : ''),
      h('div.rule.small', {title: 'x̄, z̄: adjoints (cotangents), how much the result changes with x, with z'}, h('span.way', null, 'backwards'), bar('x'), ' += ', bar('z'), factor(3), two ? [',   ', bar('y'), ' += ', bar('z'), factor(4)] : ''),
      h('div.rule.small', {title: 'ẋ, ż: tangents, how much x and z change along a direction'}, h('span.way', null, 'forwards'), dotted('z'), ' = ', dotted('x'), factor(3), two ? [' + ', dotted('y'), factor(4)] : '')];
  }
  if (e) return productRule(text, e);
  if (DERIVED[op]) { const [z, [a, b], end] = DERIVED[op]; return [h('div.rule', null, z, fraction(a, b), end || '')]; }
  const s = STRUCTURAL[op];
  if (s) return [h('div.rule', null, s[0]), h('div.rule.small', null, h('span.way', null, 'backwards'), s[1]), h('div.rule.small', null, h('span.way', null, 'forwards'), s[2])];
  if (row[2] & (TRAIT.linear | TRAIT.view)) return [h('div.rule', null, `z = ${op}(x)`), h('div.rule.small', null, h('span.way', null, 'linear'), bar('x'), ` += ${op}`, h('sup', null, 'T'), ' (', bar('z'), '),   ', dotted('z'), ` = ${op}(`, dotted('x'), ')')];
  if (row[1] === 'elementwise') return [h('div.rule', null, `z = ${op}(x)`), h('div.soft', null, 'no derivative: it is constant piece by piece')];
  return [];
}

/* What the page's notation means, in plain words: operators, attributes, instructions of the processor. */

const OPERATORS = {in: 'an input: a parameter, or a field of the sample', const: 'a number', concat: 'arrays, one behind another', dot: 'a product, summed over the indices that the result lacks', reshape: 'the same elements in another shape',
  transpose: 'axes in another order', expand: 'repeated along new axes', sum: 'the sum over axes', batch_sum: 'the sum over all samples', batch_mean: 'the mean over all samples', select: 'the second operand where the first is true, else the third',
  slice: 'a part', unslice: 'a part, with zeros around', gather: 'elements by their indices', scatter: 'adds elements to where indices say', scan: 'a loop whose body takes what it made last', proj: 'one of several results', grad: 'a gradient, not derived yet',
  jac: 'a Jacobian, not derived yet', divergence: 'the trace of a Jacobian, not derived yet', logjac: 'log |det| of a Jacobian, not derived yet', ode: 'an adaptive integrator, its steps chosen while it runs', integrate: 'an integrator, not written out yet',
  reversible: 'a step with its inverse', id: 'a name for a value', stop: 'its value, with derivative zero', spread: 'one value for all samples', rand: 'random numbers by a counter', solve: 'the solution of A z = b', det: 'a determinant', logdet: 'log |det|', window: 'sliding windows',
  barrier: 'a value, computed again after another', table: 'an array of numbers', iota: 'indices 0, 1, 2, ...', tri: 'a triangular matrix of its elements', diag: 'a diagonal matrix', diagv: 'the diagonal of a matrix', trisolve: 'the solution of a triangular system', cauchy: 'the product of two power series'};

const opTitle = op => OPERATORS[op] ? `${op}: ${OPERATORS[op]}` : `${op}, element by element`;

function attributeTitle(op, text) {
  const e = text.match(/\{(\w*),(\w*)->(\w*)/);
  if (e) return `indices: x[${e[1]}] · y[${e[2]}], summed over those not in [${e[3]}]${text.includes('+lanes') ? ', and over all samples: a gradient by weights' : ''}`;
  return 'attributes';
}

const NOTATION = [['%12', 'the value that an instruction computes: its number in the function. A click selects it'], ['@f', 'a function, or the body of a loop'],
  ['f64[B,3]', 'three numbers for each sample of the batch B; f64[3] is shared by all samples'], ['{ab,b->a}', 'a product by indices: summed over b. +lanes: over the samples, too'],
  ['‖0.12‖', 'root mean square of an array, over its elements and all samples. Without bars: the number at the chosen sample'], ['x̄', 'the adjoint (cotangent) of x: how much the result changes with x'], ['ẋ', 'the tangent of x: how much x changes along a direction'],
  ['✗', 'a derivative that disagrees with finite differences'], ['~ ∂ + − ↕', 'between two passes: changed, derived, new, gone, moved'], ['scratch+64', 'place in the memory that a function works in, in bytes']];

/* ---- instructions of x86-64, as the assembler of GNU writes them: destination last ------------------------------------------------ */

const ASM = [
  [/^v?f(n?)m(add|sub|addsub|subadd)(132|213|231)(p|s)(s|d)$/, (m, a) => {
    const [x, y, z] = [a[0], a[1], a[2]], sign = m[2] === 'sub' ? '−' : '+', minus = m[1] ? '−' : '';
    const s = {132: `${minus}${z}·${x} ${sign} ${y}`, 213: `${minus}${y}·${z} ${sign} ${x}`, 231: `${minus}${y}·${x} ${sign} ${z}`}[m[3]];
    return `${z} = ${s}, rounded once (fused multiply-add)`;
  }],
  [/^v?(add|sub|mul|div|min|max)(p|s)(s|d)$/, (m, a) => { const sign = {add: '+', sub: '−', mul: '·', div: '/'}[m[1]]; const [y, x, z] = a.length > 2 ? a : [a[0], a[1], a[1]]; return sign ? `${z} = ${x} ${sign} ${y}` : `${z} = ${m[1]}(${x}, ${y})`; }],
  [/^v?sqrt[ps][sd]$/, (m, a) => `${a[a.length - 1]} = √${a[0]}`],
  [/^v?(rsqrt|rcp)(14|28)?[ps][sd]$/, (m, a) => `${a[a.length - 1]} = about 1/${m[1] === 'rcp' ? '' : '√'}${a[0]}`],
  [/^v?xor(ps|pd)$|^v?pxor[dq]?$/, (m, a) => a[0] === a[1] ? `${a[a.length - 1]} = 0` : 'exclusive or of bits: with the sign bit it changes signs'],
  [/^v?and(n?)(ps|pd)$|^v?pand(n?)[dq]?$/, m => m[1] || m[3] ? 'and not, of bits' : 'and of bits: keeps some, as for an absolute value'],
  [/^v?p?or(ps|pd|[dq])?$/, () => 'or of bits'], [/^vpternlog/, () => 'any function of three bits, by its table'],
  [/^vbroadcast|^vpbroadcast|^v?movddup/, (m, a) => `${a[a.length - 1]} = ${a[0]} in every lane`],
  [/^v?mov(nt)(p[sd]|dq[a]?)$/, () => 'stores past the caches'],
  [/^v?mov(a|u)p[sd]$|^v?movdq[au]\d*$|^v?mov(s[sd]|[dq])$/, (m, a) => /\(/.test(a[0]) ? `loads ${a[a.length - 1]} from memory` : /\(/.test(a[a.length - 1]) ? `stores ${a[0]} to memory` : `${a[a.length - 1]} = ${a[0]}`],
  [/^vblendm|^v?p?blend/, () => 'lanes of one or of the other, by a mask'], [/^v?gather|^vpgather/, () => 'loads each lane from an address of its own'], [/^v?p?scatter/, () => 'stores each lane to an address of its own'],
  [/^v?(perm|shuf|pshuf|vperm|p?unpck|palignr|valign|vshuf)/, () => 'lanes in another order'], [/^v?p?unpck/, () => 'interleaves lanes of two'], [/^v?h(add|sub)p/, () => 'adds neighbouring lanes'],
  [/^v(extract|insert)/, m => m[1] === 'extract' ? 'takes a part of a wide register' : 'puts a part into a wide register'], [/^v?movh[lp]|^v?movl[hp]/, () => 'moves half of a register'], [/^v?movmskp/, () => 'signs of all lanes as bits'],
  [/^v?cmp|^v?u?comis/, () => 'compares: a mask, or flags'], [/^vptestm|^k?ortest|^ktest/, () => 'tests a mask'], [/^k(mov|and|or|xnor|xor|not|andn|shift|unpck)/, () => 'works on masks of lanes'],
  [/^v?cvt/, () => 'converts between kinds of numbers'], [/^v?round|^vrndscale/, () => 'rounds to whole numbers'], [/^vscalef/, (m, a) => `${a[a.length - 1]} = ${a[1]}·2^⌊${a[0]}⌋`], [/^vgetexp/, () => 'the exponent of a number, as a number'], [/^vgetmant/, () => 'the mantissa of a number'],
  [/^vfixupimm/, () => 'mends special values: zero, infinity, NaN'], [/^vfpclass/, () => 'asks for NaN, infinities, zeros'], [/^v?p(add|sub|mul|mull)[a-z]*$/, () => 'arithmetic on whole numbers'], [/^v?ps(ll|rl|ra)/, () => 'shifts bits'], [/^vzeroupper$/, () => 'clears upper halves, before code that uses narrow registers'],
  [/^prefetch/, () => 'asks for memory that is needed soon'], [/^lea/, (m, a) => `${a[a.length - 1]} = the address ${a[0]}`], [/^call/, (m, a) => `calls ${a[0] || ''}`], [/^ret/, () => 'returns'], [/^push|^pop/, m => (m[0] === 'push' ? 'saves' : 'restores') + ' a register'],
  [/^jmp/, () => 'goes on there'], [/^j(n?)(e|z|ae?|be?|ge?|le?|s|p|o|c)[a-z]*$/, () => 'goes on there if the last comparison says so: the end of a loop, or a branch'], [/^(cmp|test)[bwlq]?$/, () => 'compares, for the jump behind it'],
  [/^(inc|dec|add|sub)[bwlq]?$/, (m, a) => a.length > 1 ? `${a[1]} ${/add/.test(m[1]) ? '+' : '−'}= ${a[0]}: an address or a counter` : 'counts'], [/^(i?mul|shl|shr|sar|sal|and|or|xor|neg|not|rorx?|shrx|shlx|sarx|bzhi|andn)[bwlq]?$/, () => 'arithmetic on addresses and counters'], [/^mov(abs)?[bwlq]?$|^mov[sz][bwlq]+$/, (m, a) => `${a[a.length - 1]} = ${a[0]}`], [/^cmov/, () => 'copies if the last comparison says so'], [/^set/, () => 'a truth value of the last comparison'], [/^nop|^data16|^cs/, () => 'nothing: the next instruction begins at a round address']];

const WIDTH = {z: 512, y: 256, x: 128};

/* One line of assembly in words; constants: numbers behind labels, see constantsOf. '': nothing is known. */
function explainAsm(line, constants) {
  const m = line.trim().match(/^([a-z][\w.]*)\s*(.*)$/);
  if (!m) return '';
  const operands = m[2].replace(/#.*$/, '').split(/,(?![^(]*\))/).map(s => s.trim().replace(/^[%$]/, '').replace(/%/g, '')).filter(Boolean);
  const at = operands.map(o => { const c = o.match(/^(\.LCPI\w+)(?:\+\d+)?\(rip\)/), v = c && constants.get(c[1]); return v || (/\(/.test(o) ? 'memory' : o.replace(/\{.*$/, '')); });
  const rule = ASM.find(([r]) => r.test(m[1]));
  if (!rule) return '';
  const reg = (m[2].match(/%([zyx])mm/) || [])[1], kind = (m[1].match(/[ps][sd]$/) || [])[0], wide = reg && kind && kind[0] === 'p' ? WIDTH[reg] / (kind[1] === 'd' ? 64 : 32) : 0;
  const plain = operands.map(o => /\(/.test(o) && !/\(rip\)/.test(o) ? o : o);
  const said = rule[1](m[1].match(rule[0]), /^(v?mov|lea)/.test(m[1]) ? plain : at);
  const mask = (m[2].match(/\{%(k\d)\}/) || [])[1], value = at.filter((a, k) => a !== operands[k] && /^[-\d.]/.test(a)).join(', ');
  return `${said}${wide ? `  (${wide} numbers of ${kind[1] === 'd' ? 64 : 32} bits at once)` : ''}${mask ? `, in lanes of mask ${mask}` : ''}${/^v?mov|^vbroadcast/.test(m[1]) && value ? `: the constant ${value}` : ''}`;
}

/* Numbers that stand behind labels of constants. */
function constantsOf(lines) {
  const out = new Map(), buffer = new DataView(new ArrayBuffer(8));
  for (let k = 0; k + 1 < lines.length; k++) {
    const label = lines[k].match(/^(\.LCPI\w+):/), v = label && lines[k + 1].match(/^\t\.(quad|long)\t(0x[0-9a-f]+|-?\d+)/);
    if (!v) continue;
    if (v[1] === 'quad') { buffer.setBigUint64(0, BigInt.asUintN(64, BigInt(v[2]))); out.set(label[1], String(buffer.getFloat64(0))); }
    else { buffer.setUint32(0, Number(v[2]) >>> 0); out.set(label[1], String(+buffer.getFloat32(0).toPrecision(8))); }
  }
  return out;
}

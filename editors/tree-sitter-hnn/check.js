// node check.js FILE...: whether the grammar takes whole files, by its own rules read as they stand: tokens by their expressions, the longest
// one and of the same length the word; then the rules, each choice in its order. Says where it stops. This is no tree-sitter: it shows that
// the rules cover the language, not that tables can be made of them.
const fs = require("fs");

const wrap = (x) => (typeof x === "string" ? { type: "string", value: x } : x instanceof RegExp ? { type: "pattern", value: x } : x);
const rule = (type) => (...of) => ({ type, of: of.map(wrap) });
global.choice = rule("choice");
global.seq = rule("seq");
global.repeat = rule("repeat");
global.optional = rule("optional");
global.field = (name, of) => wrap(of);
global.prec = { right: wrap, left: wrap };
let given;
global.grammar = (g) => (given = g);
require("./grammar.js");

const names = new Proxy({}, { get: (_, name) => ({ type: "name", name }) });
const rules = {};
for (const [name, make] of Object.entries(given.rules)) rules[name] = wrap(make(names));
const extras = given.extras(names).map(wrap);

const tokens = [];
const collect = (r) => {
  if (r.type === "string" || r.type === "pattern") tokens.push({ rule: r, at: r.type === "string" ? null : new RegExp(r.value.source, "y") });
  (r.of || []).forEach(collect);
};
Object.values(rules).forEach(collect);
const extra = extras.map((e) => (e.type === "name" ? rules[e.name] : e)).map((r) => (r.type === "string" ? r.value : new RegExp(r.value.source, "y")));
const key = (r) => r.type + ":" + (r.type === "string" ? r.value : r.value.source);
const word = /^[a-z_]+$/;

function lex(text) {
  const out = [];
  for (let i = 0; i < text.length; ) {
    const skip = extra.map((e) => (typeof e === "string" ? (text.startsWith(e, i) ? e.length : 0) : ((e.lastIndex = i), (e.exec(text) || [""])[0].length)));
    const n = Math.max(...skip);
    if (n) {
      i += n;
      continue;
    }
    let best = null;
    for (const t of tokens) {
      let len = t.at ? ((t.at.lastIndex = i), (t.at.exec(text) || [""])[0].length) : text.startsWith(t.rule.value, i) ? t.rule.value.length : 0;
      if (!t.at && word.test(t.rule.value) && /[A-Za-z0-9_\u0080-\uffff]/.test(text[i + len] || " ")) len = 0;
      if (len && (!best || len > best.len || (len === best.len && best.t.at && !t.at))) best = { t, len };
    }
    if (!best) return { at: i };
    out.push({ key: key(best.t.rule), at: i });
    i += best.len;
  }
  return { out };
}

function match(r, out, i) {
  if (r.type === "name") return match(rules[r.name], out, i);
  if (r.type === "string" || r.type === "pattern") return i < out.length && out[i].key === key(r) ? i + 1 : -1;
  if (r.type === "choice") return r.of.reduce((got, x) => (got >= 0 ? got : match(x, out, i)), -1);
  if (r.type === "seq") return r.of.reduce((got, x) => (got < 0 ? got : match(x, out, got)), i);
  if (r.type === "optional") return Math.max(match(r.of[0], out, i), i);
  for (let next; (next = match(r.of[0], out, i)) > i; ) i = next;
  return i;
}

let failed = 0;
for (const file of process.argv.slice(2)) {
  const text = fs.readFileSync(file, "utf8");
  const { out, at } = lex(text);
  const end = out ? match(rules.source_file, out, 0) : -1;
  if (out && end === out.length) continue;
  const where = out ? out[end].at : at;
  console.log(`${file}:${text.slice(0, where).split("\n").length}: the grammar stops at ${JSON.stringify(text.slice(where, where + 20))}`);
  failed++;
}
console.log(`${process.argv.length - 2 - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);

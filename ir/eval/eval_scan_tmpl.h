/* Ops with sub-functions of the evaluators. A turn's inputs borrow what they can; its outputs are freed
 * or moved before the next turn. See eval_tmpl.h. */

/* Takes the outputs of one turn over: carries replace, ys are stacked, zs added. True: converged. */
static bool take_turn(Node *n, ElemTensor *out, int64_t turn) {
  int64_t B = n->run->B;
  scan_attr scan = scan_attr_at(n->attr);
  bool still = scan.converge == 1;
  for (uint32_t k = 0; k < n->nresults; k++) {
    size_t size = elem_total(&out[k], B);
    if (k < scan.carry) {
      still = still && elem_settled(&n->results[k], &out[k], B);
      base_free(n->results[k].v);
      n->results[k] = out[k];
      continue;
    }
    Elem *to = n->results[k].v;
    if (k < scan.carry + scan.ys) memcpy(to + (size_t)turn * size, out[k].v, size * sizeof *to);
    else
      for (size_t e = 0; e < size; e++) to[e] = elem_apply(n->run, OP_add, to[e], out[k].v[e]);
    base_free(out[k].v);
  }
  return still;
}

static void bind_turn(const Node *n, ElemTensor *in, int64_t turn) {
  scan_attr scan = scan_attr_at(n->attr);
  int64_t carry = scan.carry, seq = carry + scan.xs;
  for (uint32_t k = 0; k < n->i->nargs; k++) {
    in[k] = k < carry ? n->results[k] : *n->args[k];
    if (k < carry || k >= seq) continue;
    in[k].type = type_without_axis(in[k].type, 0);
    in[k].v += (size_t)turn * elem_total(&in[k], n->run->B);
  }
}

/* Whether carry 0 lets another turn begin. */
static bool goes_on(const Node *n) {
  if (scan_attr_at(n->attr).converge != 2) return true;
  for (size_t e = 0; e < elem_total(&n->results[0], n->run->B); e++)
    if (elem_on(n->results[0].v[e])) return true;
  return false;
}

static bool eval_scan(Node *n) {
  const Fn *body = ir_body(n->f, n->i);
  scan_attr scan = scan_attr_at(n->attr);
  bool ok = true, done = false;
  ElemTensor *in = base_realloc(NULL, (n->i->nargs + 1) * sizeof *in);
  ElemTensor *out = base_realloc(NULL, (n->nresults + 1) * sizeof *out);
  for (uint32_t k = 0; k < scan.carry; k++)
    memcpy(n->results[k].v, n->args[k]->v, elem_total(n->args[k], n->run->B) * sizeof(Elem));
  for (int64_t t = 0; t < scan.n && ok && !done && goes_on(n); t++) {
    int64_t turn = scan.reverse ? scan.n - 1 - t : t;
    bind_turn(n, in, turn);
    ok = eval_fn(n->run, body, in, out);
    if (ok) done = take_turn(n, out, turn);
  }
  base_free(in);
  base_free(out);
  return ok;
}

/* f alone: what its outputs follow from. */
static bool eval_reversible(Node *n) {
  const Fn *body = ir_body(n->f, n->i);
  uint32_t s = n->nresults;
  ElemTensor *in = base_realloc(NULL, (body->in.n + 1) * sizeof *in);
  ElemTensor *out = base_realloc(NULL, (s + 1) * sizeof *out);
  bool *wanted = base_realloc(NULL, body->inst.n);
  memset(wanted, 0, body->inst.n);
  for (uint32_t k = 0; k < s; k++) wanted[body->out.at[k].id] = true;
  for (uint32_t id = body->inst.n; id-- > 1;)
    for (uint32_t k = 0; wanted[id] && k < body->inst.at[id].nargs; k++) wanted[ir_arg(body, &body->inst.at[id], k).id] = true;
  for (uint32_t k = 0; k < body->in.n; k++) in[k] = *n->args[k < s ? k : k - s];
  bool ok = eval_part(n->run, body, in, out, s, wanted);
  for (uint32_t k = 0; ok && k < s; k++) {
    base_free(n->results[k].v);
    n->results[k] = out[k];
  }
  base_free(in);
  base_free(out);
  base_free(wanted);
  return ok;
}

static bool eval_root(Node *n) {
  memcpy(n->out->v, n->args[0]->v, elem_total(n->out, n->run->B) * sizeof(Elem));
  return true;
}

static bool eval_proj(Node *n) {
  proj_attr attr = proj_attr_at(n->attr);
  const ElemTensor *t = &n->results[attr.index];
  memcpy(n->out->v, t->v, elem_total(t, n->run->B) * sizeof(Elem));
  return true;
}

/* ---- ops that are expanded before ---- */

static bool unexpanded(Node *n) { return eval_fail(n->run, "`%s` is not expanded", ir_op[n->i->op].name); }
static bool eval_integrate(Node *n) { return unexpanded(n); }
static bool eval_grad(Node *n) { return unexpanded(n); }
static bool eval_jac(Node *n) { return unexpanded(n); }
static bool eval_divergence(Node *n) { return unexpanded(n); }
static bool eval_logjac(Node *n) { return unexpanded(n); }

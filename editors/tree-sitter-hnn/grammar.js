// The hnn language for tree-sitter, rule by rule as frontend/syntax/parser.y has it; src/scanner.c knows where a line ends a statement.
// `tools/tree_sitter` makes src/parser.c of it. Words that are keywords only where no name can stand need no care: the state of the
// parser decides. Those that begin a statement or a field and may be names there, too, are names in `name` and `_field_name`.
const list = (rule) => seq(rule, repeat(seq(",", rule)));
const ended = ($, rule) => repeat(choice(seq(rule, $._end), ";"));

module.exports = grammar({
  name: "hnn",
  externals: ($) => [$._end],
  extras: ($) => [/\s/, $.comment],
  word: ($) => $.identifier,
  supertypes: ($) => [$._item, $._statement, $._expression],
  conflicts: ($) => [],
  rules: {
    source_file: ($) => ended($, $._item),

    _item: ($) =>
      choice($.language, $.precision, $.import, $.const, $.use, $.definition, $.data, $.train, $.report, $.expect, $.prove, $.plot, $.save),
    language: ($) => seq("language", $.number),
    precision: ($) => seq("precision", $.identifier),
    import: ($) => seq("import", field("path", $.string)),
    const: ($) => seq("const", field("name", $.identifier), "=", field("value", $._expression)),
    use: ($) =>
      seq("use", field("name", $.identifier), "=", field("value", $._expression), optional(seq("from", $.string, optional(seq("as", $.string))))),
    definition: ($) =>
      seq(repeat(choice("symplectic", "volume")), field("kind", choice("fn", "hamiltonian", "net", "flow", "loss")), $._head, $._meaning),
    data: ($) => seq("data", field("name", $.identifier), choice(seq("=", field("value", $._expression)), seq(optional($._on), field("body", $.block)))),
    train: ($) => seq("train", list($.summand), $.options),
    summand: ($) => seq($._expression, optional($._on)),
    report: ($) => seq("report", field("name", $.identifier), "=", field("value", $._expression), optional($._on)),
    expect: ($) => seq("expect", $._expression),
    prove: ($) => seq("prove", $.parameters, $._expression),
    plot: ($) => seq("plot", field("name", $.identifier), "=", $.options, optional($._on)),
    save: ($) => seq("save", field("name", $.identifier), "=", $.options, optional($._on)),
    _on: ($) => seq("on", field("on", $.identifier)),

    _head: ($) => seq(field("name", $.identifier), $.parameters, optional($.parameters), optional(seq("->", field("result", $.type)))),
    _meaning: ($) => choice(seq("=", field("value", $._expression)), field("body", $.block)),
    parameters: ($) => seq("(", optional(list($.parameter)), ")"),
    parameter: ($) => seq(field("name", $.identifier), optional($._typed), optional(seq("=", field("default", $._expression)))),
    _typed: ($) => seq(":", field("type", $.type)),
    type: ($) => seq(field("name", $.identifier), optional(seq("[", optional(list($._expression)), "]"))),
    options: ($) => seq("{", ended($, $._row), "}"),
    _row: ($) => seq($.option, repeat(seq(optional(","), $.option))),
    option: ($) => seq(field("name", $.identifier), "=", field("value", $._expression)),

    block: ($) => seq("{", ended($, $._statement), "}"),
    _statement: ($) =>
      choice($.let, $.var, $.return, $.for, $.repeat, $.param, $.local_use, $.yield, $.evolve, $.require, $.running, $.expect, $.prove,
        $.local_definition, $.expressions, $.assignment, $.update),
    let: ($) => seq("let", $._targets, optional($._typed), "=", field("value", $._expression)),
    _targets: ($) => choice(field("name", $.identifier), seq("(", list(field("name", $.identifier)), ")")),
    var: ($) => seq("var", field("name", $.identifier), optional($._typed), "=", field("value", $._expression)),
    return: ($) => seq("return", list($._expression)),
    for: ($) => seq("for", field("name", $.identifier), "in", $._iterated, field("body", $.block)),
    repeat: ($) => seq("repeat", $._expression, field("body", $.block)),
    param: ($) => seq("param", field("name", $.identifier), $._typed, choice("=", "~"), field("value", $._expression)),
    local_use: ($) => seq("use", field("name", $.identifier), "=", field("value", $._expression)),
    yield: ($) => seq("yield", optional(choice("each", seq(choice("windows", "shuffled"), $.arguments))), list($.field)),
    field: ($) => seq(field("name", $._field_name), optional(seq("=", field("value", $._expression)))),
    evolve: ($) =>
      seq("evolve", choice($.name, $.tuple), choice("under", "along"), $._expression, "for", $._expression, "steps", $._expression,
        optional(seq("method", $._expression))),
    require: ($) => seq("require", $._expression, ",", $.string),
    running: ($) => seq("running", field("name", $.identifier), "=", field("value", $._expression), optional(seq("decay", $._expression))),
    local_definition: ($) => seq(field("kind", choice("fn", "hamiltonian")), $._head, $._meaning),
    expressions: ($) => list($._expression),
    assignment: ($) =>
      seq(list($._expression), "=", list($._expression), optional(seq("inverse", list($._expression))), optional(seq("logdet", $._expression))),
    update: ($) => seq(list($._expression), choice("+=", "-=", "*=", "/="), $._expression),

    _expression: ($) => choice($.unary, $.binary, $.call, $.index, $.member, $.name, $.tuple, $.list, $.comprehension, $.block, $.number, $.string, $.boolean),
    unary: ($) => choice(prec(7, seq(choice("-", "+"), $._expression)), prec(3, seq("not", $._expression))),
    binary: ($) =>
      choice(
        prec.left(1, seq($._expression, "or", $._expression)),
        prec.left(2, seq($._expression, "and", $._expression)),
        prec.left(4, seq($._expression, choice("<", ">", "<=", ">=", "==", "!="), $._expression)),
        prec.left(5, seq($._expression, choice("+", "-"), $._expression)),
        prec.left(6, seq($._expression, choice("*", "/", "@"), $._expression)),
        prec.right(8, seq($._expression, "^", $._expression))
      ),
    call: ($) => prec(9, seq(field("function", $._expression), $.arguments)),
    arguments: ($) => seq("(", optional(seq(list(choice($._expression, $.argument)), optional(","))), ")"),
    argument: ($) => seq(field("name", $.identifier), "=", field("value", $._expression)),
    index: ($) => prec(9, seq($._expression, "[", list($._subscript), "]")),
    _subscript: ($) => choice($._expression, $.range),
    range: ($) => seq(optional($._expression), ":", optional($._expression), optional(seq(":", optional($._expression)))),
    _iterated: ($) => choice($._expression, alias($._bounds, $.range)),
    _bounds: ($) => seq($._expression, ":", $._expression),
    member: ($) => prec(9, seq($._expression, ".", field("member", $.identifier))),
    tuple: ($) => seq("(", list($._expression), ")"),
    list: ($) => seq("[", optional(seq(list($._expression), optional(","))), "]"),
    comprehension: ($) => seq("[", $._expression, "for", field("name", $.identifier), "in", $._iterated, "]"),
    name: ($) => choice($.identifier, alias(choice("use", "running", "hamiltonian"), $.identifier)),
    _field_name: ($) => choice($.identifier, alias(choice("each", "windows", "shuffled"), $.identifier)),

    boolean: ($) => choice("true", "false"),
    identifier: ($) => /([A-Za-z_]|[^\x00-\x7F])([A-Za-z0-9_]|[^\x00-\x7F])*/,
    number: ($) => /([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?/,
    string: ($) => /"([^"\\\n]|\\[^\n])*"/,
    comment: ($) => /#[^\n]*/,
  },
});

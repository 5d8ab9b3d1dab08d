// The hnn language for tree-sitter: words, definitions, calls and brackets, for colours, folding and moving about. Where lines end is not
// looked at, nor the order of operators: the compiler's own parser, behind `hnnc lsp`, does that.
const words = require("./words.js");

module.exports = grammar({
  name: "hnn",
  extras: ($) => [/\s/, ";", $.comment],
  word: ($) => $.identifier,
  rules: {
    source_file: ($) => repeat($._element),
    _element: ($) =>
      choice($.definition, $.keyword, $.boolean, $.identifier, $.number, $.string, $.operator, $.arguments, $.list, $.block),
    definition: ($) => prec.right(seq(field("kind", choice(...words.definers)), optional(field("name", $.identifier)))),
    keyword: ($) => choice(...words.others),
    boolean: ($) => choice("true", "false"),
    arguments: ($) => seq("(", repeat($._element), ")"),
    list: ($) => seq("[", repeat($._element), "]"),
    block: ($) => seq("{", repeat($._element), "}"),
    identifier: ($) => /[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*/,
    number: ($) => /(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?/,
    string: ($) => /"([^"\\\n]|\\[^\n])*"/,
    operator: ($) => /->|[-+*\/<>=!]=|[-+*\/^@<>=~:,.]/,
    comment: ($) => /#[^\n]*/,
  },
});

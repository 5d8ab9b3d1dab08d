; Written by tools/grammars.py.
(comment) @comment
(string) @string
(number) @number
(boolean) @boolean
["along" "as" "const" "data" "decay" "each" "evolve" "expect" "flow" "fn" "for" "from" "hamiltonian" "import" "in" "inverse" "language" "let" "logdet" "loss" "method" "net" "on" "param" "plot" "precision" "prove" "repeat" "report" "require" "return" "running" "save" "shuffled" "steps" "symplectic" "train" "under" "use" "var" "volume" "windows" "yield"] @keyword
["and" "or" "not"] @keyword.operator
["+" "-" "*" "/" "^" "@" "<" ">" "<=" ">=" "==" "!=" "=" "+=" "-=" "*=" "/=" "->" "~"] @operator
["(" ")" "[" "]" "{" "}"] @punctuation.bracket
["," ";" ":" "."] @punctuation.delimiter
(type name: (identifier) @type)
(definition name: (identifier) @function)
(local_definition name: (identifier) @function)
(call function: (name (identifier) @function.builtin) (#any-of? @function.builtin "abs" "acos" "acosh" "argmax" "argmin" "argsort" "asin" "asinh" "atan" "atan2" "atanh" "ceil" "choice" "cholesky" "concat" "conv" "conv_transpose" "cos" "cosh" "count" "cross" "cumprod" "cumsum" "det" "diag" "div" "dot" "eigh" "erf" "ess" "ess_chains" "ess_log" "events" "exp" "expm1" "eye" "field" "first" "flip" "floor" "grad" "hess" "hessian" "integrate" "inv" "inverse" "iterate" "jac" "jacobian" "last" "len" "lift" "linspace" "log" "log10" "log1p" "log2" "logabsdet" "logdet" "logmeanexp" "logsumexp" "max" "maxabs" "mean" "mean_over_batch" "median" "min" "mod" "moving_mean" "nonzeros" "norm" "normal" "omega" "one_hot" "ones" "onnx" "outer" "poisson" "pool_max" "pool_mean" "prod" "quantile" "r_hat" "r_hat_ranks" "read" "relu" "reshape" "roll" "round" "sd" "searchsorted" "section" "segment_sum" "set" "shape" "shuffle" "sigmoid" "sign" "sin" "sinh" "softmax" "softplus" "solve" "solve_lower" "solve_upper" "sort" "sqrt" "stack" "std" "stop_gradient" "sum" "tan" "tanh" "trace" "trajectory" "transpose" "tril" "triu" "uniform" "upsample" "where" "windows" "zeros"))
(call function: (name (identifier) @function.call) (#not-any-of? @function.call "abs" "acos" "acosh" "argmax" "argmin" "argsort" "asin" "asinh" "atan" "atan2" "atanh" "ceil" "choice" "cholesky" "concat" "conv" "conv_transpose" "cos" "cosh" "count" "cross" "cumprod" "cumsum" "det" "diag" "div" "dot" "eigh" "erf" "ess" "ess_chains" "ess_log" "events" "exp" "expm1" "eye" "field" "first" "flip" "floor" "grad" "hess" "hessian" "integrate" "inv" "inverse" "iterate" "jac" "jacobian" "last" "len" "lift" "linspace" "log" "log10" "log1p" "log2" "logabsdet" "logdet" "logmeanexp" "logsumexp" "max" "maxabs" "mean" "mean_over_batch" "median" "min" "mod" "moving_mean" "nonzeros" "norm" "normal" "omega" "one_hot" "ones" "onnx" "outer" "poisson" "pool_max" "pool_mean" "prod" "quantile" "r_hat" "r_hat_ranks" "read" "relu" "reshape" "roll" "round" "sd" "searchsorted" "section" "segment_sum" "set" "shape" "shuffle" "sigmoid" "sign" "sin" "sinh" "softmax" "softplus" "solve" "solve_lower" "solve_upper" "sort" "sqrt" "stack" "std" "stop_gradient" "sum" "tan" "tanh" "trace" "trajectory" "transpose" "tril" "triu" "uniform" "upsample" "where" "windows" "zeros" "dop853" "dopri5" "euler" "gauss16" "gauss4" "gauss6" "implicit_midpoint" "leapfrog" "rk4" "symplectic_euler" "taylor" "tsit5" "yoshida4" "yoshida6" "yoshida8" "pi" "inf"))
(name (identifier) @constant.builtin (#any-of? @constant.builtin "dop853" "dopri5" "euler" "gauss16" "gauss4" "gauss6" "implicit_midpoint" "leapfrog" "rk4" "symplectic_euler" "taylor" "tsit5" "yoshida4" "yoshida6" "yoshida8" "pi" "inf"))
(parameter name: (identifier) @variable.parameter)
(argument name: (identifier) @property)
(option name: (identifier) @property)
(field name: (identifier) @property)
(member member: (identifier) @property)

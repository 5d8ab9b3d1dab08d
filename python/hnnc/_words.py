"""Words of the language, for pygments.py. Written by tools/grammars.py."""
HARD = frozenset((
    "and", "evolve", "expect", "false", "fn", "for", "in", "let", "not", "or", "param", "prove", "repeat", "require", "return", "true", "var",
    "yield",
))
ITEM = frozenset((
    "const", "data", "flow", "hamiltonian", "import", "language", "loss", "net", "plot", "precision", "report", "save", "symplectic", "train",
    "volume",
))
OPENING = frozenset((
    "running", "use",
))
FOLLOWING = frozenset((
    "along", "as", "decay", "each", "from", "inverse", "logdet", "method", "on", "shuffled", "steps", "under", "windows",
))
TYPES = frozenset((
    "bool", "int", "real", "string",
))
BUILTINS = frozenset((
    "abs", "acos", "acosh", "argmax", "argmin", "argsort", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "choice", "cholesky", "concat",
    "conv", "conv_transpose", "cos", "cosh", "count", "cross", "cumprod", "cumsum", "det", "diag", "div", "dot", "eigh", "erf", "ess",
    "ess_chains", "ess_log", "events", "exp", "expm1", "eye", "field", "first", "flip", "floor", "grad", "hess", "hessian", "integrate", "inv",
    "inverse", "iterate", "jac", "jacobian", "last", "len", "lift", "linspace", "log", "log10", "log1p", "log2", "logabsdet", "logdet",
    "logmeanexp", "logsumexp", "max", "maxabs", "mean", "mean_over_batch", "median", "min", "mod", "moving_mean", "nonzeros", "norm", "normal",
    "omega", "one_hot", "ones", "onnx", "outer", "poisson", "pool_max", "pool_mean", "prod", "quantile", "r_hat", "r_hat_ranks", "read", "relu",
    "reshape", "roll", "round", "sd", "searchsorted", "section", "segment_sum", "set", "shape", "shuffle", "sigmoid", "sign", "sin", "sinh",
    "softmax", "softplus", "solve", "solve_lower", "solve_upper", "sort", "sqrt", "stack", "std", "stop_gradient", "sum", "tan", "tanh",
    "trace", "trajectory", "transpose", "tril", "triu", "uniform", "upsample", "where", "windows", "zeros",
))
METHODS = frozenset((
    "dop853", "dopri5", "euler", "gauss16", "gauss4", "gauss6", "implicit_midpoint", "inf", "leapfrog", "pi", "rk4", "symplectic_euler",
    "taylor", "tsit5", "yoshida4", "yoshida6", "yoshida8",
))

" The hnn language. Written by tools/grammars.py.
if exists("b:current_syntax")
  finish
endif
syntax iskeyword @,48-57,_,128-255
syntax match hnnName /\<\k\+\>/
syntax match hnnNumber /\v<\d+(\.\d*)?([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?/
syntax match hnnOperator /->\|[-+*\/^@<>=~!:]/
syntax match hnnDeclaration /\v<(const|data|flow|hamiltonian|import|language|loss|net|plot|precision|report|save|symplectic|train|volume|running|use)>\ze\s+[[:alpha:]_"(]/
syntax match hnnFollowing /\v([])}"]|\k)\s+\zs<(along|as|decay|each|from|inverse|logdet|method|on|shuffled|steps|under|windows)>\ze(\s*\=)@!/
syntax keyword hnnKeyword and evolve expect fn for in let not or param prove repeat require return var yield
syntax keyword hnnBoolean true false
syntax keyword hnnType real int bool string
syntax match hnnBuiltin /\v<(abs|acos|acosh|argmax|argmin|argsort|asin|asinh|atan|atan2|atanh|ceil|choice|cholesky|concat|conv|conv_transpose|cos|cosh|count|cross|cumprod|cumsum|det|diag|div|dot|eigh|erf|ess|ess_chains|ess_log|events|exp|expm1|eye|field|first|flip|floor|grad|hess|hessian|integrate|inv|inverse|iterate|jac|jacobian|last|len|lift|linspace|log|log10|log1p|log2|logabsdet|logdet|logmeanexp|logsumexp|max|maxabs|mean|mean_over_batch|median|min|mod|moving_mean|nonzeros|norm|normal|omega|one_hot|ones|onnx|outer|poisson|pool_max|pool_mean|prod|quantile|r_hat|r_hat_ranks|read|relu|reshape|roll|round|sd|searchsorted|section|segment_sum|set|shape|shuffle|sigmoid|sign|sin|sinh|softmax|softplus|solve|solve_lower|solve_upper|sort|sqrt|stack|std|stop_gradient|sum|tan|tanh|trace|trajectory|transpose|tril|triu|uniform|upsample|where|windows|zeros)>\ze\(/
syntax keyword hnnMethod dop853 dopri5 euler gauss16 gauss4 gauss6 implicit_midpoint leapfrog rk4 symplectic_euler taylor tsit5 yoshida4 yoshida6 yoshida8
syntax region hnnString start=/"/ skip=/\\./ end=/"/ oneline
syntax match hnnComment /#.*$/ contains=@Spell
highlight default link hnnNumber Number
highlight default link hnnOperator Operator
highlight default link hnnDeclaration Keyword
highlight default link hnnFollowing Keyword
highlight default link hnnKeyword Keyword
highlight default link hnnBoolean Boolean
highlight default link hnnType Type
highlight default link hnnBuiltin Function
highlight default link hnnMethod Constant
highlight default link hnnString String
highlight default link hnnComment Comment
let b:current_syntax = "hnn"

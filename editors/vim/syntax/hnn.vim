" The hnn language. Written by tools/grammars.py.
if exists("b:current_syntax")
  finish
endif
syntax iskeyword @,48-57,_,128-255
syntax keyword hnnKeyword contained evolve expect fn for in let param prove repeat require return var yield and or not
syntax keyword hnnBoolean contained true false
syntax keyword hnnType contained real int bool string
syntax keyword hnnBuiltin contained abs acos acosh argmax argmin argsort asin asinh atan atan2 atanh ceil choice cholesky concat conv conv_transpose cos cosh count cross cumprod cumsum det diag div dot eigh erf ess ess_chains ess_log events exp expm1 eye field first flip floor grad hess hessian integrate inv inverse iterate jac jacobian last len lift linspace log log10 log1p log2 logabsdet logdet logmeanexp logsumexp max maxabs mean mean_over_batch median min mod moving_mean nonzeros norm normal omega one_hot ones onnx outer poisson pool_max pool_mean prod quantile r_hat r_hat_ranks read relu reshape roll round sd searchsorted section segment_sum set shape shuffle sigmoid sign sin sinh softmax softplus solve solve_lower solve_upper sort sqrt stack std stop_gradient sum tan tanh trace trajectory transpose tril triu uniform upsample where windows zeros
syntax keyword hnnMethod contained dop853 dopri5 euler gauss16 gauss4 gauss6 implicit_midpoint leapfrog rk4 symplectic_euler taylor tsit5 yoshida4 yoshida6 yoshida8 pi inf
syntax match hnnName /\v([A-Za-z_]|[^\x00-\x7f])([0-9A-Za-z_]|[^\x00-\x7f])*/ contains=hnnKeyword,hnnBoolean,hnnType,hnnMethod
syntax match hnnName /\v([A-Za-z_]|[^\x00-\x7f])([0-9A-Za-z_]|[^\x00-\x7f])*\(@=/ contains=hnnKeyword,hnnMethod,hnnBuiltin
syntax match hnnName /\v\.@1<=[A-Za-z_]\w*/
syntax match hnnNumber /\v\d+(\.\d*)?([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?/
syntax match hnnOperator /->\|[-+*\/^@<>=~!]/
syntax match hnnDeclaration /\v<(const|data|flow|hamiltonian|import|language|loss|net|plot|precision|report|running|save|symplectic|train|use|volume)>(\s+([0-9A-Za-z_"(]|[^\x00-\x7f]))@=((^\s*|[{;]\s*|<(symplectic|volume)\s+)\w+)@60<=/
syntax match hnnFollowing /\v<(along|decay|method|on|steps|under)>(\s*(\=[^=]|[,)\]]))@!(([0-9A-Za-z_)\]}"]|[^\x00-\x7f])\s+\w+)@60<=((<(along|and|as|const|data|decay|each|evolve|expect|flow|fn|for|from|hamiltonian|import|in|inverse|language|let|logdet|loss|method|net|not|on|or|param|plot|precision|prove|repeat|report|require|return|running|save|shuffled|steps|symplectic|train|under|use|var|volume|windows|yield)\s+)\w+)@60<!/
syntax match hnnFollowing /\v<(along|decay|method|on|steps|under)>(\s*(\=[^=]|[,)\]]))@!(<(along\s+along|decay\s+decay|method\s+method|on\s+on|steps\s+steps|under\s+under)\s+\w+)@60<=/
syntax match hnnFollowing /\v<(inverse|logdet)>(\s+[^ =]|\s*$)@=((^\s*|([0-9A-Za-z_)\]}]|[^\x00-\x7f])\s+)\w+)@60<=/
syntax match hnnFollowing /\v<(windows|shuffled)>(\s*\()@=(<yield\s+\w+)@60<=/
syntax match hnnFollowing /\v<each>(\s+([A-Za-z_]|[^\x00-\x7f]))@=(<yield\s+\w+)@60<=/
syntax match hnnFollowing /\v<from>(\s+")@=/
syntax match hnnFollowing /\v<as>(\s+")@=("\s+\w+)@60<=/
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

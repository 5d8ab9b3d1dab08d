(comment) @comment
(string) @string
(number) @number
(boolean) @boolean
(operator) @operator
(keyword) @keyword
(definition kind: _ @keyword)
(definition name: (identifier) @function)
((identifier) @type (#any-of? @type "real" "int" "bool" "string"))
((identifier) @function.call . (arguments))
(identifier) @variable

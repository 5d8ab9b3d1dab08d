(definition name: (identifier) @name) @definition.function
(local_definition name: (identifier) @name) @definition.function
(const name: (identifier) @name) @definition.constant
(use name: (identifier) @name) @definition.object
(data name: (identifier) @name) @definition.object
(report name: (identifier) @name) @definition.object
(plot name: (identifier) @name) @definition.object
(save name: (identifier) @name) @definition.object
(call function: (name (identifier) @name)) @reference.call

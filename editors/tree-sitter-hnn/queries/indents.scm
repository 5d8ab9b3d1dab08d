; For Neovim. Blocks and options are indented; so is what stands in brackets.
[(block) (options) (arguments) (parameters) (list) (comprehension) (tuple)] @indent.begin
["}" ")" "]"] @indent.branch @indent.end

-- Neovim 0.10 and later: put editors/vim on the runtimepath, and `dofile` this. It starts `hnnc lsp`; colours and folds are those of tree-sitter
-- where its parser has been made: cc -O2 -shared -fPIC -o hnn.so src/parser.c src/scanner.c, in editors/tree-sitter-hnn.
local here = vim.fs.dirname(vim.fn.fnamemodify(debug.getinfo(1, "S").source:sub(2), ":p"))
local grammar = vim.fs.dirname(here) .. "/tree-sitter-hnn"

local function text_of(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function add_parser()
  vim.treesitter.language.add("hnn", { path = grammar .. "/hnn.so" })
  for _, name in ipairs({ "highlights", "locals", "folds", "indents", "tags" }) do
    vim.treesitter.query.set("hnn", name, text_of(grammar .. "/queries/" .. name .. ".scm"))
  end
end

local parsed = vim.uv.fs_stat(grammar .. "/hnn.so") ~= nil
if parsed then add_parser() end
vim.filetype.add({ extension = { hnn = "hnn" } })
vim.api.nvim_create_autocmd("FileType", {
  pattern = "hnn",
  callback = function(args)
    if parsed then
      vim.treesitter.start(args.buf, "hnn")
      vim.opt_local.foldexpr = "v:lua.vim.treesitter.foldexpr()"
    end
    if vim.fn.executable("hnnc") == 1 then
      vim.lsp.start({ name = "hnnc", cmd = { "hnnc", "lsp" }, root_dir = vim.fs.dirname(args.file) })
    end
  end,
})

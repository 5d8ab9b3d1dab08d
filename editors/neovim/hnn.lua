-- Neovim 0.7 and later: put editors/vim on the runtimepath, and `dofile` this. `vim.g.hnnc` is the compiler, if it is not `hnnc`.
-- From 0.10 on, colours and folds are those of tree-sitter where its parser has been made, in editors/tree-sitter-hnn:
--   cc -O2 -shared -fPIC -o hnn.so src/parser.c src/scanner.c
local function hnnc() return vim.g.hnnc or "hnnc" end

local clients = {} -- by folder: one server for all files that lie there
local function attach(buffer, file)
  local config = { name = "hnnc", cmd = { hnnc(), "lsp" }, root_dir = vim.fn.fnamemodify(file, ":p:h") }
  if vim.lsp.start then return vim.lsp.start(config, { bufnr = buffer }) end -- from 0.8 on
  local id = clients[config.root_dir]
  if not id or not vim.lsp.get_client_by_id(id) then
    id = vim.lsp.start_client(config)
    clients[config.root_dir] = id
  end
  return vim.lsp.buf_attach_client(buffer, id)
end

local grammar = vim.fn.fnamemodify(debug.getinfo(1, "S").source:sub(2), ":p:h:h") .. "/tree-sitter-hnn"

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

local parsed = vim.fn.has("nvim-0.10") == 1 and vim.fn.filereadable(grammar .. "/hnn.so") == 1
if parsed then add_parser() end

vim.cmd("autocmd BufNewFile,BufRead *.hnn setfiletype hnn")
vim.api.nvim_create_autocmd("FileType", {
  pattern = "hnn",
  callback = function(args)
    if parsed then
      vim.treesitter.start(args.buf, "hnn")
      vim.opt_local.foldexpr = "v:lua.vim.treesitter.foldexpr()"
    end
    if vim.fn.executable(hnnc()) == 1 then attach(args.buf, args.file) end
  end,
})

-- What stands above a training: `:lua vim.lsp.codelens.run()`.
local function terminal(words)
  return function(command) vim.cmd("split | terminal " .. hnnc() .. " " .. words .. " " .. vim.fn.shellescape(command.arguments[1])) end
end
vim.lsp.commands["hnn.run"] = terminal("run")
vim.lsp.commands["hnn.explore"] = terminal("explore")

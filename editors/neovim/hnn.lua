-- Neovim 0.7 and later: put editors/vim on the runtimepath, and `dofile` this. `vim.g.hnnc` is the compiler, if it is not `hnnc`.
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

vim.cmd("autocmd BufNewFile,BufRead *.hnn setfiletype hnn")
vim.api.nvim_create_autocmd("FileType", {
  pattern = "hnn",
  callback = function(args) attach(args.buf, args.file) end,
})

-- What stands above a training: `:lua vim.lsp.codelens.run()`.
local function terminal(words)
  return function(command) vim.cmd("split | terminal " .. hnnc() .. " " .. words .. " " .. vim.fn.shellescape(command.arguments[1])) end
end
vim.lsp.commands["hnn.run"] = terminal("run")
vim.lsp.commands["hnn.explore"] = terminal("explore")

-- See test_neovim. Every line that is printed was seen in the editor; what is not as it should be ends with exit code 1.
local editors = os.getenv("EDITORS")
vim.opt.runtimepath:append(editors .. "/vim")
vim.g.hnnc = os.getenv("HNNC")
dofile(editors .. "/neovim/hnn.lua")
vim.cmd("filetype on | syntax on")

local function say(...) io.stdout:write(table.concat({ ... }, " "), "\n") end
local function fail(...) say("FAILED:", ...); vim.cmd("cquit 1") end
local function wait(what, f) if not vim.wait(20000, f, 20) then fail("waited for", what) end end
local function at(text, more) -- the cursor goes to a text
  vim.fn.cursor(1, 1)
  local place = vim.fn.searchpos("\\V" .. text, "cW")
  if place[1] == 0 then fail("no text", text) end
  vim.fn.cursor(place[1], place[2] + (more or 0))
end
local function ask(method, more)
  local params = vim.tbl_extend("force", vim.lsp.util.make_position_params(0, "utf-16"), more or {})
  local answers = vim.lsp.buf_request_sync(0, method, params, 20000)
  for _, a in pairs(answers or {}) do
    if a.error then return nil, a.error.message end
    return a.result
  end
  fail("no answer to", method)
end
local function open(name)
  vim.cmd("edit " .. name)
  wait("the server", function() return #vim.lsp.buf_get_clients(0) > 0 or next(vim.lsp.buf_get_clients(0)) ~= nil end)
  local _, client = next(vim.lsp.buf_get_clients(0))
  wait("its capabilities", function() return client.initialized end)
  return client
end
local function messages() return vim.diagnostic.get(0) end
local function one_line(s) return (s:gsub("%s+", " ")) end

local function all()
  local v = vim.version()
  local client = open("model.hnn")
  say("Neovim", v.major .. "." .. v.minor .. "." .. v.patch, "server", client.name, "file type", vim.bo.filetype)
  ask("textDocument/documentSymbol")
  if #messages() > 0 then fail("a good model has messages:", messages()[1].message) end

  at("norm(q)", 3)
  vim.cmd("normal! rn")
  wait("a message", function() return #messages() > 0 end)
  say("message:", one_line(messages()[1].message))
  local mends = ask("textDocument/codeAction", { range = { start = { line = messages()[1].lnum, character = messages()[1].col }, ["end"] = { line = messages()[1].end_lnum, character = messages()[1].end_col } }, context = { diagnostics = {} } })
  say("mend:", mends[1].title)
  vim.lsp.util.apply_workspace_edit(mends[1].edit, "utf-16")
  wait("no message", function() return #messages() == 0 end)

  at("irrotational(128)", 3)
  say("hover:", one_line(ask("textDocument/hover").contents.value):sub(1, 110))
  at("optimizer")
  say("hover of an option:", one_line(ask("textDocument/hover").contents.value):sub(1, 110))
  vim.lsp.buf.hover() -- the window itself
  wait("the window of a hover", function() return #vim.api.nvim_list_wins() > 1 end)
  for _, w in ipairs(vim.api.nvim_list_wins()) do if vim.api.nvim_win_get_config(w).relative ~= "" then vim.api.nvim_win_close(w, true) end end
  at("irrotational(128)", 3)
  vim.lsp.buf.definition()
  wait("the definition", function() return vim.fn.expand("%:t") ~= "model.hnn" end)
  say("definition:", vim.fn.expand("%:t"), "line", vim.fn.line("."), one_line(vim.fn.getline(".")))
  vim.cmd("edit model.hnn")
  at("optimizer")
  local items = ask("textDocument/completion")
  items = items.items or items
  say("completion in braces:", #items, "items, first", items[1].label, items[1].detail)
  at("128)")
  say("signature:", ask("textDocument/signatureHelp").signatures[1].label)
  local lenses = ask("textDocument/codeLens")
  say("above the training:", lenses[1].command.title, lenses[2].command.title)
  vim.lsp.commands[lenses[1].command.command]({ arguments = { "whole.hnn" } })
  wait("the run", function() return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n"):find("r ") ~= nil end)
  vim.cmd("bdelete!")

  open("part.hnn")
  open("whole.hnn")
  at("scale")
  say("references:", #ask("textDocument/references", { context = { includeDeclaration = true } }))
  vim.lsp.buf.rename("size")
  wait("the new name", function() return vim.fn.getline(2):find("size") ~= nil end)
  wait("the new name where it is defined", function() return vim.fn.getbufline("part.hnn", 1)[1]:find("const size") ~= nil end)
  say("renamed:", vim.fn.getline(2), "|", vim.fn.getbufline("part.hnn", 1)[1])
  if vim.lsp.buf.format then vim.lsp.buf.format({ timeout_ms = 20000 }) else vim.lsp.buf.formatting_sync({}, 20000) end
  say("laid out:", vim.fn.getline(2))
  if vim.fn.getline(2) ~= "report r = twice(1) + size" then fail("another layout:", vim.fn.getline(2)) end
  wait("no messages of both", function() return #messages() == 0 end)
  for _, c in pairs(vim.lsp.get_active_clients()) do c.stop() end
  wait("the end of the server", function() return next(vim.lsp.get_active_clients()) == nil end)
  say("ok")
end

local good, why = pcall(all)
if not good then fail(tostring(why)) end
vim.cmd("qall!")

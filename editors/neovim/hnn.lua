-- Neovim 0.10 and later: put editors/vim on the runtimepath, and `dofile` this.
vim.filetype.add({ extension = { hnn = "hnn" } })
vim.api.nvim_create_autocmd("FileType", {
  pattern = "hnn",
  callback = function(args)
    vim.lsp.start({ name = "hnnc", cmd = { "hnnc", "lsp" }, root_dir = vim.fs.dirname(args.file) })
  end,
})

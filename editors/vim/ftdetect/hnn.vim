autocmd BufRead,BufNewFile *.hnn setfiletype hnn

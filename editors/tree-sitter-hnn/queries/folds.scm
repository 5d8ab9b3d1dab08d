[(block) (options) (arguments) (parameters) (list) (comprehension)] @fold

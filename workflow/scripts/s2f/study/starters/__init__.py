"""The first study of a user's own files, by what they contain (`s2f.study.new` is the command)."""

return purge(ARGV[1]) and 1 or 2

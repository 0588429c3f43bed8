"""What the suites have to know of the files of more/: one line for each."""

# file → options beside --smoke, one command line after the other
SMOKE = {
    "em": [""],
    "gillespie": [""],
}
# (file, options, message): refused in one line, before anything is written
BAD = [
]

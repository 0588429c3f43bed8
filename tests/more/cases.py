"""What the suites have to know of the files of more/: one line for each."""

# file → options beside --smoke, one command line after the other
SMOKE = {
    "em": [""],
    "gillespie": [""],
    "gradient_clipping": [""],
    "initialisation": [""],
}
# (file, options, message): refused in one line, before anything is written
BAD = [
    ("gradient_clipping", "--limit 0", "--limit expects more than 0 and at most 1,000,000"),
]

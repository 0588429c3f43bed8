"""What the suites have to know of the files of more/: one line for each."""

# file → options beside --smoke, one command line after the other
SMOKE = {
    "denoising": [""],
    "em": [""],
    "focal": [""],
    "gillespie": [""],
    "gradient_clipping": [""],
    "infomax": ["", "--global-term text"],
    "initialisation": [""],
    "mixing": [""],
    "noise_contrastive": [""],
    "optimiser_dynamics": [""],
    "reparameterisation": [""],
    "rnn_ode": [""],
    "spectra": [""],
    "vib": [""],
    "word_discovery": ["", "--method pairs"],
}
# of these the smoke runs compile several networks, and wait for make test-slow
LONG = ["denoising", "infomax", "mixing", "noise_contrastive", "rnn_ode", "spectra", "vib"]
# (file, options, message): refused in one line, before anything is written
BAD = [
    ("denoising", "--samples 5", "--samples expects 64 to 100,000. Received: 5"),
    ("infomax", "--batch-size 1", "--batch-size expects 2 to 10,000. Received: 1"),
    ("focal", "--epochs 0", "--epochs expects 1 to 1,000. Received: 0"),
    ("mixing", "--batch-size 0", "--batch-size expects 1 to 10,000. Received: 0"),
    ("vib", "--epochs 0", "--epochs expects 1 to 1,000. Received: 0"),
    ("word_discovery", "--least-count 0", "--least-count expects 1 to 1,000,000. Received: 0"),
    ("noise_contrastive", "--samples 5", "--samples expects 100 to 10,000,000. Received: 5"),
    ("reparameterisation", "--kappa 0", "--kappa expects more than 0 and at most 10,000. Received: 0"),
    ("spectra", "--points 5", "--points expects 16 to 20,000. Received: 5"),
    ("rnn_ode", "--epochs 0", "--epochs expects 1 to 100,000. Received: 0"),
    ("gradient_clipping", "--limit 0", "--limit expects more than 0 and at most 1,000,000"),
]

"""What is measured of gan: see benchmarks/vae/tasks.py."""

OBJECTIVES = ("gan_qp_l2", "wgan_gp", "wgan_div", "wgan_sn", "sgan_sn")

TASKS = {
    "training": (
        "real images/s, GAN-QP at 32 × 32 × 3, two critic updates and one generator update for 128",
        {
            "ours": "python gan/train.py",
            "torch": "PyTorch 2, channels last, fused Adam",
            "KERAS_BACKEND=jax ours": "python gan/train.py, Keras on JAX",
            "keras2": "original formulation, Keras 2.2.4",
        },
    ),
    "objectives": ("real images/s, the same networks", {f"ours {name}": name for name in OBJECTIVES}),
}

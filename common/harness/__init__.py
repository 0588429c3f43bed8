"""What runs the scripts. Whatever imports a file of it imports TensorFlow quietly from then on."""

from common.harness import quiet

quiet.install()

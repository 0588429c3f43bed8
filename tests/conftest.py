"""Messages are tested in English, whatever the machine's locale. No Keras in here."""

import os

os.environ["LC_ALL"] = "C.UTF-8"

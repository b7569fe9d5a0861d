"""The stream names that the gold corpus is sent under."""

import os


def names_of(path):
    folder, file = os.path.split(path)
    return os.path.basename(folder) + "." + file.rsplit(".", 1)[0].removeprefix("generated_")

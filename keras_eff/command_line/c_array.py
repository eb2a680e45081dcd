import click

import keras_eff
from keras_eff.command_line.reading import reading


@click.command()
@click.argument("path", metavar="FILE.tflite")
@click.argument("header", metavar="HEADER.h")
@click.option("--name", help="Name of the array; by default that of the file.")
def c_array(path, header, name):
    """Write a file as a C header, for microcontrollers.

    The header defines the file's bytes, aligned as TFLite Micro needs them,
    and their number. It prints the names of both.

    \b
    Examples:
      keras-eff c-array model.tflite model.h
      keras-eff c-array model.tflite model.h --name=g_model
    """
    with reading(path):
        name = keras_eff.export.to_c_array(path, header, name=name)
    print(f"{header}: {name}, {name}_len")

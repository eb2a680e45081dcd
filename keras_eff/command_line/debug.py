import click

import keras_eff
from keras_eff.command_line import keras_model
from keras_eff.command_line.samples import samples_option


@click.command()
@click.argument("model_path", metavar="MODEL.keras")
@click.argument("path", metavar="FILE.tflite")
@samples_option("", required=True)
@click.option("--plot", help="A picture to write, such as errors.png.")
def debug(model_path, path, samples, plot):
    """Show where a file departs from its model, layer by layer.

    It runs both on the samples and compares what is in between.

    \b
    Examples:
      keras-eff debug model.keras model.tflite --samples=x.npy
      keras-eff debug model.keras model.tflite --samples=x.npy --plot=e.png
    """
    with keras_model.quiet_tensorflow():
        model = keras_model.load_model(model_path)
        report = keras_eff.export.debug(model, path, samples, plot=plot)
    print(report)

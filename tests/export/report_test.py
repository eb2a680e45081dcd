from keras_eff.export.report import Report


def report(**changes):
    figures = {
        "path": "m.tflite",
        "size_bytes": 12345,
        "gzip_bytes": 6789,
        "ops": {"CONV_2D": 2},
        "float_tensors": (),
        "weight_bytes": {"float32": 1000, "int8": 3000},
        "max_abs_error": 0.25,
        "mean_lsb": 0.5,
        "agreement": 0.99,
        "float_agreement": None,
        "delegate_partitions": 1,
        "seconds": 2.0,
    }
    return Report(**{**figures, **changes})


def test_text_has_the_figures():
    text = str(report())
    for part in (
        "12,345 bytes",
        "6,789 gzip",
        "0.50 LSB",
        "0.990",
        "CONV_2D",
        "float32 1,000 bytes (25%), int8 3,000 bytes (75%)",
    ):
        assert part in text


def test_figures_that_do_not_apply_are_left_out():
    text = str(report(mean_lsb=None, agreement=None))
    assert "LSB" not in text
    assert "agreement" not in text

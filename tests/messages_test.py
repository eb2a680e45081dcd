import sys
import threading
import warnings

import pytest
from absl import logging

from keras_eff.messages import announce
from keras_eff.messages import log_to_stderr
from keras_eff.messages import tell
from keras_eff.messages import without_warnings

LONG_S = 600.0


def test_further_lines_of_a_message_are_indented(capsys):
    tell("error: it failed\n\n the tool says:\nno")
    text = "keras-eff: error: it failed\n     the tool says:\n    no\n"
    assert capsys.readouterr().err == text


def test_the_log_of_the_package_becomes_messages(capsys):
    with log_to_stderr():
        logging.warning("hot %s", "phone")
        logging.info("not shown")
    assert capsys.readouterr().err == "keras-eff: warning: hot phone\n"


def test_warnings_become_messages(capsys):
    with log_to_stderr():
        warnings.simplefilter("default")
        warnings.warn("odd samples", stacklevel=1)
    assert capsys.readouterr().err == "keras-eff: warning: odd samples\n"


def test_the_log_is_as_before_afterwards():
    logger = logging.get_absl_logger()
    before = (logger.handlers, logger.propagate, logging.get_verbosity())
    with pytest.raises(KeyError), log_to_stderr():
        logging.set_verbosity(1)
        raise KeyError
    after = (logger.handlers, logger.propagate, logging.get_verbosity())
    assert after == before


def test_warnings_can_be_left_out(capsys):
    with log_to_stderr(), without_warnings():
        logging.warning("left out")
        logging.error("shown")
    assert capsys.readouterr().err == "keras-eff: error: shown\n"


def test_work_that_takes_long_is_announced(monkeypatch):
    told = []
    has_told = threading.Event()

    def note(text):
        told.append(text)
        has_told.set()

    monkeypatch.setattr("keras_eff.messages.tell", note)
    with announce("measuring", patience_s=0.0):
        assert has_told.wait(LONG_S)
    assert told == ["measuring"]


def test_work_that_is_soon_done_is_not_announced(capsys):
    with announce("measuring", patience_s=LONG_S):
        pass
    assert capsys.readouterr().err == ""


def test_names_of_strangers_do_not_control_the_terminal(capsys):
    tell("error: \x1b[2J of\na file")
    told = capsys.readouterr().err
    assert told == "keras-eff: error: \\x1b[2J of\n    a file\n"


def test_a_process_without_standard_error_is_told_nothing(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    tell("error: none")
    assert capsys.readouterr().out == ""

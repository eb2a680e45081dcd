import hashlib
import re
import shutil
import subprocess

import pytest

from keras_eff.micro.to_c_array import to_c_array

_PROGRAM = """\
#include <stdio.h>
#include <stdint.h>
#include "model.h"
#include "model.h"
int main(void) {
  fwrite(model, 1, model_len, stdout);
  return (int)((uintptr_t)model % 16) + (model_len != sizeof model);
}
"""


@pytest.fixture
def write(converted, tmp_path):
    def call(file_name="model.tflite", **options):
        path = tmp_path / file_name
        path.write_bytes(converted("conv_int8").data)
        name = to_c_array(path, tmp_path / "model.h", **options)
        return name, (tmp_path / "model.h").read_text()

    return call


def test_the_header_holds_the_bytes_of_the_file(write, converted):
    name, text = write()
    values = re.findall("0x([0-9a-f]{2}),", text)
    data = converted("conv_int8").data
    assert bytes.fromhex("".join(values)) == data
    assert name == "model" and f"model_len = {len(data)}u;" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_comment_names_the_file_its_size_and_its_digest(write, converted):
    data = converted("conv_int8").data
    text = write("my\nmodel.tflite")[1]
    comment = text[: text.index("*/")]
    assert "'my\\nmodel.tflite'" in comment
    assert f"{len(data)} bytes" in comment
    assert hashlib.sha256(data).hexdigest() in comment


@pytest.mark.parametrize(
    ("compiler", "standard", "suffix"),
    [("gcc", "c99", "c"), ("gcc", "c17", "c"), ("g++", "c++11", "cc")],
)
def test_a_program_reads_the_aligned_bytes(
    write, converted, tmp_path, compiler, standard, suffix
):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    write()
    source, program = tmp_path / f"main.{suffix}", tmp_path / "program"
    source.write_text(_PROGRAM)
    flags = [f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    subprocess.run([compiler, *flags, source, "-o", program], check=True)
    printed = subprocess.run([program], stdout=subprocess.PIPE, check=True)
    assert printed.stdout == converted("conv_int8").data


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("mobilenet-v2_1.0.tflite", "mobilenet_v2_1_0"),
        ("3 layers.tflite", "model_3_layers"),
        ("int.tflite", "model_int"),
        ("__.tflite", "model"),
        ("é.tflite", "model"),
    ],
)
def test_the_default_name_is_that_of_the_file(write, file_name, name):
    found, text = write(file_name)
    assert found == name and f"unsigned char {name}[]" in text


def test_a_given_name_is_used(write):
    name, text = write(name="g_person_model")
    assert name == "g_person_model" and "g_person_model_len" in text


@pytest.mark.parametrize(
    "name", ["", "3d", "a-b", "a__b", "_a", "class", "a b", "naïve", 3]
)
def test_a_name_that_is_no_identifier_is_refused(write, tmp_path, name):
    with pytest.raises(ValueError, match="identifier.*Received: name="):
        write(name=name)
    assert not (tmp_path / "model.h").exists()


def test_the_file_itself_is_not_overwritten(converted, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(converted("dense").data)
    (tmp_path / "link.h").symlink_to(path)
    for header in (path, tmp_path / "link.h"):
        with pytest.raises(ValueError, match="another file.*Received: header"):
            to_c_array(path, header)
    assert path.read_bytes() == converted("dense").data


def test_nothing_is_written_for_a_damaged_file(converted, tmp_path):
    path, header = tmp_path / "model.tflite", tmp_path / "model.h"
    path.write_bytes(converted("dense").data[:-200])
    header.write_text("kept")
    with pytest.raises(ValueError, match="complete.*Received: "):
        to_c_array(path, header)
    with pytest.raises(FileNotFoundError, match="Received: path="):
        to_c_array(tmp_path / "missing.tflite", header)
    assert header.read_text() == "kept"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "model.h",
        "model.tflite",
    ]


def test_the_directory_of_the_header_must_exist(converted, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(converted("dense").data)
    with pytest.raises(FileNotFoundError):
        to_c_array(path, tmp_path / "missing" / "model.h")

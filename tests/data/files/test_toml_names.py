"""Names of very many parts in TOML: Python's reader would take memory and time by the square of their number."""

import time

import pytest

from data.errors import InputFileError
from data.files.text_files import parse_toml
from data.files.toml_names import MOST_PARTS

MANY = 10_000
LONG = ".".join("a" * MANY)


@pytest.mark.parametrize(
    "text",
    [
        f"{LONG} = 1", f"[{LONG}]", f"[[{LONG}]]", f"x = {{{LONG} = 1}}", f"x = [1, {{ y = 1, {LONG} = 1}}]",
        '"a".' * MANY + "b = 1", "'a'." * MANY + "b = 1", r'"\"" . ' * MANY + "b = 1", "a \t . " * MANY + "b = 1",
        # What looks like a text and is none.
        f'x = """ \\""" """\n{LONG} = 1', f'x = """a"""""\n{LONG} = 1 #"', f"x = '''a'''''\n{LONG} = 1 #'''",
        f"x = '\\'\n{LONG} = 1 #'", f'x = "C:\\" #"\n{LONG} = 1', f'# "\n{LONG} = 1', f'x = "\\\\"\n{LONG} = 1 # "',
    ],
)  # fmt: skip
def test_a_name_of_many_parts_is_refused_at_once(text):
    began = time.thread_time()
    with pytest.raises(InputFileError, match=r"f\.toml cannot be read") as caught:
        parse_toml(text, "f.toml")
    assert f"more than {MOST_PARTS} parts" in str(caught.value)
    assert time.thread_time() - began < 0.5


def test_what_only_looks_like_such_a_name_is_read():
    text = f'''# {LONG}
address = "{LONG}"
plain = '{LONG}'
long = """
{LONG} \\""" {LONG}"""
points = [{", ".join(["[1.5, 2.5]"] * 1000)}]
when = 1979-05-27T07:32:00.999
{".".join("a" * MOST_PARTS)} = 1
'''
    found = parse_toml(text, "f.toml")
    assert found["address"] == found["plain"] == LONG
    assert len(found["points"]) == 1000
    assert "a" in found

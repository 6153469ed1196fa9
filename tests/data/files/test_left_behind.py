"""What killed processes have left is removed by the next one; what live ones make stays."""

import os

from data.files.left_behind import remove_left_behind
from data.files.new_output import new_output
from tests.support.ended import ended_process


def test_the_next_export_to_a_place_removes_what_a_killed_one_left_there(tmp_path):
    gone, other = ended_process(), os.getppid()
    for name in (f"out.part-{gone}-0123abcd", f"out.part-{other}-0123abcd", f"out2.part-{gone}-0123abcd", "out.part-12345678"):
        (tmp_path / name / "out").mkdir(parents=True)
    with new_output(tmp_path / "out") as place:
        place.write_text("whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["out", f"out.part-{other}-0123abcd", f"out2.part-{gone}-0123abcd", "out.part-12345678"]
    )


def test_two_exports_to_one_place_in_one_process_leave_each_other_alone(tmp_path):
    with new_output(tmp_path / "out") as one:
        one.write_text("whole")
        with new_output(tmp_path / "out") as two:
            assert one.exists()
            assert two.parent != one.parent
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_nothing_is_removed_that_has_no_process_in_its_name(tmp_path):
    (tmp_path / "part-9999999999999999999999").touch()
    (tmp_path / "part-").touch()
    remove_left_behind(tmp_path, "part-")
    remove_left_behind(tmp_path / "none", "part-")
    assert len(list(tmp_path.iterdir())) == 2

"""What files say of themselves is ASCII, a line at a time."""

from atlas.mesh.formats.statements import file_stem, statements


def test_frame_and_unit_come_first_and_the_notice_is_kept_within_ascii():
    assert statements("one\n\n  two µm ") == (
        "frame LPS (+x left, +y posterior, +z superior), unit mm",
        "one",
        "two \\xb5m",
    )


def test_a_name_becomes_a_file_name():
    assert file_stem("root/L5/left") == "root_L5_left"

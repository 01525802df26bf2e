from ops.table import table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(["a", "bb"], [["long", "x"], ["", "y"]]) == "a     bb\n----  --\nlong  x\n      y"


def test_an_empty_table_is_its_header() -> None:
    assert table(["name"], []) == "name\n----"

from minirmae.theory import table
from minirmae.theory.lab.result import Result, compare


def results():
    good = [
        compare("modes", 1.0, 1.0 + error, 1e-3, seed=i, seconds=0.5, speedup=1e4 / (i + 1), note=f"n = {i}")
        for i, error in enumerate((1e-6, 5e-4, 1e-5))
    ]
    return [
        Result("a", "first", tuple(good), 2.0),
        Result("b", "second", (compare("gap", 0.0, 2.0, 1.0, seed=9),), 1.0),
    ]


def test_checks_of_one_name_are_one_row_that_shows_the_worst():
    lines = table(results()[:1]).splitlines()
    assert lines[0].split() == [
        "result",
        "prediction",
        "measurement",
        "error",
        "tolerance",
        "ratio",
        "seconds",
        "verdict",
    ]
    assert lines[1].split() == ["a:", "first", "2.0", "pass"]
    assert lines[2].split() == [
        "modes",
        "(worst",
        "of",
        "3)",
        "1",
        "1.0005",
        "5.0e-04",
        "1.0e-03",
        "3,333",
        "1.5",
        "pass",
    ]
    assert lines[3] == "all 3 checks passed"
    assert len(lines) == 4


def test_every_check_can_have_its_row():
    text = table(results(), every=True)
    assert all(f"modes, seed {i}, n = {i}" in text for i in range(3))


def test_failures_are_named_with_their_seed():
    text = table(results())
    assert "1 of 4 checks failed\n  b, gap, seed 9: " in text
    assert [line.split()[-1] for line in text.splitlines()[1:5]] == ["pass", "pass", "FAIL", "FAIL"]


def test_a_result_without_checks_is_a_failure():
    text = table([Result("a", "first", (), 0.0)])
    assert "FAIL" in text
    assert text.endswith("a: made no check")


def test_columns_line_up():
    lines = table(results()).splitlines()[:5]
    start = lines[0].index("verdict")
    assert all(line[start:] in ("verdict", "pass", "FAIL") for line in lines)

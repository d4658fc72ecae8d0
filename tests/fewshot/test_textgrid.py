import pytest

from fewshot.errors import InputError
from fewshot.textgrid import Interval, read_textgrid, write_textgrid

SHORT = '''\
File type = "ooTextFile"
Object class = "TextGrid"

0
2
<exists>
2
"IntervalTier"
"words"
0
2
3
0
0.5
""
0.5
1
"say ""ah"""
1
2
""
"TextTier"
"clicks"
0
2
1
0.7
"click"
'''


def test_short_form():
    intervals = read_textgrid(SHORT, "a.TextGrid")
    assert intervals == [Interval(0.5, 1.0, 'say "ah"', 16)]


def test_no_tiers():
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\nxmin = 0\nxmax = 1\n'
    assert read_textgrid(head + "tiers? <absent>\n", "a") == []


def test_tiers_have_neither_gaps_nor_overlap():
    given = [
        Interval(0.5, 1, "a"),
        Interval(0.75, 2, "a"),
        Interval(1, 1.5, "a"),
        Interval(0, 3, "b"),
    ]
    text = write_textgrid(given, 3.0)
    tiers = [tier.split("intervals [")[1:] for tier in text.split("item [")[2:]]
    times = [
        [tuple(float(line.split("=")[1]) for line in part.splitlines()[1:3]) for part in tier]
        for tier in tiers
    ]
    assert times == [
        [(0, 0.5), (0.5, 1), (1, 1.5), (1.5, 3)],
        [(0, 0.75), (0.75, 2), (2, 3)],
        [(0, 3)],
    ]
    found = [interval[:3] for interval in read_textgrid(text, "a")]
    assert sorted(found) == sorted(interval[:3] for interval in given)


def test_recording_reaches_the_last_event():
    text = write_textgrid([Interval(0.5, 1.000064, "a")], 1.0)
    assert text.count("xmax = 1.000064") == 3
    assert read_textgrid(write_textgrid([], 1.5), "a") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SHORT.replace('"TextGrid"', '"Pitch"'), "a: not a TextGrid"),
        (SHORT.replace("0.5\n1\n", '0.5\n"x"\n'), "a:17: .*where a TextGrid has a number"),
        (SHORT.replace("0.5\n1\n", "0.5\n1x\n"), "a:17: 1x where"),
        (SHORT.replace("<exists>\n2", "<exists>\n-2"), "a:7: -2.0 is no number of items"),
        (SHORT.replace("<exists>\n2", "<exists>\n9e99"), "a:28: the file's end where"),
        (SHORT[:150], "the file's end"),
    ],
)
def test_bad_files(text, message):
    with pytest.raises(InputError, match=message):
        read_textgrid(text, "a")

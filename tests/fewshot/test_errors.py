import pytest

from fewshot.errors import InputError, one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clips/4.wav: too short", "clips/4.wav: too short"),
        ("Grüße, 語: ✓", "Grüße, 語: ✓"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("not utf-8: \udcff", "not utf-8: \\udcff"),
        ("", ""),
    ],
)
def test_message_is_one_line(text, expected):
    assert str(InputError(text)) == one_line(text) == expected


def test_message_without_argument():
    assert str(InputError()) == ""

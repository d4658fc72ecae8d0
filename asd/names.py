"""What the file names of DCASE Challenge Task 2 say, 2020 to 2025."""

import re
from dataclasses import dataclass
from pathlib import PureWindowsPath

SOURCE, TARGET = "source", "target"
NORMAL, ANOMALY = "normal", "anomaly"
TRAIN, TEST, SUPPLEMENTAL = "train", "test", "supplemental"
NO_ATTRIBUTE = "noAttribute"
"""What stands in a name whose attributes are withheld (since 2024)."""

_SOUND = re.compile(
    r"\.(aif[cf]?|aiff|au|bwf|caf|flac|mp3|og[ag]|opus|rf64|snd|sph|voc|w64|wave?)$", re.I
)
_OF_2020 = re.compile(r"(?:(?P<condition>normal|anomaly)_)?id_(?P<section>\d+)_(?P<number>\d+)")
_SINCE_2021 = re.compile(
    r"section_(?P<section>\d+)"
    r"(?:_(?P<domain>source|target))?"
    r"(?:_(?P<split>train|test))?"
    r"(?:_(?P<condition>normal|anomaly))?"
    r"_(?P<number>\d+)"
    r"(?:_(?P<attributes>.*))?"
)
_EXTRA = re.compile(
    r"section_(?P<section>\d+)_(?:(?P<domain>source|target)_)?"
    r"(?:\w*_)?(?:supplemental|machine|clean|noise)_(?:\w*_)?(?P<number>\d+)"
    r"(?:_(?P<attributes>.*))?"
)
# Keys of 2024 and 2025 whose value follows without an underscore, and one that has one in it.
_PAIR = re.compile(
    r"(?P<key>(?:spd|weight|mic_imp)(?=\d)|Bckg(?=[A-Z](?:_|$)))(?P<value>[^_]+)"
    r"|(?P<other>mic_pos|[^_]+)(?:_(?P<its>[^_]+))?"
)


@dataclass(frozen=True)
class ClipName:
    """What a file name says of a clip.

    Attributes
    ----------
    section : str
        As it is written, "00"; of 2020, the machine's id.
    domain : {"source", "target"} or None
        None where the name does not tell, as of 2020 and of evaluation clips since 2022.
    split : {"train", "test", "supplemental"} or None
        Supplemental are clips of the machine alone or of noise alone (2025).
    condition : {"normal", "anomaly"} or None
        None where the name does not tell.
    number : int
    attributes : tuple of (str, str)
        Keys and values in their order; empty where there are none or they are withheld.
    """

    section: str
    domain: str | None
    split: str | None
    condition: str | None
    number: int
    attributes: tuple[tuple[str, str], ...]


def stem(filename: str) -> str:
    """File name without folders and without the extension of a sound file.

    >>> stem("test\\\\section_00_0000_volt_1.5.WAV"), stem("section_00_0000_volt_1.5")
    ('section_00_0000_volt_1.5', 'section_00_0000_volt_1.5')
    """
    return _SOUND.sub("", PureWindowsPath(filename).name)


def parse_name(filename: str) -> ClipName | None:
    """Read the file name of a clip of any year.

    Parameters
    ----------
    filename : str
        With or without folders and extension.

    Returns
    -------
    ClipName or None
        None if it is no such name.

    Examples
    --------
    >>> parse_name("section_00_source_test_anomaly_0003_vel_6_loc_A.wav")
    ClipName(section='00', domain='source', split='test', condition='anomaly', number=3,
             attributes=(('vel', '6'), ('loc', 'A')))
    >>> parse_name("normal_id_05_00000012.wav").condition
    'normal'
    >>> parse_name("monday.wav") is None
    True
    """
    text = stem(filename)
    for pattern, split in ((_OF_2020, None), (_SINCE_2021, None), (_EXTRA, SUPPLEMENTAL)):
        match = pattern.fullmatch(text)
        if match:
            found = match.groupdict()
            return ClipName(
                section=found["section"],
                domain=found.get("domain"),
                split=found.get("split") or split,
                condition=found.get("condition"),
                number=int(found["number"]),
                attributes=parse_attributes(found.get("attributes") or ""),
            )
    return None


def parse_attributes(text: str) -> tuple[tuple[str, str], ...]:
    """Keys and values of the part of a name that follows the number.

    A key and its value are divided by an underscore, like the pairs. A last key may lack its value,
    then it is "". Some keys of 2024 and 2025 hold theirs without an underscore.

    >>> parse_attributes("car_A1_spd_28V")
    (('car', 'A1'), ('spd', '28V'))
    >>> parse_attributes("spd1000BckgA"), parse_attributes("noAttribute")
    ((('spd', '1000'), ('Bckg', 'A')), ())
    """
    if text.strip("_") in {"", NO_ATTRIBUTE}:
        return ()
    divided = re.sub(r"(?<=[^_])(?=Bckg[A-Z](?:_|$))", "_", text)
    pairs = []
    for match in _PAIR.finditer(divided):
        key = match["key"] or match["other"]
        pairs.append((key, match["value"] or match["its"] or ""))
    return tuple(pairs)


def section_name(key: tuple[str, str]) -> str:
    """What messages call a section of a machine.

    >>> section_name(("fan", "00"))
    'fan 00'
    """
    return " ".join(key)

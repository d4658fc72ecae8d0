import numpy as np
import pytest
import soundfile
from machines import RATE, clips_in

from asd.commands.explain import main
from asd.commands.report import main as report
from asd.commands.score import main as score
from asd.commands.train import main as train
from asd.report import PNG_START
from asd.synthesis import write_dataset

FEW = ("--masks", 3, "-q")


@pytest.fixture(scope="module")
def dcase(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dcase")
    return write_dataset(
        folder / "data", machines=("fan", "pump"), n_source=4, n_target=2, n_test=1, duration_s=0.3
    )


def trained(data, path, *options):
    system = () if "--system" in options else ("--system", "standardised")
    assert train([str(data), "-o", str(path), *system, *options, "-q"]) == 0
    return path


@pytest.fixture(scope="module")
def hall(dcase, tmp_path_factory):
    return trained(dcase, tmp_path_factory.mktemp("hall") / "hall.asd")


@pytest.fixture(scope="module")
def fan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    return trained(clips_in(folder / "fan", 4), folder / "fan.asd")


def test_a_picture_of_each_clip_as_reports_want_them(dcase, hall, tmp_path, command, capsys):
    maps, table, page = (tmp_path / name for name in ("maps", "scores.csv", "report.html"))
    arguments = (hall, dcase, "-o", maps)
    assert command(main, *arguments, "--masks", 3, "--threads", 1) == 0
    pictures = sorted(maps.rglob("*.png"))
    assert capsys.readouterr() == ("", f"wrote {maps}: {len(pictures)} pictures\n")
    clips = sorted(dcase.rglob("test/*.wav"))
    assert [p.relative_to(maps).as_posix() for p in pictures] == [
        f"{clip.parent.parent.name}/{clip.stem}.png" for clip in clips
    ]
    assert all(picture.read_bytes().startswith(PNG_START) for picture in pictures)
    assert command(score, hall, dcase, "-o", table, "-q") == 0
    assert command(report, table, "--pictures", maps, "-o", page, "-q") == 0
    assert capsys.readouterr().err == ""
    assert page.read_text().count("<figcaption>section_") == len(clips)
    assert command(main, *arguments, *FEW) == 2
    assert "exists; use --force" in capsys.readouterr().err


def test_one_machine_and_clips_that_fail(fan, tmp_path, command, capsys):
    good = clips_in(tmp_path / "new", 1) / "0.wav"
    short = tmp_path / "new" / "short.wav"
    soundfile.write(short, np.ones(400), RATE)
    maps = tmp_path / "maps"
    clips = (tmp_path / "missing.wav", short, good)
    assert command(main, fan, *clips, "-o", maps, *FEW) == 1
    err = capsys.readouterr().err
    assert f"{clips[0]}: no such file" in err and f"{short}: 0.025 s is shorter" in err
    assert "2 of 3 inputs failed" in err
    assert [path.name for path in maps.iterdir()] == ["0.png"]
    first = (maps / "0.png").read_bytes()
    for seed, same in ((0, True), (1, False)):
        assert command(main, fan, good, "-o", maps, *FEW, "--seed", seed, "--force") == 0
        assert ((maps / "0.png").read_bytes() == first) == same
    assert command(main, fan, short, "-o", tmp_path / "none", *FEW) == 2
    assert not (tmp_path / "none").exists()


def test_clips_that_would_share_a_picture(fan, tmp_path, command, capsys):
    clips = [clips_in(tmp_path / name, 1) / "0.wav" for name in "ab"]
    assert command(main, fan, *clips, "-o", tmp_path / "maps", *FEW) == 2
    assert f"named like {clips[0]}; give them different folders" in capsys.readouterr().err


def test_the_machine_that_is_told(hall, tmp_path, command, capsys):
    clip = clips_in(tmp_path / "new", 1) / "0.wav"
    assert command(main, hall, clip, "-o", tmp_path / "maps", *FEW) == 2
    assert "see --machine and --section" in capsys.readouterr().err
    assert command(main, hall, clip, "-o", tmp_path / "maps", *FEW, "--machine", "pump") == 0
    assert (tmp_path / "maps" / "pump" / "0.png").exists()
    assert command(main, hall, clip, "-o", tmp_path / "maps", *FEW, "--machine", "saw") == 2
    assert "--machine saw: the model knows fan, pump" in capsys.readouterr().err


def test_a_map_of_all_test_clips(dcase, hall, tmp_path, command, capsys):
    picture = tmp_path / "map.png"
    assert command(main, hall, dcase, "--map", "-o", picture) == 0
    out, err = capsys.readouterr()
    n_clips = len(list(dcase.rglob("test/*.wav")))
    assert err == f"wrote {picture}: {n_clips} clips\n"
    what, value = out.split(": ")
    assert what == "mean distance of anomaly to the nearest normal clip" and float(value) > 0
    assert picture.read_bytes().startswith(PNG_START)


def test_a_map_of_clips_without_test_part_or_conditions(fan, tmp_path, command, capsys):
    clips = clips_in(tmp_path / "new", 3)
    (clips / "bad.wav").write_text("no sound")
    assert command(main, fan, clips, "--map", "-o", tmp_path / "map.png", "-q") == 1
    out, err = capsys.readouterr()
    assert out == "" and "bad.wav" in err and "1 of 4 inputs failed" in err
    assert (tmp_path / "map.png").exists()
    assert command(main, fan, clips / "0.wav", "--map", "-o", tmp_path / "one.png") == 2
    assert "3 clips or more, not 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, message",
    [
        (("--map", "--masks", 5, "-o", "map.png"), "--masks belongs to pictures of clips"),
        (("--map", "-o", "map.pdf"), "map.pdf: the name must end in .png"),
        (("-o", "fan.asd"), "fan.asd: is a file; name a folder"),
        (("--masks", 0, "-o", "maps"), "'0' is not a whole number above 0"),
    ],
)
def test_what_cannot_be_asked_for(fan, command, capsys, monkeypatch, options, message):
    monkeypatch.chdir(fan.parent)
    assert command(main, fan, "fan", *options) == 2
    assert message in capsys.readouterr().err

"""Recorded machines, rebuilt from small repositories."""

import os
import subprocess
from collections import Counter

import numpy as np
import pytest
import soundfile

from asd.names import parse_name

RATE = 16000
HEADER = "machine,split,domain,condition,attribute,repository,commit,path,pieces"
HEALTHY = "fan,train,source,normal,id_00,ada/sounds,{commit},healthy fan.wav,1-3/4"
BROKEN = "fan,test,target,anomaly,id_02,ada/sounds,{commit},broken/0.wav,1"
CLIPS = [
    "fan/test/section_00_target_test_anomaly_0000_id_02.wav",
    *(f"fan/train/section_00_source_train_normal_000{i}_id_00.wav" for i in range(3)),
]


def git(folder, *arguments):
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull}
    asked = ["git", "-c", "user.name=ada", "-c", "user.email=ada", "-C", str(folder), *arguments]
    return subprocess.run(asked, check=True, capture_output=True, text=True, env=environment).stdout


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A repository with two recordings at its first commit, its commit, and their samples."""
    folder, rng = tmp_path_factory.mktemp("origin"), np.random.default_rng(0)
    git(folder, "init", "-q")
    healthy = 0.1 * rng.standard_normal((4003, 2))
    soundfile.write(folder / "healthy fan.wav", healthy, RATE)
    click = np.zeros(800)
    click[400] = 0.5
    (folder / "broken").mkdir()
    soundfile.write(folder / "broken" / "0.wav", click, RATE // 2)
    (folder / "notes.txt").write_text("not a sound")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "sounds")
    commit = git(folder, "rev-parse", "HEAD").strip()
    git(folder, "rm", "-q", "-r", "broken")
    git(folder, "commit", "-q", "-m", "fewer")
    return folder, commit, healthy


@pytest.fixture
def run(script, origin, tmp_path, capsys):
    """Rebuild rows of a table from a folder of clones, and say how it went."""

    def runs(*rows, clones=tmp_path / "clones"):
        table = tmp_path / "rows.csv"
        told = "\n".join([HEADER, *rows]) + "\n"
        table.write_text(told.replace("{commit}", origin[1][:10]))
        clones.mkdir(exist_ok=True)
        status = script.main([str(clones), str(tmp_path / "out"), "--table", str(table)])
        return status, *capsys.readouterr()

    return runs


def clone(origin, folder, name, *how):
    git(folder, "clone", "-q", *how, str(origin[0]), str(folder / "clones" / name))


@pytest.mark.parametrize(
    "name, how", [("ada+sounds", ["--bare"]), ("ada/sounds", []), ("sounds", [])]
)
def test_clips_are_cut_out_of_clones(origin, run, tmp_path, name, how):
    clone(origin, tmp_path, name, *how)
    out = tmp_path / "out"
    assert run(HEALTHY, BROKEN) == (0, f"{out}: 4 clips of 1 machines\n", "")
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.wav")) == CLIPS
    levels = []
    for i, file in enumerate(CLIPS[1:]):
        clip, rate = soundfile.read(out / file)
        assert rate == RATE and clip.shape == (1000,)
        first_channel = origin[2][1000 * i : 1000 * (i + 1), 0]
        assert np.corrcoef(clip, first_channel)[0, 1] > 0.999
        levels.append(20 * np.log10(np.sqrt(np.mean(clip**2))))
    assert -41 < min(levels) < max(levels) - 0.5 < -35
    assert soundfile.info(out / CLIPS[0]).frames == 2 * 800
    assert soundfile.info(out / CLIPS[0]).subtype == "PCM_16"


def test_same_clips_each_time(origin, run, tmp_path):
    clone(origin, tmp_path, "sounds")
    run(HEALTHY, BROKEN)
    (tmp_path / "out").rename(tmp_path / "before")
    run(HEALTHY, BROKEN)
    for file in CLIPS:
        assert (tmp_path / "out" / file).read_bytes() == (tmp_path / "before" / file).read_bytes()


def test_levels(script):
    rng = np.random.default_rng(0)
    click = np.zeros(RATE)
    click[0] = 1e-3
    assert script.levelled(click, rng).max() == pytest.approx(0.999)
    assert not script.levelled(np.zeros(5), rng).any()
    levels = [20 * np.log10(script.levelled(np.ones(5), rng)[0]) for _ in range(200)]
    assert -41 <= min(levels) < -40.8 and -35.2 < max(levels) <= -35


@pytest.mark.parametrize(
    "wrong, message",
    [
        (("train", "trained"), "split is 'trained'; give train or test"),
        (("ada/sounds", "sounds"), "repository is 'sounds'; give owner/name"),
        (("1-3/4", "5-6/4"), "there are no pieces 5-6/4; count them from 1 to 4"),
        (("1-3/4", "0"), "pieces is '0'; give a number"),
        (("fan,", "../fan,"), "machine is '../fan'; give letters"),
    ],
)
def test_a_wrong_row_is_named(run, tmp_path, wrong, message):
    status, out, err = run(BROKEN, HEALTHY.replace(*wrong, 1))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"rows.csv:3: {message}" in err
    assert not (tmp_path / "out").exists()


def test_missing_repositories_are_named_with_how_to_get_them(run, tmp_path):
    status, out, err = run(HEALTHY, BROKEN, BROKEN.replace("ada", "bob"))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "clones: lacks ada/sounds, bob/sounds; get them: git clone" in err
    for owner in ("ada", "bob"):
        into = tmp_path / "clones" / f"{owner}+sounds"
        assert f"git clone https://github.com/{owner}/sounds {into}" in err


@pytest.mark.parametrize(
    "file, message",
    [
        ("lost.wav", "lost.wav; clone it again: git clone https://github.com/ada/sounds"),
        ("notes.txt", "notes.txt is not audio"),
    ],
)
def test_a_missing_or_strange_file_is_named_and_nothing_is_left(
    origin, run, tmp_path, file, message
):
    clone(origin, tmp_path, "sounds", "--bare")
    before = {path.name for path in tmp_path.iterdir()}
    status, out, err = run(HEALTHY, BROKEN.replace("broken/0.wav", file))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "rows.csv:3: " in err and message in err
    assert {path.name for path in tmp_path.iterdir()} == before | {"rows.csv"}


def test_what_exists_is_kept(origin, run, tmp_path):
    clone(origin, tmp_path, "sounds")
    (tmp_path / "out").mkdir()
    status, _, err = run(HEALTHY)
    assert status == 2 and "out: exists; delete it or name another folder" in err


def test_the_table(script):
    """Every machine can be learnt and tested, in both domains, and no recording is in it twice."""
    recordings = script.read_recordings(script.TABLE)
    names = [name for own in script.clip_names(recordings) for name in own]
    assert len(set(names)) == len(names)
    assert len({(one.repository, one.path) for one in recordings}) == len(recordings)
    assert len({one.repository for one in recordings}) == len(
        {(one.repository, one.commit) for one in recordings}
    )
    kinds = Counter()
    for name in names:
        machine, split, file = name.split("/")
        told = parse_name(file)
        assert told.split == split and told.attributes
        kinds[machine, split, told.domain, told.condition] += 1
    machines = {one.machine for one in recordings}
    assert len(machines) == 11
    assert set(kinds) == {
        (machine, split, domain, condition)
        for machine in machines
        for split, condition in (("train", "normal"), ("test", "normal"), ("test", "anomaly"))
        for domain in ("source", "target")
    }

"""Labels that are found automatically in sequences of tones."""

import numpy as np


def test_labels_overlap_with_the_truth(script, digits_data, capsys):
    script.main(["--data", str(digits_data), "--fold", "1"])
    head, _, *lines = capsys.readouterr().out.splitlines()
    titles, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in (head, *lines)
    )
    assert tuple(titles) == script.TITLES
    found = {tuple(row[:2]): dict(zip(titles[2:], row[2:], strict=True)) for row in rows}
    assert len(found) == 6 and {row["words"] for row in found.values()} == {"18"}
    aligned, trimmed = (
        found["the recording's", activity] for activity in ("none", "2750 to 4000 Hz")
    )
    assert float(trimmed["TP rate"]) > 90 > 10 > float(trimmed["FP rate"])
    assert float(aligned["truth >= 70"]) > 90
    assert float(trimmed["both"]) > 90
    assert float(trimmed["of the place"]) > float(aligned["of the place"])


def test_words_are_cut_out_where_they_are_said(script, digits_data):
    folder = digits_data / "kws" / "fsdd"
    said = script.weakly_labelled(folder, "fold1", 0)
    words = script.labelled(script.shots_of(folder, "fold1"), said, 0)
    assert [word for word, _ in words] == [word for u in said for word in u.words]
    seconds = np.array([len(samples) for _, samples in words]) / 16000
    assert 0.3 < np.median(seconds) < 0.5
    assert all(np.abs(samples).max() == 1.0 for _, samples in words)


def test_shares_are_counted(script):
    pairs = [((0, 100), (0, 100)), ((0, 100), (0, 50)), ((0, 100), (0, 200))]
    assert script._shares(pairs) == ["3", "66.7", "66.7", "33.3", "83.3", "83.3"]

"""The benchmark of clusters on a few generated clips."""


def test_it_prints_a_line_for_each_choice(script, monkeypatch, capsys):
    few = {"machines": ("fan",), "n_source": 20, "n_target": 10, "n_test": 1, "duration_s": 0.4}
    monkeypatch.setattr(script, "DATA", few)
    asked = ["--data-seeds", "1", "--statistics", "mean", "--clusters", "2", "--clusters", "bic"]
    monkeypatch.setattr("sys.argv", ["asd_clusters.py", *asked])
    script.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 machines of 30 clips"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:]]
    assert [row[:3] for row in rows] == [
        ["mean", "2", "mixture"],
        ["mean", "2", "k-means"],
        ["mean", "bic", "mixture"],
    ]
    assert all(-20 <= int(cell) <= 100 for row in rows for cell in row[4:])
    assert rows[0][3] == "2.0"

"""xraytomo geometry: made, converted, checked and drawn; one sentence for everything else."""
import json
from dataclasses import replace

import numpy as np
import pytest

from XRayTomoLib.cli import main
from XRayTomoLib.commands.option_arguments import add_option_arguments, values_from
from XRayTomoLib.commands.points import read_points
from XRayTomoLib.commands.trajectories import _parser
from XRayTomoLib.geometry import FreePixels, carm
from XRayTomoLib.geometry.detectors import Panels, Polar
from XRayTomoLib.geometry.formats import FORMATS, read_geometry, write_geometry
from XRayTomoLib.geometry.trajectories import TRAJECTORIES, Helix, Jitter
from XRayTomoLib.options import make

SMALL = ["--rows", 6, "--cols", 8]


def run(*arguments):
    return main(["geometry", *map(str, arguments)])


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.json"
    write_geometry(path, carm("Linac CBCT panel").resampled(6, 8).views(np.arange(5) * 20.0))
    return path


def test_a_helix_through_three_formats(tmp_path, capsys):
    assert run("make", "helix", "--count", 30, "--turns", 2, "--pitch-mm", 50, *SMALL, "-o", tmp_path / "helix.json") == 0
    assert "30 cone" in capsys.readouterr().out
    made = read_geometry(tmp_path / "helix.json")
    device = carm("Cios Fusion").resampled(6, 8)
    expected = Helix(count=30, turns=2, pitch_mm=50).views(device)
    np.testing.assert_array_equal(made.source, expected.source)
    np.testing.assert_array_equal(made.times, expected.times)
    assert run("convert", tmp_path / "helix.json", tmp_path / "helix.xml", "--to", "rtk") == 0
    pitch = [device.col_pitch_mm, device.row_pitch_mm]
    assert run("convert", tmp_path / "helix.xml", tmp_path / "helix.npy", "--to", "astra", "--shape", 6, 8, "--pitch-mm", *pitch) == 0
    assert run("convert", tmp_path / "helix.npy", tmp_path / "back.json", "--hint", "shape=[6,8]", "--hint", "kind=cone_vec") == 0
    assert run("convert", tmp_path / "back.json", tmp_path / "transforms.json", "--flip") == 0
    np.testing.assert_allclose(read_geometry(tmp_path / "transforms.json").u, -made.u, atol=1e-9)
    back = read_geometry(tmp_path / "back.json")
    for name in ("source", "origin", "u", "v"):
        np.testing.assert_allclose(getattr(back, name), getattr(made, name), atol=1e-9)


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_every_trajectory_can_be_made(tmp_path, name):
    (tmp_path / "p.json").write_text("[[0, -500, 0], [300, -400, 50], [500, 0, 0]]")
    points = ["--points", tmp_path / "p.json"] if name == "free" else []
    assert run("make", name, "--count", 200, *points, *SMALL, "-o", tmp_path / "g.json", "--isocentre", 1, 2, 3, "--jitter-detector-mm", 1) == 0
    assert len(read_geometry(tmp_path / "g.json")) == 200


def test_the_options_of_the_detector_are_used(tmp_path):
    given = ["--detector-surface", "cylindrical", "--detector-tilt-deg", 0, "--detector-binning", 2, "--no-backwards", "--device", "Linac CBCT panel"]
    assert run("make", "circle", "--count", 3, *SMALL, *given, "-o", tmp_path / "g.json") == 0
    views = read_geometry(tmp_path / "g.json")
    assert views.shape == (3, 4)
    assert views.surface.radius_mm == carm("Linac CBCT panel").sdd_mm


def test_arguments_from_options():
    import argparse
    parser = argparse.ArgumentParser()
    add_option_arguments(parser, Helix)
    add_option_arguments(parser, Jitter, "jitter-")
    given = parser.parse_args(["--turns", "3", "--jitter-seed", "4"])
    assert values_from(given, Helix) == {"turns": 3}
    assert make(Jitter, values_from(given, Jitter)).seed == 4


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        run("make", "helix", "--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("--turns", "--pitch-mm", "--device", "--jitter-source-mm", "--isocentre"))
    for name in TRAJECTORIES:
        _parser(name).format_help()


def test_check_reports_errors(tmp_path, scan, capsys):
    views = read_geometry(scan)
    points = np.array([[0, 0, 0], [20, -10, 5.0]])
    observed = views.project(points) + [0.0, 0.5]
    seen = observed.tolist()
    seen[1][0] = None
    (tmp_path / "p.json").write_text(json.dumps({"points_ras": points.tolist(), "observed": seen}))
    assert run("check", scan, "--points", tmp_path / "p.json") == 0
    text = capsys.readouterr().out
    assert "reprojection error: mean 0.5" in text
    assert "5 views, 2 points" in text


def test_points_of_slicers_markups(tmp_path):
    path = tmp_path / "F.mrk.json"
    points = [{"id": "1", "position": [1.0, 2.0, 3.0]}, {"id": "2", "position": [4.0, 5.0, 6.0]}]
    path.write_text(json.dumps({"markups": [{"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": points}]}))
    np.testing.assert_array_equal(read_points(path)[0], [[-1, -2, 3], [-4, -5, 6]])
    path.write_text(json.dumps({"markups": [{"coordinateSystem": "RAS", "controlPoints": points}]}))
    np.testing.assert_array_equal(read_points(path)[0], [[1, 2, 3], [4, 5, 6]])


def test_the_picture_is_drawn(tmp_path, scan):
    pytest.importorskip("matplotlib")
    assert run("show", scan, "--png", tmp_path / "scene.png", "--view", 2) == 0
    data = (tmp_path / "scene.png").read_bytes()
    assert data.startswith(b"\x89PNG") and len(data) > 10_000


@pytest.mark.parametrize("surface", [Polar((2.0, 3.0), 4.0, 2.0, 0.0, 30.0), Panels.on_arc((6, 8), 2, 1500.0, (1.0, 1.0)), "free", "parallel"],
                         ids=["polar", "panels", "free", "parallel"])
def test_every_kind_of_views_is_drawn(tmp_path, surface):
    pytest.importorskip("matplotlib")
    views = carm("Linac CBCT panel").resampled(6, 8).views(np.arange(5) * 20.0)
    if surface == "parallel":
        views = replace(views, source=None, direction=views.centre - views.source)
    else:
        views = replace(views, surface=FreePixels(views.rays()[1]) if surface == "free" else surface)
    write_geometry(tmp_path / "g.json", views)
    assert run("show", tmp_path / "g.json", "--png", tmp_path / "scene.png") == 0
    assert (tmp_path / "scene.png").stat().st_size > 10_000


def test_formats_are_listed(capsys):
    assert run("formats") == 0
    text = capsys.readouterr().out
    assert all(name in text for name in FORMATS)
    assert "pitch_mm" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["convert", "none.json", "out.xml"], ("none.json", "no such file")),
        (["convert", "scan.json", "out.xyz"], ("out.xyz", "rtk")),
        (["convert", "scan.json", "out.xml", "--to", "rtx"], ("rtx", "rtk")),
        (["convert", "scan.json", "out.xml", "--hint", "shape"], ("shape", "NAME=VALUE")),
        (["convert", "scan.json", "out.xml", "--hint", "wings=2"], ("wings", "xraytomo")),
        (["convert", "scan.json", "nowhere/out.xml", "--to", "rtk"], ("nowhere/out.xml: No such file", "check the path")),
        (["make", "square", "-o", "g.json"], ("square", "helix")),
        (["make", "circle", "--count", "0", "-o", "g.json"], ("count", "1 to")),
        (["make", "circle", "--device", "Toy", "-o", "g.json"], ("Toy",)),
        (["check", "scan.json", "--points", "none.json"], ("none.json",)),
        (["show", "scan.json", "--png", "scene.jpg"], (".png",)),
        (["show", "scan.json", "--png", "scene.png", "--view", "9"], ("view 9",)),
    ],
)
def test_one_sentence_for_what_cannot_be(tmp_path, scan, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert run(*arguments) == 2
    text = capsys.readouterr().err.strip()
    assert text.startswith("xraytomo geometry: ") and "\n" not in text
    assert all(word in text for word in words), text
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("text", ["{", "[]", "[[1, 2]]", '{"points_ras": [[1, 2, "x"]]}', '{"points_ras": [[1, 2, 3]], "observed": [[1]]}',
                                  '{"points_ras": [[1, 2, 3]], "observed": [[[1, 2]], [[null, 1]]]}', '{"markups": [{"controlPoints": [{}]}]}',
                                  '{"markups": [{"coordinateSystem": "XYZ", "controlPoints": [{"position": [1, 2, 3]}]}]}'])
def test_broken_points_are_refused(tmp_path, scan, capsys, text):
    (tmp_path / "p.json").write_text(text)
    assert run("check", scan, "--points", tmp_path / "p.json") == 2
    assert "p.json" in capsys.readouterr().err

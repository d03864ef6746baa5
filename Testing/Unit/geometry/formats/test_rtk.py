"""RTK XML: numbers that RTK itself wrote and traced, an independent formula, round trips, old versions, broken files."""
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from Unit.geometry.importer_kit import assert_same, damaged, radiographs, refused, round_trip, sheared, survives

from XRayTomoLib.geometry import Cylindrical, GeometryError
from XRayTomoLib.geometry.formats import read_geometry, recognise_format, write_geometry
from XRayTomoLib.geometry.formats.rtk import read

# Written by RTK 2.7.0 (itk-rtk 2.7.0.post1) for AddProjection(600, 1000, 30 | 60, 3, -4, 5, 7, 1, 2)
RTK_WROTE = """<?xml version="1.0"?>
<!DOCTYPE RTKGEOMETRY>
<RTKThreeDCircularGeometry version="3">
    <SourceToIsocenterDistance>600</SourceToIsocenterDistance>
    <SourceToDetectorDistance>1000</SourceToDetectorDistance>
    <SourceOffsetX>1</SourceOffsetX>
    <SourceOffsetY>2</SourceOffsetY>
    <ProjectionOffsetX>3</ProjectionOffsetX>
    <ProjectionOffsetY>-4</ProjectionOffsetY>
    <InPlaneAngle>7</InPlaneAngle>
    <OutOfPlaneAngle>5</OutOfPlaneAngle>
  <Projection>
    <GantryAngle>30</GantryAngle>
    <Matrix>
        -865.877183019281   -121.231282274635    485.349029178634                2200
         65.2774828968479   -989.292148332937   -130.674769842746               -1600
        0.498097349045873 -0.0871557427476582   0.862729915662821                -600
    </Matrix>
  </Projection>
  <Projection>
    <GantryAngle>60</GantryAngle>
    <Matrix>
        -507.197122462688   -121.231282274635    853.263180480452                2200
        -8.80542643759846   -989.292148332937   -145.806411765927               -1600
        0.862729915662821 -0.0871557427476582   0.498097349045873                -600
    </Matrix>
  </Projection>
</RTKThreeDCircularGeometry>
"""
RTK_SOURCE = (299.5987126182395, -50.194501627082026, 517.4225772073559)     # its GetSourcePosition(0)
RTK_MIDDLE = (-196.395141, 31.2714370, -347.096594)                          # its pixel at (0, 0) of view 0
GRID = {"shape": (9, 21), "pitch_mm": (20.0, 15.0), "origin_mm": (-190.0, -70.0)}
# Chords of a sphere (radius 90 about RTK's (10, -20, 30)) in view 0, row 4, columns 1, 2, 5, 10, 16 of GRID (its RayEllipsoidIntersection)
COLUMNS = [1, 2, 5, 10, 16]
CHORDS = {
    "flat": ("", (57.583599, 101.350403, 159.783798, 176.091995, 64.142799)),
    "R = 1000": ("<RadiusCylindricalDetector>1000</RadiusCylindricalDetector>", (52.307899, 99.634399, 159.664307, 176.091995, 61.898399)),
    "R = 700": ("<RadiusCylindricalDetector>700</RadiusCylindricalDetector>", (51.618401, 99.423401, 159.651306, 176.091995, 61.636398)),
}


def ras(points):
    return np.asarray(points) * [-1, -1, 1]


def formula(numbers, x, y):
    """Source and pixels (x, y) in RTK's frame, from its documentation: three rotation matrices written out."""
    sid, sdd, sx, sy, ox, oy, i, o, g = numbers
    i, o, g = np.radians([-i, -o, -g])
    rz = np.array([[np.cos(i), -np.sin(i), 0], [np.sin(i), np.cos(i), 0], [0, 0, 1]])
    rx = np.array([[1, 0, 0], [0, np.cos(o), -np.sin(o)], [0, np.sin(o), np.cos(o)]])
    ry = np.array([[np.cos(g), 0, np.sin(g)], [0, 1, 0], [-np.sin(g), 0, np.cos(g)]])
    back = (rz @ rx @ ry).T
    return back @ [sx, sy, sid], back @ [ox + x, oy + y, sid - sdd]


def with_radius(tag, version=3):
    return RTK_WROTE.replace('version="3">', f'version="{version}">{tag}')


def test_what_rtk_wrote(tmp_path):
    path = tmp_path / "geometry.xml"
    path.write_text(RTK_WROTE)
    assert recognise_format(path) == "rtk"
    views = read(path, **GRID)
    np.testing.assert_allclose(views.source[0], ras(RTK_SOURCE), atol=1e-9)
    middle = views.origin + 190 / 20 * views.u + 70 / 15 * views.v
    np.testing.assert_allclose(middle[0], ras(RTK_MIDDLE), atol=1e-5)
    for view, gantry in enumerate((30, 60)):
        for r, c in ((0, 0), (8, 3), (2, 20)):
            source, pixel = formula((600, 1000, 1, 2, 3, -4, 7, 5, gantry), -190 + 20 * c, -70 + 15 * r)
            np.testing.assert_allclose(views.source[view], ras(source), atol=1e-9)
            np.testing.assert_allclose(views.rays()[1][view, r, c], ras(pixel), atol=1e-9)


@pytest.mark.parametrize(("tag", "chords"), CHORDS.values(), ids=CHORDS)
def test_rays_are_those_that_rtk_traced(tmp_path, tag, chords):
    path = tmp_path / "geometry.xml"
    path.write_text(with_radius(tag))
    start, end = read(path, **GRID)[0].rays()
    along = (end - start) / np.linalg.norm(end - start, axis=-1)[..., None]
    to_centre = ras((10, -20, 30)) - start
    nearest = (to_centre * along).sum(-1)
    half = 90**2 - (to_centre**2).sum(-1) + nearest**2
    np.testing.assert_allclose(2 * np.sqrt(half[0, 4, COLUMNS]), chords, atol=6e-5)     # recorded to four digits


def test_what_we_write_is_rtks_matrix(tmp_path):
    """The written Matrix maps RTK's points to RTK's (x, y): checked with the formula, not with the reader."""
    views = radiographs(3, 3, (4, 6), (0.5, 0.8))
    path = tmp_path / "geometry.xml"
    write_geometry(path, views, "rtk")
    text = path.read_text()
    matrices = [np.array(part.split("</Matrix>")[0].split(), float).reshape(3, 4) for part in text.split("<Matrix>")[1:]]
    points = np.random.default_rng(0).normal(0, 60, (5, 3))
    for matrix, pixels in zip(matrices, views.project(points)):
        x, y, w = matrix @ np.c_[ras(points), np.ones(5)].T
        np.testing.assert_allclose(np.stack([y / w, x / w], -1), (pixels - [1.5, 2.5]) * [0.8, 0.5], atol=1e-8)
    assert text.count("<SourceToDetectorDistance>") == 3
    write_geometry(path, radiographs(3, 1, (4, 6)), "rtk")
    assert path.read_text().index("<SourceToDetectorDistance>") < path.read_text().index("<Projection>")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), camera=st.booleans(), parallel=st.booleans(), origin=st.none() | st.tuples(st.floats(-99, 99), st.floats(-99, 99)))
def test_round_trip(tmp_path, seed, camera, parallel, origin):
    views = radiographs(seed, parallel=parallel, camera=camera and not parallel)
    hints = {} if origin is None else {"origin_mm": origin}
    again = round_trip(tmp_path / "g.xml", views, "rtk", hints, shape=views.shape, pitch_mm=(0.7, 1.1), **hints)
    if parallel:                # the depth along parallel rays may change
        shift = again.origin - views.origin
        np.testing.assert_allclose(np.cross(shift, views.direction), 0, atol=1e-9)
        again = replace(again, origin=views.origin)
    assert_same(again, views)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), radius=st.sampled_from([300.0, 1200.0, -500.0]), apex=st.floats(-3, 9))
def test_cylinder_round_trip(tmp_path, seed, radius, apex):
    views = radiographs(seed, 3)
    across = (views.origin * views.u).sum(-1) / 0.7**2                        # the apex lies below the isocentre
    views = replace(views, origin=views.origin - (across + apex)[:, None] * views.u, surface=Cylindrical(radius, apex))
    assert_same(round_trip(tmp_path / "g.xml", views, "rtk", shape=views.shape, pitch_mm=(0.7, 1.1)), views)


def test_quarter_turns_out_of_plane_are_exact(tmp_path):
    views = radiographs(0, 1)
    for axis in np.eye(3):
        turned = np.eye(4)
        frame = np.stack([views.u[0] / 0.7, views.v[0] / 1.1, np.cross(views.u[0], views.v[0]) / 0.77])
        turned[:3, :3] = np.stack([np.roll(axis, 1), np.roll(axis, 2), axis]).T @ frame
        moved = views.transformed(turned)
        assert_same(round_trip(tmp_path / "g.xml", moved, "rtk", shape=views.shape, pitch_mm=(0.7, 1.1)), moved)


def test_version_2_with_its_old_names_and_unknown_tags(tmp_path):
    path = tmp_path / "old.xml"
    path.write_text(RTK_WROTE)
    expected = read(path, **GRID)
    text = with_radius("<ProjectionAngle>1</ProjectionAngle><CollimationUInf>3</CollimationUInf>", 2)
    path.write_text(text.replace("GantryAngle", "Angle"))
    assert_same(read(path, **GRID), expected, atol=0)
    first, second = (part.split("</Matrix>")[0] for part in RTK_WROTE.split("<Matrix>")[1:])
    path.write_text(RTK_WROTE.replace("<GantryAngle>60</GantryAngle>", "").replace(second, first))
    assert_same(read(path, **GRID)[1], expected[0], atol=0)                   # a value holds until the next


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('version="3"', 'version="4"', ("version", "2 and 3")),
        ("RTKThreeDCircularGeometry", "Geometry", ("RTKThreeDCircularGeometry",)),
        ("<GantryAngle>60<", "<GantryAngle>61<", ("Matrix", "projection 1")),
        ("<GantryAngle>60<", "<GantryAngle>sixty<", ("GantryAngle", "sixty")),
        ("<GantryAngle>60<", "<GantryAngle><", ("GantryAngle",)),
        ("<GantryAngle>60<", "<GantryAngle>nan<", ("GantryAngle", "finite")),
        ("<GantryAngle>60<", "<GantryAngle>1e999<", ("GantryAngle", "finite")),
        ("2200", "", ("Matrix", "11")),
        ("Projection>", "View>", ("Projection",)),
        ("</RTKThreeDCircularGeometry>", "", ("XML",)),
        ("<!DOCTYPE RTKGEOMETRY>", '<!DOCTYPE x [<!ENTITY a "aaaa">]>', ("entities",)),
    ],
)
def test_broken_files(tmp_path, old, new, words):
    refused(tmp_path / "g.xml", RTK_WROTE.replace(old, new), *words, format="rtk", **GRID)


@pytest.mark.parametrize(
    ("hints", "word"),
    [({"shape": None}, "shape"), ({"shape": (0, 3)}, "shape"), ({"pitch_mm": None}, "pitch_mm"), ({"pitch_mm": (1, 0)}, "pitch_mm"),
     ({"pitch_mm": float("nan")}, "pitch_mm"), ({"origin_mm": 3.0}, "origin_mm"), ({"sdd_mm": 3.0}, "sdd_mm")],
)  # fmt: skip
def test_hints_are_needed_and_checked(tmp_path, hints, word):
    with pytest.raises(GeometryError, match=word):
        path = tmp_path / "g.xml"
        path.write_text(RTK_WROTE)
        read_geometry(path, "rtk", **(GRID | hints))


@pytest.mark.parametrize(
    ("views", "word"),
    [(sheared(0), "sheared"), (replace(radiographs(1), u=radiographs(1).u * np.array([[1.0], [1], [1], [2]])), "pitch"),
     (replace(radiographs(2), surface=Cylindrical(900.0, 40.0)), "apex"),
     (replace(radiographs(2, parallel=True), direction=(0.1, 0.2, 0.3)), "right angles")],
)  # fmt: skip
def test_what_rtk_cannot_hold_is_refused(tmp_path, views, word):
    with pytest.raises(GeometryError, match=word) as caught:
        write_geometry(tmp_path / "g.xml", views, "rtk")
    assert str(tmp_path / "g.xml") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=damaged(RTK_WROTE.encode()))
def test_fuzzed_bytes_never_crash(tmp_path, content):
    survives(tmp_path / "g.xml", content, "rtk", **GRID)


def test_rtk_itself_reads_what_we_write(tmp_path):
    itk = pytest.importorskip("itk", reason="itk-rtk is not installed (Testing/Benchmarks/requirements.txt)")
    RTK = getattr(itk, "RTK", None) or pytest.skip("itk is installed without its module RTK (Testing/Benchmarks/requirements.txt)")
    views = radiographs(8, 4, (4, 6), (0.5, 0.8))
    write_geometry(tmp_path / "g.xml", views, "rtk")
    reader = RTK.ThreeDCircularProjectionGeometryXMLFileReader.New()
    reader.SetFilename(str(tmp_path / "g.xml"))
    reader.GenerateOutputInformation()
    geometry = reader.GetOutputObject()
    for i in range(4):
        np.testing.assert_allclose(list(geometry.GetSourcePosition(i))[:3], ras(views.source[i]), atol=1e-9)
        to_world = itk.array_from_matrix(geometry.GetProjectionCoordinatesToFixedSystemMatrix(i))
        np.testing.assert_allclose((to_world @ [-2.5 * 0.5, -1.5 * 0.8, 0, 1])[:3], ras(views.origin[i]), atol=1e-9)
    writer = RTK.ThreeDCircularProjectionGeometryXMLFileWriter.New()
    writer.SetObject(geometry)
    writer.SetFilename(str(tmp_path / "again.xml"))
    writer.WriteFile()
    assert_same(read(tmp_path / "again.xml", (4, 6), (0.5, 0.8)), views, atol=1e-9)

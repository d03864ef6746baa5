"""The same files through RTK's own readers (Python package itk-rtk, part of the benchmarks' environment): equal pixels, equal geometry."""

import numpy as np
import pytest
from Unit.io.projections import vendor_kit as kit

from XRayTomoLib.io.projections import elekta, truebeam, varian_obi

MISSING = "itk-rtk is not installed (Testing/Benchmarks/requirements.txt)"
itk = pytest.importorskip("itk", reason=MISSING)
rtk = getattr(itk, "RTK", None) or pytest.skip(MISSING, allow_module_level=True)

ANGLES = [-178.5, -90.0, 0.0, 33.25, 181.0]
FRAMES = [(-179.9, 1.5, -0.25), (0.0, -2.0, 0.5), (33.0, 0.125, 0.0), (90.5, 115.0, 3.0)]


def image(seed, shape=(6, 8)):
    return np.random.default_rng(seed).integers(0, 60000, shape).astype(np.uint16)


def write_obi(folder, write, suffix):
    kit.write_projection_info(folder / "ProjectionInfo.xml")
    for i, angle in enumerate(ANGLES):
        write(folder / f"Proj_{i:05}{suffix}", image(i).astype(np.uint32), CTProjectionAngle=angle, IDUResolutionX=0.5)


def write_hnd(folder):
    write_obi(folder, kit.write_hnd, ".hnd")


def write_hnc(folder):
    write_obi(folder, kit.write_hnc, ".hnc")


def write_xim(folder):
    kit.write_scan_xml(folder / "Scan.xml")
    for i, angle in enumerate(ANGLES):
        kit.write_xim(folder / f"Proj_{i:05}.xim", image(i).astype(np.int32), KVSourceRtn=angle, KVNormChamber=100.0)


def write_his(folder):
    kit.write_frames_xml(folder / "_Frames.xml", FRAMES)
    for i in range(len(FRAMES)):
        kit.write_his(folder / f"{i:05}.his", image(i, (6, 6)))


def read_geometry(reader, info, files):
    reader.SetXMLFileName(str(info))
    reader.SetProjectionsFileNames(list(map(str, files)))
    reader.UpdateOutputData()
    return reader.GetGeometry()


def obi(info, files):
    return read_geometry(rtk.VarianObiGeometryReader.New(), info, files)


def probeam(info, files):
    return read_geometry(rtk.VarianProBeamGeometryReader.New(), info, files)


def xvi(info, files):
    reader = rtk.ElektaXVI5GeometryXMLFileReader.New()
    reader.SetFilename(str(info))
    reader.GenerateOutputInformation()
    return reader.GetGeometry()


@pytest.mark.parametrize(
    ("module", "write", "info", "suffix", "geometry", "pixel"),
    [
        (varian_obi, write_hnd, "ProjectionInfo.xml", ".hnd", obi, "UI"),
        (varian_obi, write_hnc, "ProjectionInfo.xml", ".hnc", obi, "US"),
        (truebeam, write_xim, "Scan.xml", ".xim", probeam, "UI"),
        (elekta, write_his, "_Frames.xml", ".his", xvi, "US"),
    ],
)
def test_pixels_and_points(tmp_path, module, write, info, suffix, geometry, pixel):
    write(tmp_path)
    files = sorted(tmp_path.glob(f"*{suffix}"))
    views = module.open_projections(tmp_path).views
    theirs = geometry(tmp_path / info, files)
    iec = np.stack([-kit.POINTS[:, 0], kit.POINTS[:, 2], kit.POINTS[:, 1], np.ones(len(kit.POINTS))])  # RTK's frame, a patient HFS
    for i, (file, seen) in enumerate(zip(files, views.project(kit.POINTS))):
        reader = itk.ImageFileReader[itk.Image[getattr(itk, pixel), 2]].New(FileName=str(file))
        reader.Update()
        picture = reader.GetOutput()
        np.testing.assert_array_equal(module.read_pixels(file), itk.array_from_image(picture))
        u, v, w = itk.array_from_matrix(theirs.GetMatrix(i)) @ iec
        (u0, v0), (pu, pv) = tuple(picture.GetOrigin()), tuple(picture.GetSpacing())
        np.testing.assert_allclose(seen, np.stack([(v / w - v0) / pv, (u / w - u0) / pu], -1), atol=1e-9)

"""All readers together: each takes its own files and none another's; hints that nobody reads are refused."""

import h5py
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.io import savemat
from Unit.io.projections import dicom_kit as dicom
from Unit.io.projections import stack_kit as kit
from Unit.io.projections import vendor_kit as vendor

from XRayTomoLib.geometry.formats import write_geometry
from XRayTomoLib.io.projections import READERS, ProjectionError, load_reader, open_projections, open_stack, recognise, write_stack


def bruker(folder):
    sitk.WriteImage(sitk.GetImageFromArray(kit.counts()[0]), str(folder / "a0000.tif"))
    (folder / "a.log").write_text("[Acquisition]\nObject to Source (mm)=50\n")


def dxchange(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["exchange/data"] = kit.counts()
    return folder / "a.h5"


def stacks(folder):
    write_stack(folder / "a.nrrd", kit.counts(), kit.cone_views())
    return folder / "a.nrrd"


def fips(folder):
    savemat(folder / "a.mat", {"CtDataFull": {"sinogram": np.zeros((3, 4))}})
    return folder / "a.mat"


def varian_obi(folder):
    vendor.write_hnd(folder / "a.hnd", kit.counts()[0].astype(np.uint32))
    vendor.write_projection_info(folder / "ProjectionInfo.xml")


def truebeam(folder):
    vendor.write_xim(folder / "Proj_00001.xim", kit.counts()[0].astype(np.int32))
    vendor.write_scan_xml(folder / "Scan.xml")


def elekta(folder):
    vendor.write_his(folder / "a.his", kit.counts()[0])
    vendor.write_frames_xml(folder / "_Frames.xml", [(0, 0, 0)])


def nikon(folder):
    vendor.write_xtekct(folder / "a.xtekct")
    sitk.WriteImage(sitk.GetImageFromArray(kit.counts()[0]), str(folder / "a_0001.tif"))


def images(folder):
    sitk.WriteImage(sitk.GetImageFromArray(kit.counts()[0]), str(folder / "a.png"))


def dicom_xa(folder):
    dicom.save(folder / "IM0001", dicom.dataset(kit.counts()[0]))


MAKERS = {maker.__name__: maker for maker in (bruker, dxchange, stacks, fips, varian_obi, truebeam, elekta, nikon, images, dicom_xa)}


@pytest.mark.parametrize("name", MAKERS)
def test_each_reader_takes_its_own(tmp_path, name):
    path = MAKERS[name](tmp_path) or tmp_path
    assert recognise(path) == name
    takers = [reader for reader in READERS if load_reader(reader).recognise(path)]
    assert takers == [name] or takers == [name, "images"]       # pictures that a scanner's file describes may be read without it


@pytest.mark.parametrize("name", READERS)
def test_readers_have_one_interface(tmp_path, name):
    reader = load_reader(name)
    assert reader.TITLE and not reader.TITLE.endswith(".")
    assert reader.recognise(tmp_path) is False
    (tmp_path / "notes.txt").write_text("nothing")
    assert reader.recognise(tmp_path / "notes.txt") is False
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ProjectionError, match=str(tmp_path)):
            open_projections(path, name)
    with pytest.raises(ProjectionError, match=f"reader '{name}' does not use 'colour'"):
        open_projections(tmp_path, name, colour="red")


def test_what_is_not_there_or_not_known(tmp_path):
    with pytest.raises(ProjectionError, match="absent: there is no such file or folder"):
        open_projections(tmp_path / "absent")
    with pytest.raises(ProjectionError, match="reader 'philips' is not known; expected one of: nikon"):
        open_projections(tmp_path, "philips")
    with pytest.raises(ProjectionError) as caught:
        recognise(tmp_path)
    assert all(name in str(caught.value) for name in READERS)


def test_what_cannot_be_read_is_said_while_it_is_looked_at(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))
    monkeypatch.setattr(load_reader("truebeam"), "recognise", refuse)
    with pytest.raises(ProjectionError) as error:
        recognise(tmp_path)
    assert str(error.value) == f"{tmp_path}: cannot be read (Permission denied); check the path."


def test_geometry_dark_and_flat_take_the_place_of_the_scanners(tmp_path):
    for name, value in (("scan", 500), ("dark", 90)):
        write_stack(tmp_path / f"{name}.nrrd", np.full((3, 4, 5), value, np.uint16), kit.cone_views(), "counts")
    write_geometry(tmp_path / "g.json", kit.cone_views().flipped())
    stack = open_projections(tmp_path / "scan.nrrd", geometry=tmp_path / "g.json", dark=tmp_path / "dark.nrrd", i0=900.0)
    assert (stack.dark == 90).all() and stack.i0 == 900 and (stack.views.handedness == 1).all()
    with pytest.raises(ProjectionError, match="the dark image has"):
        write_stack(tmp_path / "small.nrrd", np.zeros((1, 2, 2), np.uint16))
        open_projections(tmp_path / "scan.nrrd", dark=tmp_path / "small.nrrd")


def test_rtk_geometry_takes_pitch_and_origin_of_the_stack(tmp_path):
    """RTK keeps the detector's pixels in the stack's header: Spacing and Origin of the image."""
    (tmp_path / "p.mha").write_bytes(kit.meta_bytes(kit.counts()).replace(b"Offset = -1 -1.125 0", b"Offset = -0.5 -1.5 0"))
    projection = "<Projection><GantryAngle>{}</GantryAngle></Projection>"
    (tmp_path / "p.xml").write_text(
        '<?xml version="1.0"?><!DOCTYPE RTKGEOMETRY><RTKThreeDCircularGeometry version="3">'
        "<SourceToIsocenterDistance>500</SourceToIsocenterDistance><SourceToDetectorDistance>800</SourceToDetectorDistance>"
        + "".join(projection.format(angle) for angle in (0, 10, 20)) + "</RTKThreeDCircularGeometry>")
    stack = open_stack(tmp_path / "p.mha")
    np.testing.assert_allclose([p[0] for p in stack.views.pitch_mm], [0.5, 0.75])
    np.testing.assert_allclose(stack.views.project([[0, 0, 0]])[:, 0], [[2.0, 1.0]] * 3, atol=1e-9)

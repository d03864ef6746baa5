"""DICOM XA, RF and enhanced XA made with pydicom: geometry against the formula, meaning of the values, and broken files."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from Unit.io.projections import dicom_kit as dicom
from Unit.io.projections import stack_kit as kit

from XRayTomoLib.files import FileError
from XRayTomoLib.io.projections import ProjectionError, load_reader, open_projections, recognise

CT_SLICES = Path(__file__).resolve().parents[5] / "shared/data/ct/dicom"
POINTS = np.array([[0.0, 0, 0], [10, -20, 30], [-15, 5, 8]])
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def projected(primary_deg, secondary_deg, rows=4, cols=5, sdd=1000, sod=700):
    """Pixels (row, col) of POINTS by the C-arm's formula written out: detector direction d, u to the patient's left at 0, v downwards."""
    p, s = np.deg2rad([primary_deg, secondary_deg])
    d = np.array([-np.sin(p) * np.cos(s), np.cos(p) * np.cos(s), np.sin(s)])
    u = np.array([-np.cos(p), -np.sin(p), 0])
    v = np.cross(d, u)
    v = v if v[2] < 0 else -v
    m = sdd / (sod + POINTS @ d)
    return np.stack([(rows - 1) / 2 + m * (POINTS @ v) / 0.4, (cols - 1) / 2 + m * (POINTS @ u) / 0.3], -1)


def test_single_frame(tmp_path):
    path = dicom.save(tmp_path / "a.dcm", dicom.dataset(kit.counts()[0], **dicom.c_arm()))
    stack = open_projections(path)
    assert recognise(path) == "dicom_xa" and (len(stack), stack.kind, stack.dtype) == (1, "counts", np.uint16)
    np.testing.assert_array_equal(stack[0], kit.counts()[0])
    np.testing.assert_allclose(stack.views.project(POINTS)[0], projected(30, 10), atol=1e-9)
    assert stack.views.handedness[0] == -1
    np.testing.assert_allclose(stack.views.source[0], 700 * np.array([0.5 * np.cos(np.pi / 18), -np.cos(np.pi / 6) * np.cos(np.pi / 18),
                                                                       -np.sin(np.pi / 18)]), atol=1e-9)


@pytest.mark.parametrize("increments, expected", [(["0", "2", "5"], [30, 32, 35]), ("1.5", [30, 31.5, 33])])
def test_rotational_run(tmp_path, increments, expected):
    values = dicom.c_arm(PositionerMotion="DYNAMIC", PositionerPrimaryAngleIncrement=increments, PositionerSecondaryAngleIncrement="0")
    stack = open_projections(dicom.save(tmp_path / "a.dcm", dicom.dataset(kit.counts(), **values)))
    np.testing.assert_array_equal(stack.to_array(), kit.counts())
    for index, primary in enumerate(expected):
        np.testing.assert_allclose(stack.views.project(POINTS)[index], projected(primary, 10), atol=1e-9)


def test_enhanced_xa(tmp_path):
    stack = open_projections(dicom.save(tmp_path / "a.dcm", dicom.enhanced(kit.counts(), [0, -40, 80])))
    np.testing.assert_array_equal(stack[2], kit.counts()[2])
    for index, primary in enumerate([0, -40, 80]):
        np.testing.assert_allclose(stack.views.project(POINTS)[index], projected(primary, 5), atol=1e-6)


def test_enhanced_xa_with_isocentre_angles_only(tmp_path):
    made = dicom.enhanced(kit.counts(), [0, 0, 0])
    for frame, angle in zip(made.PerFrameFunctionalGroupsSequence, (0.0, 20.0, 40.0)):
        del frame.PositionerPositionSequence
        angles = dicom.item(PositionerIsocenterPrimaryAngle=angle, PositionerIsocenterSecondaryAngle=0.0)
        frame.IsocenterReferenceSystemSequence = dicom.sequence(angles)
    stack = open_projections(dicom.save(tmp_path / "a.dcm", made))
    np.testing.assert_allclose(stack.views.project(POINTS)[1], projected(20, 0), atol=1e-6)
    assert "isocentre" in stack.found["angles relative to"]


def test_folder_in_the_order_of_instances_without_the_ct_slices(tmp_path):
    for number, name in ((3, "a"), (1, "b"), (2, "c")):
        values = dicom.c_arm(InstanceNumber=number, PositionerPrimaryAngle=str(10 * number))
        dicom.save(tmp_path / name, dicom.dataset(kit.counts()[number - 1], dicom.RF, **values))
    dicom.save(tmp_path / "ct", dicom.dataset(kit.counts()[0], dicom.CT))
    (tmp_path / "DICOMDIR").write_bytes(b"no image")
    stack = open_projections(tmp_path)
    np.testing.assert_array_equal(stack.to_array(), kit.counts())
    np.testing.assert_allclose(stack.views.project(POINTS)[2], projected(30, 10), atol=1e-9)


def test_series_of_different_sizes_have_to_be_chosen(tmp_path):
    dicom.save(tmp_path / "a", dicom.dataset(kit.counts()[0], **dicom.c_arm()))
    dicom.save(tmp_path / "b", dicom.dataset(kit.counts(cols=6)[0], **dicom.c_arm(SeriesInstanceUID="1.2.4")))
    with pytest.raises(ProjectionError, match="choose one of: 1.2.3, 1.2.4"):
        open_projections(tmp_path)
    assert open_projections(tmp_path, series="1.2.4").shape == (4, 6)
    with pytest.raises(ProjectionError, match="no series 1.2.5"):
        open_projections(tmp_path, series="1.2.5")


@pytest.mark.parametrize("values, kind, expected", [
    ({}, "counts", lambda x: x),
    ({"PhotometricInterpretation": "MONOCHROME1"}, "counts", lambda x: 4095 - x),
    ({"PixelIntensityRelationshipSign": -1}, "counts", lambda x: 4095 - x),
    ({"PixelIntensityRelationshipSign": 1, "PhotometricInterpretation": "MONOCHROME1"}, "counts", lambda x: x),
    ({"RescaleSlope": "2", "RescaleIntercept": "-10"}, "counts", lambda x: 2 * x - 10),
    ({"PixelIntensityRelationship": "LOG", "PixelIntensityRelationshipSign": -1}, "line integral", lambda x: x),
    ({"PixelIntensityRelationship": "LOG"}, "line integral", lambda x: 4095 - x),
    ({"PixelIntensityRelationship": "DISP"}, "counts", lambda x: x),
])  # fmt: skip
def test_meaning_of_the_values(tmp_path, values, kind, expected):
    stack = open_projections(dicom.save(tmp_path / "a.dcm", dicom.dataset(kit.counts(), **dicom.c_arm(**values))))
    assert stack.kind == kind and stack.found["values"].startswith(values.get("PixelIntensityRelationship", "LIN"))
    np.testing.assert_array_equal(stack.to_array(), expected(kit.counts().astype(np.float32)))


def test_lookup_table_makes_log_values_linear(tmp_path):
    table = dicom.item(LUTDescriptor=[1000, 11, 16], ModalityLUTType="US", LUTData=np.arange(2000, 1000, -1, dtype=np.uint16).tobytes())
    values = dicom.c_arm(PixelIntensityRelationship="LOG", ModalityLUTSequence=dicom.sequence(table))
    stack = open_projections(dicom.save(tmp_path / "a.dcm", dicom.dataset(kit.counts()[0], **values)))
    assert stack.kind == "counts"
    np.testing.assert_array_equal(stack[0], 2000 - (np.minimum(kit.counts()[0].astype(float), 1010) - 11))


def test_what_the_header_lacks_is_named_and_may_be_given(tmp_path):
    path = dicom.save(tmp_path / "a.dcm", dicom.dataset(kit.counts()[0], PositionerPrimaryAngle="30", PositionerSecondaryAngle="10"))
    stack = open_projections(path)
    assert stack.views is None
    assert "DistanceSourceToDetector, DistanceSourceToPatient, ImagerPixelSpacing missing" in stack.found["geometry of the files"]
    views = open_projections(path, pitch_mm=(0.3, 0.4), sdd_mm=1000, sod_mm=700).views
    np.testing.assert_allclose(views.project(POINTS)[0], projected(30, 10), atol=1e-9)


def test_what_is_not_applied_is_reported(tmp_path):
    path = dicom.save(tmp_path / "a.dcm", dicom.dataset(kit.counts()[0], **dicom.c_arm(FieldOfViewHorizontalFlip="YES", FieldOfViewRotation="0")))
    assert open_projections(path).found["in the header, not applied"] == "FieldOfViewHorizontalFlip"


@pytest.mark.parametrize("values, message", [
    ({"Rows": None}, "Rows = None"),
    ({"Rows": 60000, "Columns": 60000}, "3 frames of 60000 x 60000 pixels"),
    ({"NumberOfFrames": "1000000000"}, "NumberOfFrames = 1000000000"),
    ({"NumberOfFrames": "40"}, "40 frames of 4 x 5"),
    ({"ImagerPixelSpacing": ["0.4"]}, "ImagerPixelSpacing"),
    ({"DistanceSourceToPatient": "1200"}, "is not larger than"),
    ({"SamplesPerPixel": 3}, "3 samples per pixel"),
    ({"BitsAllocated": 32}, "BitsAllocated = 32"),
    ({"PositionerPrimaryAngleIncrement": ["1", "2"]}, "2 values of PositionerPrimaryAngleIncrement for 3 frames"),
    ({"SOPClassUID": dicom.CT}, "expected XA, RF"),
])  # fmt: skip
def test_broken_headers(tmp_path, values, message):
    dicom.save(tmp_path / "a.dcm", dicom.dataset(kit.counts(), **dicom.c_arm(**values)))
    with pytest.raises(ProjectionError) as caught:
        open_projections(tmp_path / "a.dcm", "dicom_xa")[0]
    assert message in str(caught.value) and "a.dcm" in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_compressed_files_are_held_to_what_they_can_hold(tmp_path, monkeypatch):
    """Of a million frames in a kilobyte none is looked at; a deflated file is not unpacked."""
    made = pydicom.dcmread(dicom.save(tmp_path / "a.dcm", dicom.dataset(kit.counts(), **dicom.c_arm())))
    made.file_meta.TransferSyntaxUID, made.NumberOfFrames = pydicom.uid.JPEG2000Lossless, 1_000_000
    made.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f"])
    made["PixelData"].is_undefined_length = True
    made.save_as(tmp_path / "j.dcm")
    with pytest.raises(ProjectionError, match="j.dcm: 1000000 compressed frames .* do not fit into"):
        open_projections(tmp_path / "j.dcm")
    made = dicom.dataset(kit.counts(), **dicom.c_arm())
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID, made.file_meta.MediaStorageSOPClassUID = pydicom.uid.DeflatedExplicitVRLittleEndian, made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.save_as(tmp_path / "d.dcm", enforce_file_format=True)
    monkeypatch.setattr(pydicom, "dcmread", None)               # it would unpack the file
    with pytest.raises(ProjectionError, match="d.dcm: the file is deflated as a whole"):
        open_projections(tmp_path / "d.dcm")
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = dicom.CT
    made.save_as(tmp_path / "ct.dcm", enforce_file_format=True)
    assert not load_reader("dicom_xa").recognise(tmp_path / "ct.dcm")


def test_truncated_and_foreign_files(tmp_path):
    path = dicom.save(tmp_path / "a.dcm", dicom.dataset(kit.counts(), **dicom.c_arm()))
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(ProjectionError, match="a.dcm: frame 2 cannot be decoded"):
        open_projections(path)[2]
    path.write_bytes(whole[:100])
    with pytest.raises(ProjectionError, match="a.dcm: not a readable DICOM file"):
        open_projections(path, "dicom_xa")
    with pytest.raises(ProjectionError, match="no projections were recognised"):
        recognise(path)


@relaxed
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_fuzzed_bytes_never_crash_the_reader(tmp_path, data):
    content = bytearray(dicom.save(tmp_path / "a.dcm", dicom.enhanced(kit.counts(), [0, 1, 2])).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "a.dcm").write_bytes(content[: data.draw(st.integers(132, len(content)))])
    try:
        open_projections(tmp_path / "a.dcm", "dicom_xa")[0]
    except FileError as error:
        assert "a.dcm" in str(error)


@pytest.mark.skipif(not CT_SLICES.exists(), reason="shared/data/ct/dicom is not there")
def test_ct_slices_are_no_projections():
    with pytest.raises(ProjectionError, match="no projections were recognised.*dicom_xa"):
        recognise(CT_SLICES)
    assert pydicom.dcmread(next(CT_SLICES.iterdir()), stop_before_pixels=True).Modality == "CT"

"""DICOM X-ray files for the tests, made with pydicom: XA, RF and enhanced XA with functional groups."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

XA, RF, ENHANCED, CT = (f"1.2.840.10008.5.1.4.1.1.{n}" for n in ("12.1", "12.2", "12.1.1", "2"))


def item(**values):
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def sequence(*items):
    return Sequence(items)


def dataset(pixels, sop_class=XA, **values):
    """An image of the frames `pixels` [frame, row, col] or [row, col]."""
    pixels = np.asarray(pixels)
    made = item(SOPClassUID=sop_class, SOPInstanceUID="1.2.3.4", SeriesInstanceUID="1.2.3", Modality="XA", SeriesNumber=1, InstanceNumber=1,
                Rows=pixels.shape[-2], Columns=pixels.shape[-1], SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
                BitsAllocated=8 * pixels.itemsize, BitsStored=8 * pixels.itemsize - 4, HighBit=8 * pixels.itemsize - 5,
                PixelRepresentation=int(pixels.dtype.kind == "i"), PixelData=pixels.tobytes())
    if pixels.ndim == 3:
        made.NumberOfFrames = len(pixels)
    for name, value in values.items():
        setattr(made, name, value)
    for name in [name for name, value in values.items() if value is None]:
        delattr(made, name)
    return made


def save(path, made):
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.save_as(path, enforce_file_format=True)
    return path


def c_arm(**changes):
    """Header values of a plain XA image at LAO 30, cranial 10."""
    return {"DistanceSourceToDetector": "1000", "DistanceSourceToPatient": "700", "ImagerPixelSpacing": ["0.4", "0.3"],
            "PositionerPrimaryAngle": "30", "PositionerSecondaryAngle": "10", "PixelIntensityRelationship": "LIN"} | changes


def enhanced(pixels, primary, **changes):
    """Enhanced XA: angles in the groups of each frame, all else in the shared ones."""
    values = item(ImagerPixelSpacing=[0.4, 0.3], PixelIntensityRelationship="LIN", PixelIntensityRelationshipSign=1)
    shared = item(
        FramePixelDataPropertiesSequence=sequence(values),
        XRayGeometrySequence=sequence(item(DistanceSourceToDetector=1000, DistanceSourceToIsocenter=700.0)))
    frames = [item(PositionerPositionSequence=sequence(item(PositionerPrimaryAngle=float(p), PositionerSecondaryAngle=5.0))) for p in primary]
    return dataset(pixels, ENHANCED, SharedFunctionalGroupsSequence=sequence(shared), PerFrameFunctionalGroupsSequence=sequence(*frames), **changes)

"""The panel's parameter node: everything that the panel shows, typed, so that a reopened scene continues."""

from typing import Annotated, Union

import slicer
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from .choices import AttenuationKind, CoverageKind, IsocentreFrom, Method, Shows, StartFrom

DEFAULT_DEVICE = "Cios Fusion"


@parameterNodeWrapper
class XRayTomoParameterNode:
    """Everything that the panel shows. Lengths in mm, angles in degrees, positions in RAS."""

    # Volume
    inputVolume: slicer.vtkMRMLScalarVolumeNode
    attenuationKind: AttenuationKind = AttenuationKind.HU_LINEAR
    energyKev: Annotated[float, WithinRange(10.0, 500.0)] = 70.0
    airHu: Annotated[float, WithinRange(-1100.0, 3000.0)] = -900.0
    thresholdHu: Annotated[float, WithinRange(-1000.0, 5000.0)] = 200.0

    # Source and detector
    device: str = DEFAULT_DEVICE
    primaryDeg: Annotated[float, WithinRange(-180.0, 180.0)] = 0.0
    secondaryDeg: Annotated[float, WithinRange(-90.0, 90.0)] = 0.0
    inPlaneDeg: Annotated[float, WithinRange(-180.0, 180.0)] = 0.0
    isocentreFrom: IsocentreFrom = IsocentreFrom.VOLUME
    isocentrePoint: slicer.vtkMRMLMarkupsFiducialNode
    isocentreR: Annotated[float, WithinRange(-1e5, 1e5)] = 0.0
    isocentreA: Annotated[float, WithinRange(-1e5, 1e5)] = 0.0
    isocentreS: Annotated[float, WithinRange(-1e5, 1e5)] = 0.0
    sddMm: Annotated[float, WithinRange(0.0, 1e5)] = 1020.0
    sodMm: Annotated[float, WithinRange(0.0, 1e5)] = 530.0
    rows: Annotated[int, WithinRange(0, 16384)] = 1536
    cols: Annotated[int, WithinRange(0, 16384)] = 1536
    rowPitchMm: Annotated[float, WithinRange(0.0, 1000.0)] = 0.194
    colPitchMm: Annotated[float, WithinRange(0.0, 1000.0)] = 0.194
    offsetUMm: Annotated[float, WithinRange(-1e4, 1e4)] = 0.0
    offsetVMm: Annotated[float, WithinRange(-1e4, 1e4)] = 0.0
    flipped: bool = False

    # Radiograph
    method: Method = Method.JOSEPH
    shows: Shows = Shows.LINE_INTEGRAL
    radiograph: slicer.vtkMRMLScalarVolumeNode
    live: bool = True
    sliceNode: slicer.vtkMRMLSliceNode
    landmarks: slicer.vtkMRMLMarkupsFiducialNode
    radiographPoints: slicer.vtkMRMLMarkupsFiducialNode

    # Trajectory: the options of each one that was tried, of the detector and of the jitter, as JSON text
    trajectory: str = "circle"
    scanOptions: str = ""
    trajectoryCurve: slicer.vtkMRMLMarkupsCurveNode
    scanGeometry: slicer.vtkMRMLTextNode
    viewIndex: Annotated[int, WithinRange(0, 10**9)] = 0
    projection: slicer.vtkMRMLScalarVolumeNode
    projectionSlice: slicer.vtkMRMLSliceNode

    # Simulate scan, and projections that are read
    projectionStack: slicer.vtkMRMLScalarVolumeNode
    stackFile: str = ""
    projectionsPath: str = ""
    projectionsReader: str = ""
    importedStackFile: str = ""
    importedGeometry: slicer.vtkMRMLTextNode

    # Geometry checks
    checkPoints: slicer.vtkMRMLMarkupsFiducialNode
    observedPoints: slicer.vtkMRMLMarkupsFiducialNode
    projectedCheckPoints: slicer.vtkMRMLMarkupsFiducialNode
    coverageKind: CoverageKind = CoverageKind.COVERAGE
    coverageMap: slicer.vtkMRMLScalarVolumeNode
    coverageRoi: slicer.vtkMRMLMarkupsROINode
    coverageSpacingMm: Annotated[float, WithinRange(0.01, 1000.0)] = 8.0
    tableRoi: slicer.vtkMRMLMarkupsROINode
    warn: bool = True

    # Reconstruct: the options of each method that was tried, as JSON text; 0: automatic voxels, attenuation instead of HU
    reconstructionGeometry: slicer.vtkMRMLTextNode
    reconstructionMethod: str = "fdk"
    reconstructionOptions: str = ""
    reconstructionCorrections: str = ""
    reconstructionRegion: Union[slicer.vtkMRMLMarkupsROINode, slicer.vtkMRMLScalarVolumeNode, None]  # noqa: UP007 (the wrapper knows no |)
    reconstructionSpacingMm: Annotated[float, WithinRange(0.0, 1000.0)] = 0.0
    startVolume: slicer.vtkMRMLScalarVolumeNode
    priorVolume: slicer.vtkMRMLScalarVolumeNode
    waterPerMm: Annotated[float, WithinRange(0.0, 10.0)] = 0.0
    airPerMm: Annotated[float, WithinRange(0.0, 10.0)] = 0.0
    checkpointFile: str = ""
    keepCancelled: bool = True
    showRendering: bool = False
    reconstruction: slicer.vtkMRMLScalarVolumeNode

    # Compare
    comparedVolume: slicer.vtkMRMLScalarVolumeNode
    referenceVolume: slicer.vtkMRMLScalarVolumeNode
    profileLine: slicer.vtkMRMLMarkupsLineNode
    differenceVolume: slicer.vtkMRMLScalarVolumeNode
    qualityRegion: slicer.vtkMRMLMarkupsROINode
    spectrumTable: slicer.vtkMRMLTableNode

    # Calibrate: the options of each method, as JSON text
    calibrationMethod: str = "centre"
    calibrationOptions: str = ""
    balls: slicer.vtkMRMLMarkupsFiducialNode
    ballDiameterMm: Annotated[float, WithinRange(0.0, 1000.0)] = 2.0
    calibrationReport: str = ""

    # Register: options of the registration and of the overlay, as JSON text; the X-rays are further node references (mrml.xrays)
    movingPart: Union[slicer.vtkMRMLSegmentationNode, slicer.vtkMRMLModelNode, None]  # noqa: UP007
    movingSegment: str = ""
    registrationStart: StartFrom = StartFrom.PLACE
    xrayPoints: slicer.vtkMRMLMarkupsFiducialNode
    registrationOptions: str = ""
    registration: slicer.vtkMRMLLinearTransformNode
    registrationEllipsoid: slicer.vtkMRMLModelNode
    registrationReport: str = ""
    overlay: slicer.vtkMRMLVectorVolumeNode
    overlayXray: slicer.vtkMRMLScalarVolumeNode
    overlaySlice: slicer.vtkMRMLSliceNode
    overlayLandmarks: slicer.vtkMRMLMarkupsFiducialNode
    movieFolder: str = ""
    trueTransform: slicer.vtkMRMLLinearTransformNode
    evaluation: slicer.vtkMRMLTableNode

    # What stands in the scene for them
    gantry: slicer.vtkMRMLLinearTransformNode
    geometry: slicer.vtkMRMLTextNode
    source: slicer.vtkMRMLModelNode
    cone: slicer.vtkMRMLModelNode
    detector: slicer.vtkMRMLModelNode
    axis: slicer.vtkMRMLModelNode
    projectedLandmarks: slicer.vtkMRMLMarkupsFiducialNode
    rays: slicer.vtkMRMLModelNode

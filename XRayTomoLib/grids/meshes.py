"""Triangle meshes: the surfaces of implants, wires and tools (and of sets of voxels)."""
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..geometry.arrays import cross, float64, namespace, to_numpy
from ..geometry.pose import transform_points


class MeshError(ValueError):
    """A triangle mesh that cannot be, or that is not closed where it has to be."""


@dataclass(frozen=True, eq=False)
class TriangleMesh:
    """vertices [V, 3] RAS mm (an array, or a tensor where gradients are wanted), faces [F, 3] numbers of vertices.

    Seen from outside, the vertices of a face run counterclockwise: its normal points outwards.
    """
    vertices: object
    faces: np.ndarray

    def __post_init__(self):
        vertices = float64(self.vertices, namespace(self.vertices))
        faces = np.array(to_numpy(self.faces))
        if vertices.ndim != 2 or vertices.shape[1] != 3 or len(vertices) == 0:
            raise MeshError(f"mesh vertices have shape {tuple(vertices.shape)}: expected [V, 3] in mm")
        if not np.isfinite(to_numpy(vertices)).all():
            raise MeshError("mesh vertices have values that are not finite numbers")
        if faces.ndim != 2 or faces.shape[1] != 3 or len(faces) == 0 or faces.dtype.kind not in "iu":
            raise MeshError(f"mesh faces have shape {faces.shape} and type {faces.dtype}: expected whole numbers [F, 3], F at least 1")
        faces = faces.astype(np.int64)
        if faces.min() < 0 or faces.max() >= len(vertices):
            raise MeshError(f"mesh faces name vertices {faces.min()} to {faces.max()}: there are 0 to {len(vertices) - 1}")
        repeated = (faces == np.roll(faces, 1, 1)).any(1)
        if repeated.any():
            i = int(np.argmax(repeated))
            raise MeshError(f"mesh face {i} names a vertex twice ({faces[i].tolist()}); a face needs three")
        faces.setflags(write=False)
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)

    def __repr__(self):
        low, high = self.bounds_ras().T.round(2).tolist()
        return f"TriangleMesh({len(self.vertices)} vertices, {len(self.faces)} faces, RAS {low} to {high} mm)"

    # -- what it is
    @cached_property
    def open_edges(self):
        """Edges [n, 2] (vertices a < b) that are not run through as often from a to b as from b to a: none in a watertight mesh."""
        a, b = self.faces.T.reshape(-1), np.roll(self.faces, -1, 1).T.reshape(-1)
        count = len(self.vertices)
        edges, which = np.unique(np.minimum(a, b) * count + np.maximum(a, b), return_inverse=True)
        excess = np.bincount(which.reshape(-1), np.where(a < b, 1, -1))
        return np.stack(np.divmod(edges[excess != 0], count), 1)

    @property
    def is_watertight(self):
        return len(self.open_edges) == 0

    @property
    def volume_mm3(self):
        """Enclosed volume by the divergence theorem; negative where the normals point inwards. Part of the vertices' graph."""
        corners = self.vertices[np.array(self.faces)] - self.vertices[0]
        return (corners[:, 0] * cross(corners[:, 1], corners[:, 2])).sum() / 6

    def require_closed(self):
        """Raises MeshError unless the mesh encloses a volume: no open edge, normals outwards."""
        edges = self.open_edges
        if len(edges):
            named = ", ".join(f"{a}-{b}" for a, b in edges[:5]) + (" ..." if len(edges) > 5 else "")
            place = to_numpy(self.vertices)[edges[0]].mean(0).round(2).tolist()
            raise MeshError(f"the mesh is not watertight: {len(edges)} open edges ({named}), the first at RAS {place}; close the holes, or "
                            "call welded() if the file repeats vertices")
        volume = float(to_numpy(self.volume_mm3))
        if not volume > 0:
            raise MeshError(f"the mesh encloses {volume:.4g} mm3: its faces point inwards (use flipped()) or it is flat")

    def bounds_ras(self):
        """[3, 2] lowest and highest R, A, S."""
        vertices = to_numpy(self.vertices)
        return np.stack([vertices.min(0), vertices.max(0)], 1)

    # -- new meshes from this
    def transformed(self, matrix):
        """The mesh moved by a 4x4 (array or tensor); a mirrored one keeps its normals outwards."""
        mirrored = np.linalg.det(to_numpy(matrix)[:3, :3]) < 0
        moved = TriangleMesh(transform_points(matrix, self.vertices), self.faces[:, ::-1] if mirrored else self.faces)
        if "open_edges" in vars(self):
            vars(moved)["open_edges"] = self.open_edges
        return moved

    def flipped(self):
        """The mesh with its normals turned round."""
        return TriangleMesh(self.vertices, self.faces[:, ::-1])

    def welded(self):
        """The mesh with vertices of equal position made one, and without the faces that thereby lose a corner."""
        _, first, which = np.unique(to_numpy(self.vertices), axis=0, return_index=True, return_inverse=True)
        faces = which.reshape(-1)[self.faces]
        return TriangleMesh(self.vertices[first], faces[(faces != np.roll(faces, 1, 1)).all(1)])

    # -- makers
    @staticmethod
    def box(size_mm, centre_ras=(0.0, 0.0, 0.0)):
        """Box of the edges size_mm (a number or R, A, S): 8 vertices, 12 faces."""
        return TriangleMesh.of_voxels(np.ones((1, 1, 1), bool)).transformed(_scaling(size_mm, centre_ras))

    @staticmethod
    def sphere(radius_mm, divisions=8, centre_ras=(0.0, 0.0, 0.0)):
        """Icosahedron with every edge divided and all vertices put on the sphere: 20 divisions^2 faces."""
        points, corners = _icosahedron()
        b, c = np.array([(i, j) for i in range(divisions + 1) for j in range(divisions + 1 - i)]).T / divisions
        lattice = np.stack([1 - b - c, b, c], 1) @ points[corners]
        lattice /= np.linalg.norm(lattice, axis=-1, keepdims=True)
        row = np.cumsum([0, *range(divisions + 1, 0, -1)])
        up = [(row[i] + j, row[i + 1] + j, row[i] + j + 1) for i in range(divisions) for j in range(divisions - i)]
        down = [(row[i] + j + 1, row[i + 1] + j, row[i + 1] + j + 1) for i in range(divisions) for j in range(divisions - i - 1)]
        faces = np.array(up + down) + len(b) * np.arange(20)[:, None, None]
        _, first, which = np.unique(lattice.reshape(-1, 3).round(9), axis=0, return_index=True, return_inverse=True)
        mesh = TriangleMesh(lattice.reshape(-1, 3)[first], which.reshape(-1)[faces.reshape(-1, 3)])
        return mesh.transformed(_scaling(radius_mm, centre_ras))

    @staticmethod
    def cylinder(radius_mm, length_mm, segments=64, centre_ras=(0.0, 0.0, 0.0)):
        """Prism of `segments` sides inscribed in a cylinder along S: 4 segments faces."""
        angle = 2 * np.pi * np.arange(segments) / segments
        ring = np.stack([np.cos(angle), np.sin(angle)], 1)
        vertices = np.concatenate([np.c_[ring, np.full(segments, -0.5)], np.c_[ring, np.full(segments, 0.5)], [[0, 0, -0.5], [0, 0, 0.5]]])
        i = np.arange(segments)
        j, bottom, top = (i + 1) % segments, np.full(segments, 2 * segments), np.full(segments, 2 * segments + 1)
        sides = [(i, j, j + segments), (i, j + segments, i + segments), (bottom, j, i), (top, i + segments, j + segments)]
        mesh = TriangleMesh(vertices, np.concatenate([np.stack(s, 1) for s in sides]))
        return mesh.transformed(_scaling((radius_mm, radius_mm, length_mm), centre_ras))

    @staticmethod
    def of_voxels(mask, ijk_to_ras=None):
        """The surface of the voxels where `mask` [K, J, I] is True: two faces for every voxel side that looks into the open."""
        solid = np.pad(np.ascontiguousarray(np.transpose(mask)).astype(np.int8), 1)
        if not solid.any():
            raise MeshError("a mask without any voxel has no surface")
        stride = np.array([(solid.shape[1]) * solid.shape[2], solid.shape[2], 1])
        quads = []
        for axis in range(3):
            step = np.diff(solid, axis=axis)
            b, c = stride[(axis + 1) % 3], stride[(axis + 2) % 3]
            for outwards in (1, -1):                                       # along the axis, against it
                corner = np.argwhere(step == -outwards) @ stride + stride[axis]
                ring = [corner, corner + b, corner + b + c, corner + c]
                quads.append(np.stack(ring if outwards > 0 else ring[::-1], 1))
        quads = np.concatenate(quads)
        used, which = np.unique(quads, return_inverse=True)
        quads = which.reshape(-1, 4)
        vertices = np.stack(np.unravel_index(used, solid.shape), 1) - 1.5
        mesh = TriangleMesh(vertices, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))
        return mesh if ijk_to_ras is None else mesh.transformed(ijk_to_ras)


def _scaling(size, centre):
    size = np.broadcast_to(np.asarray(size, np.float64), (3,))
    if not (size > 0).all():
        raise MeshError(f"mesh of size {size.tolist()} mm: expected more than 0 mm")
    matrix = np.diag([*size, 1.0])
    matrix[:3, 3] = centre
    return matrix


def _icosahedron():
    """12 vertices on the unit sphere, 20 faces."""
    golden = (1 + 5 ** 0.5) / 2
    points = np.array([(0, s, t * golden) for s in (1, -1) for t in (1, -1)])
    points = np.concatenate([np.roll(points, shift, 1) for shift in range(3)]) / np.hypot(1, golden)
    near = np.linalg.norm(points[:, None] - points, axis=-1) < 1.1
    faces = [(a, b, c) for a in range(12) for b in range(a) for c in range(b) if near[a, b] and near[b, c] and near[a, c]]
    outwards = [np.linalg.det(points[list(f)]) > 0 for f in faces]
    return points, np.array([f if out else f[::-1] for f, out in zip(faces, outwards)])

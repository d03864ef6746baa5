"""X-ray geometry, simulation, reconstruction and registration; see Documentation/ARCHITECTURE.md.

Importing the package imports nothing else: torch and the kernels are loaded by the module that needs them.
"""

__version__ = "0.1.0"

import pytest


@pytest.fixture(autouse=True)
def _clean_scene(clean_scene):
    """Every test of this folder runs in the application, on an empty scene."""

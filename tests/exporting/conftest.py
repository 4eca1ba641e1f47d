from importlib.util import find_spec
from shutil import which

import pytest

NEEDS = {".onnx": "onnxruntime", ".safetensors": "torch", ".html": "node", ".h": "cc"}
"""What computes the outputs from a file of each format."""

IMAGES = {"conv2d", "maxpool", "meanpool", "upsample"}
REFUSED = {".safetensors": {"threshold", "winner"}, ".html": IMAGES, ".h": IMAGES}
"""The operations that a format cannot express."""


@pytest.fixture
def reader():
    """Skips a test of a format that nothing installed here can run."""

    def needs(suffix):
        name = NEEDS[suffix]
        if which(name) is None and find_spec(name) is None:
            pytest.skip(f"{name} is not installed")

    return needs

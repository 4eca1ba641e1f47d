import pytest

from backprop_cli.drawing import style


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn, in place of the bytes of their files."""
    found = []
    monkeypatch.setattr(style, "to_bytes", lambda figure, format: found.append(figure) or b"")
    return found

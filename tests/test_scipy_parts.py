"""Parts of SciPy that are loaded by their files."""

import subprocess
import sys

import pytest
import scipy.linalg.blas

from backprop_cli.scipy_parts import part_of_scipy


def test_the_package_is_not_loaded_and_its_version_is_known():
    program = (
        "import sys\nfrom backprop_cli.scipy_parts import part_of_scipy\n"
        "print(part_of_scipy('scipy.version', public='scipy.version').version, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{scipy.__version__} False\n"


def test_what_has_no_file_of_its_own_is_imported():
    part_of_scipy.cache_clear()
    found = part_of_scipy("scipy.linalg._no_such_file", public="scipy.linalg.blas")
    assert found is scipy.linalg.blas


def test_an_extension_that_needs_the_package_is_imported(monkeypatch):
    def refuse(spec):
        raise ImportError("DLL load failed")

    monkeypatch.setattr("backprop_cli.scipy_parts.module_from_spec", refuse)
    monkeypatch.delitem(sys.modules, "scipy.linalg._fblas", raising=False)
    part_of_scipy.cache_clear()
    assert part_of_scipy("scipy.linalg._fblas", public="scipy.linalg.blas") is scipy.linalg.blas


def test_a_module_that_is_missing_is_an_import_error():
    with pytest.raises(ImportError):
        part_of_scipy("scipy._no_such_module", public="scipy._no_such_module")

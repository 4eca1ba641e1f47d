"""Shipped configs are found by name, wherever the program runs."""

from pathlib import Path

import pytest

from backprop_cli.config.load import load_experiment
from backprop_cli.config.shipped import find_config, shipped_configs, summary, template
from backprop_cli.errors import ConfigError
from tests.conftest import ROOT

CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_shipped_config_has_a_name():
    assert sorted(shipped_configs().values()) == CONFIGS
    assert {"digits", "mnist", "xor", "classics/and", "classics/xor", "published/01"} <= shipped_configs().keys()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("digits", "digits.yaml"),
        ("configs/digits.yaml", "digits.yaml"),
        ("configs/classics/and.yaml", "classics/and.yaml"),
        ("xor", "xor.yaml"),
        ("classics/xor", "classics/xor.yaml"),
        ("and", "classics/and.yaml"),
        ("published/12-large", "published/12-large.yaml"),
    ],
)
def test_a_shipped_config_is_found_by_its_name_and_by_its_path_in_a_checkout(name, file):
    assert find_config(Path(name)) == ROOT / "configs" / file
    assert load_experiment(Path(name)) == load_experiment(ROOT / "configs" / file)


def test_a_local_file_goes_first():
    Path("digits.yaml").write_text("extends: configs/digits.yaml\nseed: 5\n")
    assert load_experiment(Path("digits")).seed == 5
    Path("digits").mkdir()
    assert load_experiment(Path("digits")).seed == 5
    Path("digits").rmdir()
    Path("digits").write_text("extends: digits.yaml\nseed: 6\n")
    assert load_experiment(Path("digits")).seed == 6


def test_a_file_that_is_missing_is_not_replaced_by_a_shipped_one_of_another_path():
    for name in ("digits.yaml", "mine/digits.yaml", "digits.yml"):
        with pytest.raises(ConfigError, match="No such file.*; did you mean 'digits', a shipped config?"):
            load_experiment(Path(name))


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("mnits", "; did you mean 'mnist', a shipped config?"),
        ("mine.yml", "; did you mean mine.yaml?"),
        ("eta=0.5", "; name a config before KEY=VALUE, as in: digits eta=0.5"),
        ("unheard-of", "; 'backprop init --list' prints the shipped configs"),
        ("runs/a", "Is a directory; did you mean runs/a/config.yaml?"),
    ],
)
def test_a_config_that_is_missing_is_an_error_with_a_hint(path, hint):
    Path("mine.yaml").touch()
    Path("runs/a").mkdir(parents=True)
    Path("runs/a/config.yaml").touch()
    with pytest.raises(ConfigError) as error:
        load_experiment(Path(path))
    assert error.value.problems[0].endswith(hint)


def test_a_config_can_extend_a_shipped_one_by_name(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: classics/and\nseed: 3\n")
    assert load_experiment(Path("mine.yaml")).data == load_experiment(Path("and")).data


@pytest.mark.parametrize("name", shipped_configs())
def test_a_template_is_the_same_experiment_in_another_folder(tmp_path, name):
    (tmp_path / "mine.yaml").write_bytes(template(shipped_configs()[name]))
    assert load_experiment(Path("mine.yaml")) == load_experiment(Path(name))
    assert "../" not in (tmp_path / "mine.yaml").read_text().partition("\n\n")[0]


def test_every_shipped_config_is_described_in_a_sentence():
    for path in CONFIGS:
        assert 20 <= len(summary(path)) <= 250, path
        assert summary(path).endswith((".", ":")), path

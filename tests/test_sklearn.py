"""The scikit-learn estimators, with scikit-learn's own checks and tools."""

import doctest
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra 'sklearn'")

from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.metrics import recall_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import backprop_cli.sklearn
from backprop_cli.sklearn import BackpropClassifier, BackpropRegressor

IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{k}-{check.func.__name__}")
    for estimator in (BackpropClassifier(), BackpropRegressor())
    for k, (estimator, check) in enumerate(estimator_checks_generator(estimator))  # noqa: B020 - of the outer loop
]


def test_all_of_scikit_learns_checks_are_run():
    names = [param.values[0].__class__ for param in CHECKS]
    assert names.count(BackpropClassifier) >= 55  # 62 in scikit-learn 1.9.1
    assert names.count(BackpropRegressor) >= 53  # 60
    assert sum("sample_weight" in str(param.id) for param in CHECKS) >= 12


@pytest.mark.filterwarnings("ignore")  # what scikit-learn's checks warn about on purpose
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learns_check_passes(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    check(clone(estimator))


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(backprop_cli.sklearn).failed == 0


def test_labels_may_be_words():
    x, y = IRIS
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    found = BackpropClassifier(random_state=0).fit(x, names)
    assert found.score(x, names) > 0.9
    assert list(found.classes_) == ["setosa", "versicolor", "virginica"]


def test_probabilities_sum_to_one_and_the_largest_is_the_prediction():
    x, y = IRIS
    found = BackpropClassifier(random_state=0, epochs=5).fit(x, y)
    np.testing.assert_allclose(found.predict_proba(x).sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(found.predict(x), found.predict_proba(x).argmax(axis=1))


def test_a_pipeline_is_cross_validated():
    x, y = load_wine(return_X_y=True)
    scores = cross_val_score(make_pipeline(StandardScaler(), BackpropClassifier(random_state=0)), x, y, cv=5)
    assert scores.mean() > 0.95


def test_a_grid_search_goes_over_options_of_the_optimizer():
    x, y = IRIS
    grid = {
        "hidden": [8, "8-8", (8,)],
        "optimizer": ["adam", {"name": "momentum", "mu": 0.5}],
    }
    search = GridSearchCV(BackpropClassifier(epochs=40, random_state=0), grid, cv=2).fit(x, y)
    assert len(search.cv_results_["params"]) == 6
    assert search.best_score_ > 0.8


@pytest.mark.parametrize(("estimator", "data"), [(BackpropClassifier(), IRIS), (BackpropRegressor(), DIABETES)])
def test_a_pickled_estimator_predicts_the_same(estimator, data):
    x, y = data
    found = clone(estimator).set_params(epochs=3, random_state=0).fit(x, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).predict(x), found.predict(x))


def test_the_same_random_state_gives_the_same_bits():
    x, y = DIABETES
    one, two = (BackpropRegressor(epochs=3, random_state=7).fit(x, y).predict(x) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_validation_examples_can_be_given():
    x, y = IRIS
    found = BackpropClassifier(epochs=4, random_state=0).fit(x[::2], y[::2], X_val=x[1::2], y_val=y[1::2])
    assert len(found.validation_curve_) == len(found.loss_curve_) == found.n_iter_ == 4


def test_several_values_are_predicted_in_their_own_units():
    x, y = DIABETES
    both = np.stack([y, 1000 + 5 * y], axis=1)
    found = BackpropRegressor(random_state=0).fit(x, both).predict(x)
    assert found.shape == both.shape
    np.testing.assert_allclose(found[:, 1] - 1000, 5 * found[:, 0], rtol=0.2)


def test_weights_move_the_decision_and_reach_a_step_of_a_pipeline():
    x, y = load_breast_cancer(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), BackpropClassifier(random_state=0, epochs=10))
    shares = []
    for factor in (1e-3, 1, 1e3):
        weights = np.where(y == 1, factor, 1.0)
        shares.append(pipeline.fit(x, y, backpropclassifier__sample_weight=weights).predict(x).mean())
    assert shares[0] < shares[1] < shares[2]


def test_a_regressor_weighs_its_targets_standardization_too():
    x, y = np.zeros((40, 1)), np.r_[np.zeros(20), np.ones(20)]  # only the mean can be learned
    found = BackpropRegressor(random_state=0).fit(x, y, sample_weight=np.r_[np.ones(20), np.full(20, 3.0)])
    assert found.predict(x[:1])[0] == pytest.approx(0.75, abs=0.01)


def test_balanced_classes_are_predicted_more_evenly():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    y = (x.sum(axis=1) + rng.normal(size=400) > 2.2).astype(int)
    balanced = {"name": "cross_entropy", "class_weights": "balanced"}
    plain, even = (BackpropClassifier(random_state=0, cost=cost).fit(x, y).predict(x) for cost in (None, balanced))
    assert recall_score(y, even) > recall_score(y, plain)


def test_weights_that_are_all_0_are_refused():
    with pytest.raises(ValueError, match="0 for all examples|at least one non-zero"):
        BackpropClassifier().fit(*IRIS, sample_weight=np.zeros(150))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"optimizer": "adan"}, "unknown name 'adan'; choose one of"),
        ({"activation": "reul"}, "unknown name 'reul'"),
        ({"schedule": {"name": "cosine", "x": 1}}, "x"),
    ],
)
def test_a_wrong_parameter_is_named(parameters, message):
    with pytest.raises((ValueError, TypeError, backprop_cli.errors.UsageError), match=message):
        BackpropClassifier(**parameters).fit(*IRIS)


def test_a_fit_prints_and_writes_nothing(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    BackpropClassifier(epochs=2).fit(*IRIS)
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())

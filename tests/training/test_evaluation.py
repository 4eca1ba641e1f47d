import numpy as np
import pytest

from backprop_cli.threads import blas_info, limit_threads
from backprop_cli.training.evaluation import CHUNK, Evaluator
from tests.training.helpers import dataset, plan, start

DATA = dataset()


def test_evaluation_in_chunks_equals_evaluation_of_the_whole():
    data = dataset(n=2 * CHUNK + 25)
    p = plan(dtype="float64", data=data)
    theta, split = start(p).theta, data.train
    assert len(split) % CHUNK
    assert len(split) > CHUNK
    evaluator = Evaluator(p.objective.estimator, theta, data.scale, data.task)
    outputs, cost = evaluator.outputs(split)
    x, y = split.inputs * data.scale, data.task.encode(split.targets, "float64")
    np.testing.assert_allclose(cost, p.objective.value(theta, x, y), rtol=1e-12)
    assert outputs.shape == (len(split), 3)
    assert evaluator.score(split).accuracy == np.mean(data.task.predict(outputs) == split.targets)


def test_the_number_of_workers_does_not_change_a_bit():
    data = dataset(n=30 * CHUNK + 25)
    p = plan("relu", "softmax", "cross_entropy", data=data)
    theta = start(p).theta
    scores = {
        Evaluator(p.objective.estimator, theta, data.scale, data.task, workers).score(data.train)
        for workers in (1, 2, 3, 7)
    }
    assert len(scores) == 1


@pytest.mark.parametrize(("workers", "expected"), [(1, 2), (2, 1)])
def test_blas_has_one_thread_where_several_evaluate(monkeypatch, workers, expected):
    data, threads = dataset(n=10 * CHUNK), set()
    p = plan(data=data)
    measure = type(data.task).measure

    def observed(*args):
        threads.add(blas_info()["threads"])
        return measure(*args)

    monkeypatch.setattr(type(data.task), "measure", observed)
    with limit_threads(2):
        Evaluator(p.objective.estimator, start(p).theta, data.scale, data.task, workers).score(data.train)
        assert blas_info()["threads"] == 2
    assert threads == {expected}


@pytest.mark.parametrize("workers", [1, 2])
def test_networks_that_are_evaluated_together_have_the_scores_of_each_alone(workers):
    data = dataset(n=9 * CHUNK + 25)
    p = plan("relu", "softmax", "cross_entropy", data=data)
    memory = np.stack([start(p).theta * factor for factor in (1, 2, 0.5, 1e30)])  # the last one overflows
    alone = [Evaluator(p.objective.estimator, theta, data.scale, data.task, workers) for theta in memory]
    together = alone[0].together_with(alone[1:])
    further = {0: (), 1: ("f1",), 2: data.task.further, 3: ()}
    for some in ((0, 1, 2, 3), (1, 3), (2,)):
        found = together.scores(data.train, {k: further[k] for k in some})
        assert list(map(repr, found.values())) == [repr(alone[k].score(data.train, further[k])) for k in some]
        memory *= 1.5


def test_networks_with_different_costs_can_be_evaluated_together():
    plans = [plan("relu", "softmax", cost) for cost in ("cross_entropy", "quadratic")]
    alone = [Evaluator(p.objective.estimator, start(p).theta, p.data.scale, p.data.task) for p in plans]
    found = alone[0].together_with(alone[1:]).scores(DATA.train, {0: (), 1: ()})
    assert found == {k: evaluator.score(DATA.train) for k, evaluator in enumerate(alone)}


def test_an_evaluator_uses_the_current_theta():
    p = plan()
    theta = start(p).theta
    evaluator = Evaluator(p.objective.estimator, theta, p.data.scale, p.data.task)
    before = evaluator.score(p.data.train)
    theta *= 2
    assert evaluator.score(p.data.train) != before
    theta /= 2
    assert evaluator.score(p.data.train) == before

import numpy as np

from backprop_cli.training.evaluation import CHUNK, Evaluator, classification_report
from tests.training.helpers import dataset, plan, start


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
    report = classification_report(data.task.predict(outputs), split.targets, 3)
    assert evaluator.score(split).accuracy == report.accuracy


def test_the_number_of_workers_does_not_change_a_bit():
    data = dataset(n=30 * CHUNK + 25)
    p = plan("relu", "softmax", "cross_entropy", data=data)
    theta = start(p).theta
    scores = {
        Evaluator(p.objective.estimator, theta, data.scale, data.task, workers).score(data.train)
        for workers in (1, 2, 3, 7)
    }
    assert len(scores) == 1


def test_an_evaluator_uses_the_current_theta():
    p = plan()
    theta = start(p).theta
    evaluator = Evaluator(p.objective.estimator, theta, p.data.scale, p.data.task)
    before = evaluator.score(p.data.train)
    theta *= 2
    assert evaluator.score(p.data.train) != before
    theta /= 2
    assert evaluator.score(p.data.train) == before


def test_a_judgement_by_hand():
    labels = np.array([0, 0, 1, 1, 1, 2], np.uint8)
    report = classification_report(np.array([0, 1, 1, 1, 0, 1]), labels, 3)
    np.testing.assert_array_equal(report.confusion, [[1, 1, 0], [1, 2, 0], [0, 1, 0]])
    assert (report.n, report.correct, report.accuracy) == (6, 3, 0.5)
    np.testing.assert_allclose(report.precision, [1 / 2, 2 / 4, np.nan])
    np.testing.assert_allclose(report.recall, [1 / 2, 2 / 3, 0])
    assert report.to_dict()["precision"] == [0.5, 0.5, None]

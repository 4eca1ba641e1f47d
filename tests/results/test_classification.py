import numpy as np

from backprop_cli.results.classification import classification_report


def test_a_judgement_by_hand():
    labels = np.array([0, 0, 1, 1, 1, 2], np.uint8)
    report = classification_report(np.array([0, 1, 1, 1, 0, 1]), labels, 3)
    np.testing.assert_array_equal(report.confusion, [[1, 1, 0], [1, 2, 0], [0, 1, 0]])
    assert (report.n, report.correct, report.accuracy) == (6, 3, 0.5)
    np.testing.assert_allclose(report.precision, [1 / 2, 2 / 4, np.nan])
    np.testing.assert_allclose(report.recall, [1 / 2, 2 / 3, 0])
    assert report.to_dict()["precision"] == [0.5, 0.5, None]

import numpy as np
import pytest

from backprop_cli.data.tasks import ENCODINGS, Classification, Regression


def test_encodings_by_hand():
    labels = np.array([0, 3, 9], np.uint8)
    one_hot, binary, scalar = (Classification(10, ENCODINGS[name]) for name in ("one_hot", "binary", "scalar"))
    np.testing.assert_array_equal(one_hot.encode(labels, "float32"), np.eye(10)[[0, 3, 9]])
    np.testing.assert_array_equal(binary.encode(labels, "float32"), [[0, 0, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]])
    np.testing.assert_allclose(scalar.encode(labels, "float64"), [[0], [1 / 3], [1]])
    assert (one_hot.outputs, binary.outputs, scalar.outputs) == (10, 4, 1)


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=lambda encoding: encoding.name)
@pytest.mark.parametrize("classes", [2, 3, 10, 17])
def test_what_is_encoded_is_decoded_also_with_some_noise(encoding, classes):
    task = Classification(classes, encoding)
    labels = np.arange(classes, dtype=np.uint8)
    y = task.encode(labels, "float32")
    noise = np.random.default_rng(0).uniform(-1, 1, y.shape).astype("float32") * 0.4 / (classes - 1)
    np.testing.assert_array_equal(task.predict(y + noise), labels)
    assert task.measure(y, labels) == classes


def test_outputs_that_are_no_class_are_taken_for_the_nearest():
    # 1111 would be class 15, of which there is none: 0111 is one bit away, as 1011 would be, were it a class
    assert Classification(10, ENCODINGS["binary"]).predict(np.ones((1, 4))) == [7]
    assert Classification(10, ENCODINGS["scalar"]).predict(np.array([[1.4], [-3.0], [0.5]])).tolist() == [9, 0, 4]


def test_the_figures_of_regression_by_hand():
    task = Regression()
    outputs, targets = np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [3.0], [2.0]])
    total = task.measure(outputs, targets)
    assert total == 5.0
    figures = task.figures(total, targets)
    assert figures["rmse"] == pytest.approx((5 / 3) ** 0.5)
    assert figures["r2"] == pytest.approx(1 - 5 / 2)  # the targets vary by 2 around their mean
    assert "r2" not in task.figures(1.0, np.ones((3, 1)))


def test_scores_are_outputs_for_one_hot_codes_and_else_one_minus_the_distance():
    outputs = np.array([[0.25, 0.75]], "float32")
    assert Classification(2).scores(outputs).tolist() == [[0.25, 0.75]]
    scores = Classification(3, ENCODINGS["binary"]).scores(outputs)
    assert scores == pytest.approx(np.array([[1 - 0.625**0.5, 1 - 0.125**0.5, 1 - 1.125**0.5]]))


def test_large_outputs_are_nearest_to_the_last_scalar_code():
    assert Classification(10, ENCODINGS["scalar"]).predict(np.array([[1e9]], "float32")).tolist() == [9]

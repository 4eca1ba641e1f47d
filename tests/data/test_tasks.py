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
def test_encoded_labels_are_decoded_despite_noise(encoding, classes):
    task = Classification(classes, encoding)
    labels = np.arange(classes, dtype=np.uint8)
    y = task.encode(labels, "float32")
    noise = np.random.default_rng(0).uniform(-1, 1, y.shape).astype("float32") * 0.4 / (classes - 1)
    np.testing.assert_array_equal(task.predict(y + noise), labels)
    assert task.measure(y, labels) == classes


def test_outputs_are_decoded_to_the_nearest_class():
    # 1111 would be class 15, of which there is none: 0111 is one bit away, as 1011 would be, were it a class
    assert Classification(10, ENCODINGS["binary"]).predict(np.ones((1, 4))) == [7]
    assert Classification(10, ENCODINGS["scalar"]).predict(np.array([[1.4], [-3.0], [0.5]])).tolist() == [9, 0, 4]


def test_metrics_of_regression_by_hand():
    task = Regression()
    outputs, targets = np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [3.0], [2.0]])
    total = task.measure(outputs, targets)
    assert total == 5.0
    metrics = task.metrics(total, targets)
    assert metrics["rmse"] == pytest.approx((5 / 3) ** 0.5)
    assert metrics["r2"] == pytest.approx(1 - 5 / 2)  # the targets vary by 2 around their mean
    assert "r2" not in task.metrics(1.0, np.ones((3, 1)))


def test_scores_are_outputs_for_one_hot_codes_and_else_one_minus_the_distance():
    outputs = np.array([[0.25, 0.75]], "float32")
    assert Classification(2).scores(outputs).tolist() == [[0.25, 0.75]]
    scores = Classification(3, ENCODINGS["binary"]).scores(outputs)
    assert scores == pytest.approx(np.array([[1 - 0.625**0.5, 1 - 0.125**0.5, 1 - 1.125**0.5]]))


def test_large_outputs_are_nearest_to_the_last_scalar_code():
    assert Classification(10, ENCODINGS["scalar"]).predict(np.array([[1e9]], "float32")).tolist() == [9]


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        (Classification(10, ENCODINGS["one_hot"]), np.array([3, 0, 9], np.uint8)),
        (Classification(10, ENCODINGS["binary"]), np.array([3, 0, 9], np.uint8)),
        (Regression(2), np.array([[1, 2], [3, 4], [5, 6]], np.float64)),
    ],
    ids=["one_hot", "binary", "regression"],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_targets_can_be_encoded_into_a_buffer(task, targets, order):
    out = np.full((3, task.outputs), np.nan, "float32", order=order)
    task.encoder("float32")(targets, out)
    np.testing.assert_array_equal(out, task.encode(targets, "float32"))


def test_metrics_of_several_values_by_hand():
    task = Regression(outputs=2)
    outputs, targets = np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[0.0, 0.0], [2.0, 2.0]])
    total = task.measure(outputs, targets)
    assert total == 1 + 4
    # the first value varies by 2 around its mean of 1, the second as well
    assert task.metrics(total, targets) == {"rmse": (5 / 4) ** 0.5, "r2": 1 - 5 / 4}

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fewshot.encoders.shallow import ShallowEncoder
from fewshot.errors import InputError
from osc.learning import (
    LOSSES,
    Embedder,
    _episodes,
    _parts,
    class_indices,
    learn,
    make_head,
)

CLASSES = torch.tensor([0, 0, 0, 1, 1, 2, 3, 3])


def network():
    return ShallowEncoder(20, dim=16, hidden=(32, 16), dropout=0.1)


@pytest.fixture(scope="module")
def inputs():
    """Clouds around the mean of each class, far enough apart."""
    generator = torch.Generator().manual_seed(0)
    means = 3 * torch.randn(4, 20, generator=generator)
    return means[CLASSES] + torch.randn(len(CLASSES), 20, generator=generator)


@pytest.mark.parametrize("loss", LOSSES)
def test_training_tells_classes_apart_and_is_repeatable(loss, inputs):
    embedder, losses = learn(network, inputs, CLASSES, loss=loss, epochs=120, seed=1)
    assert len(losses) == 120
    assert np.mean(losses[-10:]) < np.mean(losses[:5])
    embeddings = embedder.embed(inputs)
    assert embeddings.shape == (8, 16) and embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
    similarities = embeddings @ embeddings.T - 3 * np.eye(8)
    shared = [i for i, label in enumerate(CLASSES) if (CLASSES == label).sum() > 1]
    assert (CLASSES[similarities.argmax(axis=1)][shared] == CLASSES[shared]).all()
    assert embedder.logits(inputs).argmax(axis=1).tolist() == CLASSES.tolist()

    again, same = learn(network, inputs, CLASSES, loss=loss, epochs=120, seed=1)
    assert same == losses
    np.testing.assert_array_equal(again.embed(inputs), embeddings)
    assert learn(network, inputs, CLASSES, loss=loss, epochs=1, seed=2)[1] != losses[:1]


def test_training_leaves_the_random_state_alone(inputs):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    learn(network, inputs, CLASSES, epochs=1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(("shots", "epochs", "steps"), [(1, 100, 2), (2, 200, 2), (6, 400, 3)])
def test_schedule(shots, epochs, steps):
    """14 classes as in the papers; more than four shots count as four."""
    seen, batches = [], []

    class Counting(ShallowEncoder):
        def forward(self, x):
            if torch.is_grad_enabled():
                batches.append(len(x))
            return super().forward(x)

    classes = torch.arange(14).repeat_interleave(shots)
    inputs = torch.randn(len(classes), 4)
    learn(
        lambda: Counting(4, hidden=(4,), dim=4),
        inputs,
        classes,
        on_epoch=lambda epoch, loss: seen.append((epoch, loss)),
    )
    assert [epoch for epoch, _ in seen] == list(range(epochs))
    assert len(batches) == epochs * steps
    assert set(batches) == {14 * shots // steps}


@pytest.mark.parametrize("loss", LOSSES[:2])
@pytest.mark.parametrize("train_centres", [False, True])
def test_centres_move_only_if_asked(loss, train_centres, inputs):
    few, more = (
        learn(network, inputs, CLASSES, loss=loss, train_centres=train_centres, epochs=epochs)[0]
        for epochs in (1, 3)
    )
    assert torch.equal(few.head.centres, more.head.centres) != train_centres


def test_two_classes_of_one_clip_each(inputs):
    """The least there can be, with every loss; nothing is warned of."""
    for loss in LOSSES:
        embedder, losses = learn(network, inputs[:2], torch.tensor([0, 1]), loss=loss, epochs=20)
        assert np.isfinite(losses).all()
        assert embedder.logits(inputs).shape == (8, 2)


def test_what_cannot_be_learnt(inputs):
    def refused(match, classes=CLASSES, **options):
        with pytest.raises(InputError, match=match):
            learn(network, inputs, classes, **options)

    refused("one class only", classes=torch.zeros(8, dtype=torch.int64))
    refused("loss is 'hinge'; use sub-cluster-adacos, adacos", loss="hinge")
    refused("softmax has no centres to train", loss="softmax", train_centres=True)
    refused("epochs is 0; it must be 1", epochs=0)
    refused("batch_size is 1; it must be 2", batch_size=1)


@pytest.mark.parametrize("loss", LOSSES)
def test_an_embedder_is_rebuilt_from_its_tensors(loss, inputs):
    embedder, _ = learn(network, inputs, CLASSES, loss=loss, epochs=2)
    tensors = embedder.tensors()
    with torch.device("meta"):
        empty = Embedder(network(), make_head(loss, 4, 16))
    rebuilt = empty.load(tensors)
    np.testing.assert_array_equal(rebuilt.embed(inputs), embedder.embed(inputs))
    np.testing.assert_array_equal(rebuilt.logits(inputs), embedder.logits(inputs))
    name = "network.layers.1.weight"
    with pytest.raises(RuntimeError, match="size mismatch"):
        Embedder(network(), make_head(loss, 4, 16)).load(tensors | {name: np.zeros((3, 3))})


def test_embeddings_do_not_depend_on_how_many_are_asked_for(inputs):
    embedder, _ = learn(network, inputs, CLASSES, epochs=2)
    many = inputs.repeat(5, 1)
    one_by_one = np.concatenate([embedder.embed(x[None]) for x in many])
    np.testing.assert_allclose(embedder.embed(many), one_by_one, atol=1e-6)


@given(st.integers(2, 70), st.integers(2, 40))
def test_parts_are_equal_and_never_of_one(n, size):
    parts = _parts(torch.arange(n), size)
    assert torch.cat(parts).tolist() == list(range(n))
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1
    assert 2 <= min(lengths) and max(lengths) <= max(size, 3)


@given(
    st.lists(st.integers(1, 7), min_size=2, max_size=12),
    st.integers(2, 40),
    st.integers(1, 4),
    st.integers(0, 99),
)
def test_episodes(counts, batch_size, shots, seed):
    """Every class has one turn; support and queries are apart unless there is one clip only."""
    classes = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    turns = []
    for queries, support in _episodes(
        classes, batch_size, shots, torch.Generator().manual_seed(seed)
    ):
        assert classes[queries].unique().tolist() == classes[support].unique().tolist()
        for label in classes[queries].unique().tolist():
            turns.append(label)
            asked, given_ = (set(i[classes[i] == label].tolist()) for i in (queries, support))
            most = min(counts[label], shots)
            if most == 1:
                assert asked == given_ and len(asked) == 1
            else:
                assert not asked & given_
                assert (len(given_), len(asked)) == (most // 2, most - most // 2)
    assert sorted(turns) == list(range(len(counts)))


def test_class_indices():
    classes, indices = class_indices(["b", "a", "c", "a"])
    assert classes == ["a", "b", "c"]
    assert indices.tolist() == [1, 0, 2, 0] and indices.dtype == torch.int64


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("loss", LOSSES)
def test_training_on_cuda(loss, inputs):
    embedder, losses = learn(network, inputs, CLASSES, loss=loss, epochs=20, device="cuda")
    assert next(embedder.network.parameters()).is_cuda
    assert np.isfinite(losses).all()
    assert embedder.embed(inputs).shape == (8, 16)

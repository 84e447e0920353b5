"""Linear CCA against scikit-learn's, on random and on degenerate data, and by what defines it."""

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA

from kit.worlds.planted_senses import generator
from senseweave.perception import ConfigError, ObservationError
from senseweave.perception.objectives.cca import linear_cca


def views(n, p, q, seed, shared=2):
    """Two views of some hidden numbers, beside noise."""
    draws = generator(seed)
    hidden = torch.randn(n, shared, generator=draws)
    return (
        (hidden @ torch.randn(shared, size, generator=draws) + torch.randn(n, size, generator=draws)).double()
        for size in (p, q)
    )


def by_scikit_learn(x, y, dims):
    model = CCA(n_components=dims, max_iter=20_000, tol=1e-12).fit(x.numpy(), y.numpy())
    left, right = model.transform(x.numpy(), y.numpy())
    return [np.corrcoef(left[:, i], right[:, i])[0, 1] for i in range(dims)]


@pytest.mark.parametrize(("n", "p", "q", "dims"), [(200, 5, 4, 3), (60, 3, 8, 3), (500, 6, 6, 4)])
@pytest.mark.parametrize("seed", [0, 1])
def test_correlations_are_those_of_scikit_learn(n, p, q, dims, seed):
    x, y = views(n, p, q, seed)
    found = linear_cca(x * 7.0 + 3.0, y, dims)
    np.testing.assert_allclose(found.correlations.numpy(), by_scikit_learn(x, y, dims), rtol=1e-4, atol=1e-4)


def test_constant_and_repeated_columns_change_nothing():
    x, y = views(120, 4, 3, 3)
    plain = linear_cca(x, y, 3)
    more = torch.cat([x, x[:, :2], torch.full((120, 1), 1e6), x[:, :1] + x[:, 1:2]], dim=1).double()
    with_more = linear_cca(more, torch.cat([y, y], dim=1), 3)
    torch.testing.assert_close(with_more.correlations, plain.correlations, rtol=1e-8, atol=1e-8)
    expected = by_scikit_learn(torch.cat([x, torch.full((120, 1), 2.0)], dim=1), y, 3)
    np.testing.assert_allclose(plain.correlations.numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_projections_make_variates_that_correlate_as_told(shrinkage):
    x, y = views(300, 5, 4, 4)
    found = linear_cca(x, y, 4, shrinkage)
    left, right = (x - x.mean(0)) @ found.x_projection, (y - y.mean(0)) @ found.y_projection
    covariance = (1 - shrinkage) * left.T @ right / 299
    torch.testing.assert_close(covariance, torch.diag(found.correlations), rtol=1e-8, atol=1e-8)
    for view, projection in ((x, found.x_projection), (y, found.y_projection)):
        own = torch.cov(view.T)
        shrunk = (1 - shrinkage) * own + shrinkage * own.trace() / len(own) * torch.eye(len(own)).double()
        torch.testing.assert_close(projection.T @ shrunk @ projection, torch.eye(4).double(), rtol=1e-8, atol=1e-8)


def test_with_fewer_samples_than_columns_shrinkage_tells_what_is_shared():
    x, y = views(30, 50, 60, 5, shared=1)
    noise, other = (torch.randn(30, size, generator=generator(size)) for size in (50, 60))
    assert torch.allclose(linear_cca(x, y, 3).correlations, torch.ones(3).double())  # and means nothing
    found, nothing = linear_cca(x, y, 3, 0.5).correlations, linear_cca(noise, other, 3, 0.5).correlations
    assert found[0] > nothing[0] + 0.1 and found[0] < 1.0 and torch.isfinite(found).all()


def test_dims_that_are_not_there_are_zeros():
    x, y = views(50, 2, 5, 6)
    found = linear_cca(torch.cat([x, x], dim=1), y, 4)
    assert torch.equal(found.correlations[2:], torch.zeros(2).double()) and found.correlations[1] > 0
    assert found.x_projection.shape == (4, 4) and not found.x_projection[:, 2:].any()
    constant = linear_cca(torch.ones(50, 3), y, 2)
    assert not constant.correlations.any()


@pytest.mark.parametrize(
    ("x", "y", "dims", "shrinkage", "error", "message"),
    [
        (torch.ones(3, 2), torch.ones(4, 2), 1, 0.0, ObservationError, "must have the same samples"),
        (torch.ones(1, 2), torch.ones(1, 2), 1, 0.0, ObservationError, "two at least"),
        (torch.full((3, 2), torch.nan), torch.ones(3, 2), 1, 0.0, ObservationError, "must be finite"),
        (torch.ones(3, 2), torch.ones(3, 2), 0, 0.0, ConfigError, "`dims` must be"),
        (torch.ones(3, 2), torch.ones(3, 2), 1, 1.5, ConfigError, "`shrinkage` must be in 0..1; got 1.5."),
    ],
)
def test_what_cannot_be_correlated_is_refused_in_a_sentence(x, y, dims, shrinkage, error, message):
    with pytest.raises(error, match=message):
        linear_cca(x, y, dims, shrinkage)

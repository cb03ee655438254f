"""Estimates of the share of each class among unlabelled images, for the prior of NBEL.

All functions take and give NumPy arrays. Shares of a labelled part that was drawn at random are
:func:`smoothed_shares` of its class counts. Where the labelled images were chosen class by class,
their counts say nothing, and the predictions of a classifier that they trained do:
:func:`em_shares` or :func:`bbse_shares`. Both assume that the images of a class look alike in both
parts, and that only the shares differ.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar, nnls

SUM_WEIGHT = 1e4  # of the equation that says that shares sum up to 1, beside the others


def positive_numbers(name: str, values: ArrayLike, zero: bool = False) -> np.ndarray:
    """``values`` as a vector (C,) of positive finite numbers; with ``zero`` also zeros, not all.

    Raises:
        ValueError: With the name, and the classes whose number is none.
    """
    numbers = np.asarray(values, dtype=np.float64)
    good = np.isfinite(numbers) & ((numbers >= 0) if zero else (numbers > 0))
    if numbers.ndim != 1 or not good.all() or not numbers.sum() > 0:
        bad = np.flatnonzero(~good)[:10].tolist() if numbers.ndim == 1 else []
        kind = 'numbers of at least 0, not all of them 0' if zero else 'positive numbers'
        where = f'classes {bad} have {numbers[bad].tolist()}' if bad else f'got {numbers.tolist()}'
        raise ValueError(f'{name} must be C {kind}; {where}')
    return numbers


def distributions(name: str, values: ArrayLike) -> np.ndarray:
    """``values`` as a matrix (N, C) whose rows are distributions, with sums of exactly 1.

    Raises:
        ValueError: With the name, and the first row that is none.
    """
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f'{name} must have shape (N, C) with N, C >= 1, got {rows.shape}')
    sums = rows.sum(1, keepdims=True)
    good = (rows >= 0).all(1) & (np.abs(sums[:, 0] - 1) < 1e-3)  # half precision is good enough
    if not good.all():
        first = int(np.flatnonzero(~good)[0])
        raise ValueError(
            f'each row of {name} must be a distribution (softmax of the class scores); row {first} '
            f'is {rows[first][:10].tolist()}'
        )
    return rows / sums


def smoothed_shares(counts: ArrayLike, pseudo_count: float = 1.0) -> np.ndarray:
    """Shares (C,) of class counts, with ``pseudo_count`` images more in every class.

    It is the mean of the posterior under a Dirichlet prior, ``d_c = (n_c + a) / (sum n + a C)``, so
    that a class without an image has a share, too.

    Args:
        counts: Images of each class (C,), at least 0, of a part that was drawn at random.
        pseudo_count: a, at least 0; with 0 a class without images has a share of 0.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> smoothed_shares([7, 0, 1]).round(3).tolist()
        [0.727, 0.091, 0.182]
    """
    if not 0 <= pseudo_count < np.inf:
        raise ValueError(f'pseudo_count must be a finite number of at least 0, got {pseudo_count}')
    smoothed = positive_numbers('counts', counts, zero=True) + pseudo_count
    return smoothed / smoothed.sum()


def em_shares(
    probs: ArrayLike,
    train_shares: ArrayLike,
    pseudo_count: float = 1.0,
    max_steps: int = 1000,
    tolerance: float = 1e-6,
) -> np.ndarray:
    """Shares (C,) of the classes of unlabelled images, by EM over a classifier's predictions.

    `Saerens, Latinne and Decaestecker 2002 <https://doi.org/10.1162/089976602753284446>`_, section
    2.2: ``w_tc ~ q_tc d_c / p_c`` with sum 1, then ``d_c = 1/T sum_t w_tc``, from d = p on, until d
    rests. It is the maximum of the likelihood of d, if q are the true posteriors under p. Those of
    a network that knows its few labelled images by heart are too confident: see
    :func:`fit_temperature`.

    Args:
        probs: q (T, C) of the unlabelled images, of a classifier trained with ``train_shares``.
        train_shares: p (C,), positive shares or counts of the labelled images as they were drawn
            in training; equal ones if they were drawn class by class.
        pseudo_count: Images that every class has more than was predicted, at least 0. Above 0 no
            class has a share of 0.
        max_steps: Steps after which it ends at the latest.
        tolerance: It ends when no share changes by more.

    Raises:
        ValueError: If a row is not a distribution, the numbers of classes differ, or a class has no
            share.

    Example:
        >>> probs = [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]]
        >>> em_shares(probs, [1, 1], pseudo_count=0).round(3).tolist()
        [0.847, 0.153]
    """
    q = distributions('probs', probs)
    train = positive_numbers('train_shares', train_shares)
    if len(train) != q.shape[1]:
        raise ValueError(f'probs has {q.shape[1]} classes, train_shares has {len(train)}')

    # Likelihoods of each image under each class, up to a factor per image.
    train = train / train.sum()
    likelihoods = q / train
    shares = train
    for _ in range(max_steps):
        weights = likelihoods * shares
        weights /= weights.sum(1, keepdims=True)
        previous, shares = shares, smoothed_shares(weights.sum(0), pseudo_count)
        if np.abs(shares - previous).max() <= tolerance:
            break
    return shares


def bbse_shares(
    confusion: ArrayLike,
    predicted_shares: ArrayLike,
    ridge: float = 0.0,
    max_condition: float = 100.0,
) -> np.ndarray:
    """Shares (C,) of the classes of unlabelled images that explain how often each is predicted.

    Black box shift estimation, `Lipton, Wang and Smola 2018 <https://arxiv.org/abs/1802.03916>`_,
    section 4: with ``K_ij`` the share of class j's images that are predicted as i, d is the
    solution of ``K d = m``, here the least-squares one among distributions. It asks for no
    calibration. ``ridge`` adds ``ridge |d - p|^2``, which draws d to the labelled shares p, as in
    RLLS (`Azizzadenesheli et al. 2019 <https://arxiv.org/abs/1903.09734>`_).

    Args:
        confusion: Counts (C, C) of labelled images that the classifier has *not* been trained on,
            of true classes (rows) by predicted ones (columns): the sum over the folds of a
            cross-validation.
        predicted_shares: m (C,), how often each class is predicted among the unlabelled images, as
            shares or counts; or the mean prediction, if ``confusion`` sums predictions too.
        ridge: Weight of the labelled shares, at least 0.
        max_condition: Condition number of K above which d is not determined, so that there is an
            error unless ``ridge`` is above 0.

    Returns:
        Shares that may be 0. A prior needs :func:`smoothed_shares` of them, times the number of
        labelled images.

    Raises:
        ValueError: If a class has no labelled image, the numbers of classes differ, a number is out
            of range, or K is ill-conditioned and ``ridge`` is 0.

    Example:
        >>> bbse_shares([[8, 2], [1, 9]], [0.45, 0.55]).round(2).tolist()
        [0.5, 0.5]
    """
    counts = np.asarray(confusion, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not (counts >= 0).all():
        raise ValueError(
            f'confusion must be a matrix (C, C) of counts of at least 0, got shape {counts.shape}'
        )
    if not 0 <= ridge < np.inf:
        raise ValueError(f'ridge must be a finite number of at least 0, got {ridge}')
    mean = positive_numbers('predicted_shares', predicted_shares, zero=True)
    if len(mean) != len(counts):
        raise ValueError(f'confusion has {len(counts)} classes, predicted_shares has {len(mean)}')
    labeled = positive_numbers(
        'the rows of confusion (labelled images of each class)', counts.sum(1)
    )

    # The system, and whether it says enough.
    system = (counts / labeled[:, None]).T
    condition = float(np.linalg.cond(system))
    if ridge == 0 and not condition <= max_condition:
        raise ValueError(
            f'the confusion is ill-conditioned ({condition:.3g}, at most {max_condition:g} is '
            'allowed): the classifier hardly tells some classes apart, so their shares are not '
            'determined; set ridge=0.01 to draw them to the labelled ones, or label more images'
        )

    # The sum of 1 is one more equation, with a weight that lets no other one change it.
    size = len(mean)
    rows = np.vstack([system, np.sqrt(ridge) * np.eye(size), np.full((1, size), SUM_WEIGHT)])
    values = np.concatenate(
        [mean / mean.sum(), np.sqrt(ridge) * labeled / labeled.sum(), [SUM_WEIGHT]]
    )
    shares, _ = nnls(rows, values)
    return shares / shares.sum()


def tempered(probs: ArrayLike, temperature: float) -> np.ndarray:
    """``q_tc^(1 / temperature)`` with sum 1 again, (T, C): flatter predictions above 1.

    Raises:
        ValueError: If a row is not a distribution, or the temperature is not positive.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f'temperature must be a positive finite number, got {temperature}')
    logs = np.log(np.maximum(distributions('probs', probs), np.finfo(np.float64).tiny))
    powers = np.exp((logs - logs.max(1, keepdims=True)) / temperature)
    return powers / powers.sum(1, keepdims=True)


def fit_temperature(probs: ArrayLike, labels: ArrayLike) -> float:
    """The temperature (0.05 to 20) with which predictions fit the labels best.

    It maximises the likelihood of :func:`tempered` predictions (`Guo et al. 2017
    <https://arxiv.org/abs/1706.04599>`_, section 4.2).

    Args:
        probs: q (N, C) of labelled images that the classifier has *not* been trained on.
        labels: Their classes (N,), integers from 0 to C - 1.

    Raises:
        ValueError: If a row is not a distribution, or the labels are not classes of the rows.
    """
    q, classes = distributions('probs', probs), np.asarray(labels)
    good = classes.shape == (len(q),) and np.issubdtype(classes.dtype, np.integer)
    if not good or classes.min() < 0 or classes.max() >= q.shape[1]:
        raise ValueError(
            f'labels must be {len(q)} integers from 0 to {q.shape[1] - 1}, got shape '
            f'{classes.shape}, {classes.ravel()[:10].tolist()}'
        )

    def cost(log_temperature: float) -> float:
        """Mean of -log q of the true class."""
        chosen = tempered(q, np.exp(log_temperature))[np.arange(len(q)), classes]
        return -float(np.log(np.maximum(chosen, np.finfo(np.float64).tiny)).mean())

    found = minimize_scalar(cost, bounds=(np.log(0.05), np.log(20)), method='bounded')
    return float(np.exp(found.x))

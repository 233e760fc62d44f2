"""Estimators: a model and its training behind fit, predict and score, as scikit-learn's tools expect them.

`GraphRegressor` and `GraphClassifier` have a target for each graph, `NodeClassifier` one for each node. They go into
cross_val_score, GridSearchCV and Pipeline, and work without scikit-learn too. What they all take for graphs:

- a list or object array of networkx graphs (with the node attribute "features") or of `gn.Graph`, or a `gn.Batch`
- an array (n, n_features), of which every row is a graph of one node; for NodeClassifier that is a node without edges
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

from graphnn import ops
from graphnn.batch import Batch
from graphnn.checks import floating, nearest
from graphnn.convert import pack
from graphnn.layer import Layer
from graphnn.layers import Dense, Dropout, GraphConv, Nodes, Rescale, Sequential, Standardize, SumPool
from graphnn.layers.normalization import centre_and_spread
from graphnn.losses import StandardizedError, cross_entropy
from graphnn.metrics import r2
from graphnn.optim import Optimizer
from graphnn.training.callbacks.stopping import EarlyStopping
from graphnn.training.fit import fit, predict

WIDTH = 32


class _Estimator:
    """What the three estimators share: settings, the way from graphs to a batch, training.

    model: a layer, such as gn.Sequential(...); None takes the default of the class
    loss: loss(predictions, targets);  optimizer, epochs, batch_size, dtype, callbacks: as in gn.fit
    validation_fraction: the share of examples held out from the fit; `history_` then has their loss
    patience: end when the validation loss (without validation, the loss) has not fallen for so many epochs, and
        keep the best parameters; None trains all epochs
    random_state: a whole number; the same one gives the same bits

    Of a fit remain params_, the flat dict; history_, the curves; model_, the model; n_features_in_.
    """

    _estimator_type: ClassVar[str]
    _per: ClassVar[str] = "graph"

    def __init__(
        self,
        model: Layer | None = None,
        *,
        loss: Callable | None = None,
        optimizer: Optimizer | None = None,
        epochs: int = 200,
        batch_size: int | None = None,
        dtype: Any = None,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        callbacks: Sequence[Any] = (),
        random_state: int = 0,
    ):
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.epochs, self.batch_size, self.dtype = epochs, batch_size, dtype
        self.validation_fraction, self.patience = validation_fraction, patience
        self.callbacks, self.random_state = callbacks, random_state

    # ---- scikit-learn's protocol, which is met without inheriting from it ----------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name. The learned parameters are in `params_`."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **settings: Any) -> Any:  # the protocol passes settings by keyword
        """Change settings by name and return the estimator. Raises ValueError for a name that is none."""
        known = self.get_params()
        for name, value in settings.items():
            if name not in known:
                hint = nearest(name, known) or f"; there is {', '.join(known)}"
                raise ValueError(f"Invalid parameter {name!r} for estimator {self._name}{hint}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = [f"{k}={v!r}" for k, v in self.get_params().items() if v is not defaults[k].default]
        return f"{self._name}({', '.join(changed)})"

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags

        regressor = self._estimator_type == "regressor"
        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=True, multi_output=regressor),
            regressor_tags=RegressorTags() if regressor else None,
            classifier_tags=None if regressor else ClassifierTags(),
        )

    def _more_tags(self) -> dict[str, bool]:  # what scikit-learn before 1.6 asks for
        return {"requires_y": True, "multioutput": self._estimator_type == "regressor"}

    # ---- from what comes in to a batch ---------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _pack(self, graphs: Any) -> Batch:
        """Return graphs of any accepted kind as one batch."""
        batch = _single_nodes(self._name, graphs) if _is_table(graphs) else pack(_unpacked(graphs))
        if len(batch) == 0:
            raise ValueError(f"{self._name}: found 0 sample(s) (no graphs) while a minimum of 1 is required")
        if batch.nodes.shape[1] == 0:
            raise ValueError(
                f"{self._name}: found 0 feature(s) (shape={tuple(batch.nodes.shape)}) while a minimum of 1 is "
                "required; give every node at least one number"
            )
        return batch if self.dtype is None else batch.astype(floating(self._name, self.dtype))

    def _train(self, batch: Batch, targets: np.ndarray, width: int, loss: Callable, known: Any = None) -> None:
        """Fit the model, whose output has `width` columns, and keep what training leaves behind."""
        default, count = self._default_model(width), batch.n_graphs if self._per == "graph" else batch.n_nodes
        model = default if self.model is None else self.model
        if not isinstance(model, Layer):
            raise TypeError(f"{self._name}: model must be a layer such as gn.Sequential(...), got {model!r}")
        if isinstance(self.random_state, bool) or not isinstance(self.random_state, (int, np.integer)):
            raise TypeError(
                f"{self._name}: random_state must be a whole number, got {self.random_state!r}; "
                "give one such as 0, so that the same call gives the same bits"
            )
        self._check_length(targets, count)
        held_out = self._held_out(np.arange(count) if known is None else np.flatnonzero(known))
        data, mask, validation = batch, known, None  # type: Batch, Any, Any
        if known is not None and len(held_out):  # nodes are held out by a mask, within their graphs
            mask = known & ~np.isin(np.arange(count), held_out)
            validation = (batch, targets, known & ~mask)
        elif len(held_out):
            kept = np.setdiff1d(np.arange(count), held_out)
            data, validation = batch[kept], (batch[held_out], targets[held_out])
            targets = targets[kept]
        params = model.init(self.random_state, data)
        self._check_output(model(params, data), (data.n_graphs if self._per == "graph" else count, width))
        stopping = [] if self.patience is None else [EarlyStopping(self.patience)]
        self.params_, self.history_ = fit(
            model, params, data, targets, loss=loss if self.loss is None else self.loss, optimizer=self.optimizer,
            epochs=self.epochs, batch_size=self.batch_size, dtype=self.dtype, per=self._per, mask=mask,
            validation=validation, seed=int(self.random_state), callbacks=[*self.callbacks, *stopping],
        )  # fmt: skip
        self.model_, self.n_features_in_ = model, int(batch.nodes.shape[1])

    def _held_out(self, examples: np.ndarray) -> np.ndarray:
        """Return which of the examples are for validation: the fraction, rounded up, drawn at random."""
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(
                f"{self._name}: validation_fraction must be at least 0 and below 1, got {self.validation_fraction}"
            )
        n = int(np.ceil(self.validation_fraction * len(examples)))
        if n == len(examples):
            raise ValueError(
                f"{self._name}: validation_fraction {self.validation_fraction} of {len(examples)} examples leaves none "
                "to learn from; give more examples or a smaller fraction"
            )
        return np.random.default_rng(int(self.random_state)).permutation(examples)[:n]

    def _check_length(self, targets: np.ndarray, count: int) -> None:
        if len(targets) != count:
            raise ValueError(
                f"{self._name}: y has {len(targets)} entries and there are {count} {self._per}s; "
                f"give one for each {self._per}"
            )

    def _check_output(self, output: Any, wanted: tuple[int, int]) -> None:
        if getattr(output, "shape", None) == wanted:
            return
        came = f"shape {output.shape}" if hasattr(output, "shape") else f"a {type(output).__name__}"
        end = "Nodes()" if self._per == "node" else "a pool such as SumPool()"
        raise ValueError(
            f"{self._name}: the model gives {came}, y needs {wanted}, a row for each {self._per}; "
            f"end it in {end} with {wanted[1]} columns, or take model=None"
        )

    def _default_model(self, width: int) -> Layer:
        return _graph_model(width)

    def _output(self, graphs: Any) -> np.ndarray:
        """Return what the fitted model says."""
        if not hasattr(self, "params_"):
            raise _of_sklearn("NotFittedError", ValueError)(
                f"{self._name} is not fitted yet; call fit(graphs, y) first"
            )
        batch = self._pack(graphs)
        if batch.nodes.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {batch.nodes.shape[1]} features, but {self._name} is expecting {self.n_features_in_} features "
                "as input; give graphs with the same node features as those of fit"
            )
        return predict(self.model_, self.params_, batch, self.batch_size)


class GraphRegressor(_Estimator):
    """Numbers for whole graphs.

    model: must give (n_graphs, t); None is Standardize, Dense(32), two GraphConv(32), SumPool, Dense(32), Dense(t),
        Rescale, with silu. Other settings and what graphs may be: see `graphnn/estimators.py`, first page
    loss: None is the squared error in standard deviations of each target

    >>> import graphnn as gn
    >>> data = gn.datasets.alkanes()
    >>> estimator = GraphRegressor(epochs=50).fit(data.graphs[4:], data.boiling_points[4:])
    >>> estimator.predict(data.graphs[:2]).shape, estimator.score(data.graphs[4:], data.boiling_points[4:]) > 0.9
    ((2, 1), True)
    """

    _estimator_type = "regressor"

    def fit(self, graphs: Any, y: Any) -> GraphRegressor:
        """Learn y, (n,) or (n, t), and return the estimator.

        Raises ValueError for targets that are missing, not finite or of another number than the graphs, and for a
        model with another number of outputs.
        """
        batch, targets = self._pack(graphs), _numbers(self._name, "y", _required(self._name, y))
        if targets.ndim not in (1, 2) or 0 in targets.shape[1:]:
            raise ValueError(f"{self._name}: y should be (n,) or (n, t), got shape {targets.shape}")
        columns = targets.reshape(len(targets), -1)
        self._train(batch, columns, columns.shape[1], StandardizedError(tuple(centre_and_spread(columns)[1].tolist())))
        self.target_shape_ = targets.shape[1:]
        return self

    def _default_model(self, width: int) -> Layer:
        return Sequential(*_graph_model(width).layers, Rescale())

    def predict(self, graphs: Any) -> np.ndarray:
        """Return the predictions in the shape that y had, (n,) or (n, t)."""
        out = self._output(graphs)
        return out.reshape(len(out), *self.target_shape_)

    def score(self, graphs: Any, y: Any) -> float:
        """Return R^2, the coefficient of determination, as `gn.r2`: for several targets the mean over them."""
        return r2(self.predict(graphs), np.asarray(_required(self._name, y), float))


class _Classifier(_Estimator):
    """What the two classifiers share: classes_, the sorted labels, and predictions as probabilities."""

    _estimator_type = "classifier"

    def _learn(self, batch: Batch, labels: np.ndarray, known: np.ndarray | None = None) -> None:
        seen = labels if known is None else labels[known]
        classes, numbers = _classes(self._name, seen)
        codes = np.zeros(len(labels), np.intp)
        codes[slice(None) if known is None else known] = numbers
        self._train(batch, codes, len(classes), cross_entropy, known)
        self.classes_ = classes

    def predict_proba(self, graphs: Any) -> np.ndarray:
        """Return the probability of each of `classes_`: (n, n_classes), rows sum to 1."""
        logits = np.asarray(self._output(graphs), float)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def predict(self, graphs: Any) -> np.ndarray:
        """Return the most probable label of each graph or node: (n,)"""
        most = self._output(graphs).argmax(axis=1)
        return self.classes_[most]

    def _share_right(self, graphs: Any, labels: np.ndarray, counted: np.ndarray) -> float:
        predicted = self.predict(graphs)
        self._check_length(labels, len(predicted))
        return float(np.mean(predicted[counted] == labels[counted]))


class GraphClassifier(_Classifier):
    """Labels for whole graphs, of two or more classes, numbers or strings.

    model: must give (n_graphs, n_classes) logits; None is Standardize, Dense(32), two GraphConv(32), SumPool,
        Dense(32), Dense(n_classes), with silu. Other settings and what graphs may be: see `graphnn/estimators.py`,
        first page
    loss: None is the cross-entropy

    >>> import graphnn as gn
    >>> data = gn.datasets.alkanes()
    >>> size = np.where(data.boiling_points.ravel() > 150, "heavy", "light")
    >>> estimator = GraphClassifier(epochs=30).fit(data.graphs, size)
    >>> estimator.predict(data.graphs[:2]).tolist(), estimator.classes_.tolist()
    (['light', 'light'], ['heavy', 'light'])
    """

    def fit(self, graphs: Any, y: Any) -> GraphClassifier:
        """Learn labels y, (n,), and return the estimator. Raises ValueError for fewer than two classes."""
        batch, labels = self._pack(graphs), _flat(self._name, _required(self._name, y))
        if _missing(labels).any():
            raise ValueError(f"{self._name}: Input y contains NaN or None; leave out the graphs without a label")
        self._learn(batch, labels)
        return self

    def score(self, graphs: Any, y: Any) -> float:
        """Return the share of graphs with the right label."""
        labels = _flat(self._name, _required(self._name, y))
        return self._share_right(graphs, labels, np.ones(len(labels), bool))


class NodeClassifier(_Classifier):
    """Labels for nodes, of which only some need to be known.

    model: must give (n_nodes, n_classes) logits; None is Standardize, GraphConv(32), Dropout(0.5),
        GraphConv(n_classes), Nodes, with silu. Other settings and what graphs may be: see `graphnn/estimators.py`,
        first page; one graph alone will do too
    loss: None is the cross-entropy over the nodes whose label is known

    y has a label for every node, in the order of the nodes, of graph after graph; or it is a list with such an array
    for each graph, so that scikit-learn can leave out whole graphs: cross_val_score(estimator, graphs, labels,
    cv=KFold(5)). Where it is nan or None the label is not known; fit then learns from the others, score counts them.
    A -1 is a label like any other; beside two others, where it might be meant as none, it is refused.

    >>> import graphnn as gn
    >>> club = gn.datasets.karate()
    >>> known = np.isin(np.arange(34), [0, 33])
    >>> estimator = NodeClassifier(epochs=100).fit(club.graph, np.where(known, club.labels, np.nan))
    >>> estimator.score(club.graph, np.where(known, np.nan, club.labels)) > 0.8
    True
    """

    _per = "node"

    def fit(self, graphs: Any, y: Any) -> NodeClassifier:
        """Learn the known labels of nodes and return the estimator. Raises ValueError for fewer than two classes."""
        batch = self._pack(graphs)
        labels = _node_labels(self._name, y, batch)
        known = ~_missing(labels)
        if not known.any():
            raise ValueError(f"{self._name}: Input y contains no label, all {len(known)} entries are NaN or None")
        others = set(labels[known].tolist()) - {-1}
        if len(others) > 1 and (labels[known].astype(object) == -1).any():
            raise ValueError(
                f"{self._name}: y has -1 beside {len(others)} other labels; mark nodes without a label by nan, as in "
                "np.where(known, y, np.nan), or None; if -1 is a class, give strings: y.astype(str)"
            )
        self._learn(batch, labels, known)
        return self

    def _default_model(self, width: int) -> Layer:
        return Sequential(Standardize(), GraphConv(WIDTH, ops.silu), Dropout(0.5), GraphConv(width), Nodes())

    def score(self, graphs: Any, y: Any) -> float:
        """Return the share of nodes with the right label, among those whose label is given."""
        batch = self._pack(graphs)
        labels = _node_labels(self._name, y, batch)
        known = ~_missing(labels)
        if not known.any():
            raise ValueError(f"{self._name}: no label to score against, all {len(known)} entries are NaN or None")
        return self._share_right(batch, labels, known)


def _graph_model(width: int) -> Sequential:
    """Return the default model for whole graphs, without the scale of the targets."""
    convolutions = (GraphConv(WIDTH, ops.silu), GraphConv(WIDTH, ops.silu))
    return Sequential(
        Standardize(), Dense(WIDTH, ops.silu), *convolutions, SumPool(), Dense(WIDTH, ops.silu), Dense(width)
    )


# ---- what comes in ---------------------------------------------------------------------------------------------------


def _is_table(graphs: Any) -> bool:
    """Say whether these are rows of numbers rather than graphs."""
    listed = isinstance(graphs, (list, tuple)) or (isinstance(graphs, np.ndarray) and graphs.ndim == 1)
    if listed and len(graphs):
        return isinstance(graphs[0], (int, float, complex, str, Sequence, np.ndarray, np.generic))
    return hasattr(graphs, "__array__") or scipy.sparse.issparse(graphs)


def _single_nodes(who: str, table: Any) -> Batch:
    """Return the rows of an array as graphs of one node each."""
    if scipy.sparse.issparse(table):
        raise TypeError(
            f"{who}: sparse rows are not supported; give table.toarray(), "
            "or graphs with sparse features, gn.Graph(nodes=table, ...)"
        )
    rows = _numbers(who, "X", table)
    if rows.ndim != 2:
        raise ValueError(
            f"{who}: expected graphs or an array (n, n_features), got shape {rows.shape}. Reshape your data: "
            "X.reshape(1, -1) if it is one row, X.reshape(-1, 1) if it is one feature"
        )
    n = len(rows)
    return Batch.from_arrays(rows, np.zeros(0, np.intp), np.zeros(0, np.intp), np.arange(n), n)


def _unpacked(graphs: Any) -> Any:
    """Return a list of graphs for one of batches, which scikit-learn makes when it picks members of a batch."""
    if not isinstance(graphs, (list, tuple, np.ndarray)):
        return graphs
    return [graph for item in graphs for graph in (item.graphs if isinstance(item, Batch) else (item,))]


def _numbers(who: str, name: str, values: Any) -> np.ndarray:
    """Return finite numbers as a floating array: float32 stays, everything else becomes float64."""
    array = _array(who, name, values)
    if array.dtype.kind == "c":
        raise ValueError(f"{who}: Complex data not supported: {name} has dtype {array.dtype}; give real numbers")
    if array.dtype.kind not in "biufO":
        raise ValueError(f"{who}: {name} has dtype {array.dtype}, wanted numbers; encode categories as numbers first")
    if array.dtype != np.float32:
        try:
            array = array.astype(float)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{who}: {name} must hold numbers ({error}); encode anything else first") from None
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        kind = "NaN" if np.isnan(array[place]) else "infinity"
        raise ValueError(f"{who}: Input {name} contains {kind} at {list(place)}; leave such rows out or fill them in")
    return array


def _array(who: str, name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(f"{who}: {name} has rows of different lengths; give every row the same columns") from None


def _required(who: str, y: Any) -> Any:
    if y is None:
        raise ValueError(f"{who} requires y to be passed, but the target y is None; call it with (graphs, y)")
    return y


def _flat(who: str, y: Any) -> np.ndarray:
    """Return labels as a one-dimensional array; a single column is taken with a warning, as scikit-learn does."""
    labels = _array(who, "y", y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        warnings.warn(
            f"A column-vector y was passed when a 1d array was expected by {who}; give y.ravel()",
            _of_sklearn("DataConversionWarning", UserWarning),
            stacklevel=3,
        )
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"{who}: y should be a 1d array of labels, got an array of shape {labels.shape} instead")
    return labels


def _node_labels(who: str, y: Any, batch: Batch) -> np.ndarray:
    """Return the labels of all nodes: y is one array, or a list with one for each graph."""
    several = isinstance(y, (list, tuple)) or (isinstance(y, np.ndarray) and y.dtype == object)
    if not several or not len(y) or any(np.ndim(labels) != 1 for labels in y):
        return _flat(who, _required(who, y))
    sizes, given = batch.packed.node_counts.tolist(), [len(labels) for labels in y]
    if given != sizes:
        raise ValueError(f"{who}: y has arrays of {given} labels, the graphs have {sizes} nodes; give a label each")
    return np.concatenate([_array(who, "y", labels) for labels in y])


def _missing(labels: np.ndarray) -> np.ndarray:
    """Say which labels are nan or None."""
    if labels.dtype == object:
        return np.array([label is None or label != label for label in labels], bool)  # noqa: PLR0124 - nan alone differs
    return np.isnan(labels) if labels.dtype.kind == "f" else np.zeros(len(labels), bool)


def _classes(who: str, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted classes and the number of each label's class."""
    if labels.dtype.kind == "f" and (labels != np.floor(labels)).any() | np.isinf(labels).any():
        raise ValueError(
            f"Unknown label type: continuous. {who} got numbers with fractions for y; give whole numbers or strings, "
            "or use GraphRegressor"
        )
    try:
        classes, numbers = np.unique(labels, return_inverse=True)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in labels})
        raise ValueError(f"Unknown label type: {who} got {' and '.join(kinds)} for y; give one kind") from None
    if len(classes) < 2:
        came = ", ".join(map(repr, classes.tolist()))
        raise ValueError(f"{who}: y has {len(classes)} class only ({came}); a classifier needs two or more")
    return classes, numbers


def _of_sklearn(name: str, otherwise: type) -> Any:
    """Return an error or a warning of scikit-learn, which its tools look for, or without it the plain kind."""
    try:
        from sklearn import exceptions
    except ImportError:
        return otherwise
    return getattr(exceptions, name)

"""Gradients over flat dicts: the same numbers as autograd, in every nesting; what is refused and how."""

from __future__ import annotations

import weakref
from collections import namedtuple

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.tracer import isbox
from derivatives import normal

import graphnn as gn
from graphnn import ops
from graphnn.autodiff import Tape

W, V, B, UNUSED = normal("autodiff", (3, 2), (2, 2), (2,), (4,))
PARAMS = {"0.weight": W, "1.weight": V, "bias": B, "unused": UNUSED, "1.running_mean": np.zeros(2)}
(INPUTS,) = normal("autodiff inputs", (5, 3))


def once(p):
    return (anp.tanh(INPUTS @ p["0.weight"] + p["bias"]) ** 2).sum()


def shared(p):
    h = anp.tanh(INPUTS @ p["0.weight"] + p["bias"])
    for _ in range(3):
        h = anp.tanh(h @ p["1.weight"] + p["bias"])
    return anp.sum(h * h) + anp.sum(p["0.weight"]) * anp.sum(p["bias"] * p["bias"])


def by_loop(p):
    total = 0.0
    for name in p:
        total = total + anp.sum(anp.sin(p[name]) * p[name])
    return total


def copied(p):
    return shared({**p, "bias": p["bias"] * p["bias"]}) + once(dict(p))


def leaf_itself(p):
    return anp.sum(p["bias"])


def with_ops(p):
    h = ops.affine(INPUTS, p["0.weight"], p["bias"], ops.relu)
    h = ops.segment_mean(ops.affine(h, p["1.weight"], p["bias"], ops.tanh), np.array([0, 2, 2, 0, 0]), 3)
    return ops.mean(ops.log_softmax(h) ** 2) + ops.norm(p["0.weight"]).sum()


FUNCTIONS = [once, shared, by_loop, copied, leaf_itself, with_ops]
# Where a leaf has several gradients, autograd adds them in the order of its lookups, we in that of use.
ADDED_IN_ANOTHER_ORDER = [copied]


def assert_same_bits(found: dict, wanted: dict) -> None:
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].tobytes() == np.asarray(array).tobytes(), name
        assert found[name].shape == np.shape(array)


def dot(xs: dict, ys: dict) -> float:
    return float(sum((xs[k] * ys[k]).sum() for k in xs))


def direction(name: str) -> dict:
    return dict(zip(PARAMS, normal(name, *(a.shape for a in PARAMS.values())), strict=True))


# Where nothing depends on the leaves autograd warns; we give the same zeros in silence.
@pytest.mark.filterwarnings("ignore:Output seems independent of input")
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
class TestAgainstAutograd:
    def test_gradients_of_a_dict_are_the_same_bits(self, function):
        value, grads = gn.value_and_grad(function)(PARAMS)
        assert float(value) == float(function(PARAMS))
        wanted = autograd.grad(function)(PARAMS)
        if function in ADDED_IN_ANOTHER_ORDER:
            assert list(grads) == list(wanted)
            for name in wanted:
                np.testing.assert_allclose(grads[name], wanted[name], rtol=1e-14)
        else:
            assert_same_bits(grads, wanted)

    def test_gradients_of_a_list_are_the_same_bits(self, function):
        def of_list(arrays):
            return function(dict(zip(PARAMS, arrays, strict=True)))

        found, wanted = gn.grad(of_list)(list(PARAMS.values())), autograd.grad(of_list)(list(PARAMS.values()))
        assert isinstance(found, list)
        assert_same_bits(dict(enumerate(found)), dict(enumerate(wanted)))

    def test_gradients_of_one_array_are_the_same_bits(self, function):
        def of_array(weight):
            return function({**PARAMS, "0.weight": weight})

        assert_same_bits({"w": gn.grad(of_array)(W)}, {"w": autograd.grad(of_array)(W)})

    def test_nested_in_every_way_second_derivatives_agree(self, function):
        v, w = direction("v"), direction("w")

        def along(grad):
            def slope(p):
                grads = grad(function)(p)
                return sum((grads[k] * v[k]).sum() for k in p)

            return slope

        def forward(p):
            return gn.jvp(function, p, v)[1]

        results = [
            outer(along(inner))(PARAMS) for outer in (gn.grad, autograd.grad) for inner in (gn.grad, autograd.grad)
        ]
        results += [gn.grad(forward)(PARAMS), autograd.grad(forward)(PARAMS), gn.hvp(function, PARAMS, v)]
        found = [dot(r, w) for r in results]
        found += [float(gn.jvp(along(grad), PARAMS, w)[1]) for grad in (gn.grad, autograd.grad)]
        found.append(float(gn.jvp(lambda p: gn.jvp(function, p, v)[1], PARAMS, w)[1]))
        np.testing.assert_allclose(found, found[0], rtol=1e-11, atol=1e-13)

    def test_hvp_is_a_difference_of_gradients(self, function):
        v, step = direction("v"), 1e-5
        ahead = gn.grad(function)({k: a + step * v[k] for k, a in PARAMS.items()})
        behind = gn.grad(function)({k: a - step * v[k] for k, a in PARAMS.items()})
        for name, found in gn.hvp(function, PARAMS, v).items():
            np.testing.assert_allclose(found, (ahead[name] - behind[name]) / (2 * step), rtol=1e-6, atol=1e-8)

    def test_hvp_is_the_dense_hessian_times_the_vector(self, function):
        v = direction("v")
        vector, unflatten = gn.flatten(PARAMS)
        hessian = autograd.hessian(lambda flat: function(unflatten(flat)))(vector)
        still = {**v, "1.running_mean": np.zeros(2)}
        found = gn.flatten(gn.hvp(function, PARAMS, still))[0]
        np.testing.assert_allclose(found, hessian @ gn.flatten(v)[0], rtol=1e-10, atol=1e-12)

    def test_jvp_is_the_gradient_along_the_tangents(self, function):
        v = direction("v")
        value, slope = gn.jvp(function, PARAMS, v)
        assert float(value) == float(function(PARAMS))
        assert float(slope) == pytest.approx(dot(gn.grad(function)(PARAMS), v), rel=1e-12)

    def test_the_parameters_stay_the_same_bits(self, function):
        before = {k: a.tobytes() for k, a in PARAMS.items()}
        gn.hvp(function, PARAMS, direction("v"))
        assert {k: a.tobytes() for k, a in PARAMS.items()} == before


def test_a_model_gives_the_bits_of_autograd():
    graph = gn.from_adjacency(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]), nodes=np.eye(3))
    model = gn.Sequential(gn.GraphConv(4, gn.relu), gn.BatchNorm(), gn.GraphConv(4, gn.tanh), gn.SumPool(), gn.Dense(1))
    batch = gn.pack([graph, graph])
    params = model.init(0, batch)

    def loss(p):
        return gn.mean_squared_error(model.apply(p, batch, train=True)[0], np.array([[1.0], [2.0]]))

    assert_same_bits(gn.grad(loss)(params), autograd.grad(loss)(params))


class TestWhatTheFunctionSees:
    def test_a_plain_dict_that_merges_and_copies(self):
        seen = []

        def function(p):
            seen.extend([type(p) is dict, list(p) == list(PARAMS), isinstance(p | {"more": 1}, dict)])
            q = {**p, "bias": 2 * p["bias"]}
            return once(q | {"0.weight": q["0.weight"] * 3})

        grads = gn.grad(function)(PARAMS)
        assert seen == [True, True, True]
        wanted = autograd.grad(lambda p: once({"bias": 2 * p["bias"], "0.weight": p["0.weight"] * 3}))(PARAMS)
        assert_same_bits(grads, wanted)

    def test_changing_that_dict_leaves_the_callers_alone(self):
        def function(p):
            p["bias"] = p.pop("bias") * 2
            return once(p)

        gn.grad(function)(PARAMS)
        assert list(PARAMS) == ["0.weight", "1.weight", "bias", "unused", "1.running_mean"]
        assert PARAMS["bias"] is B

    def test_a_list_and_a_tuple_arrive_as_a_list(self):
        seen = []
        grads = gn.grad(lambda xs: [seen.append(type(xs)), (xs[0] * xs[1]).sum()][1])((B, B))
        assert seen == [list]
        assert isinstance(grads, list)

    def test_further_arguments_are_passed_on_untraced(self):
        value, grads = gn.value_and_grad(lambda x, factor, power: factor * x**power)(2.0, 5.0, 3)
        assert (float(value), float(grads)) == (40.0, 60.0)

    def test_python_numbers_and_zero_dimensional_arrays_are_leaves(self):
        grads = gn.grad(lambda p: p["a"] * p["b"] ** 2)({"a": 3.0, "b": np.array(2.0)})
        assert {k: (float(g), np.shape(g)) for k, g in grads.items()} == {"a": (4.0, ()), "b": (12.0, ())}

    def test_an_empty_dict_has_an_empty_gradient(self):
        assert gn.value_and_grad(lambda p: 1.5)({}) == (1.5, {})
        assert gn.hvp(lambda p: 1.5, {}, {}) == {}

    def test_a_dict_or_list_boxed_by_autograd_is_a_dict_or_list(self):
        seen = []

        def look(p):
            seen.append(type(p))
            return sum((a * a).sum() for a in (p.values() if type(p) is dict else p))

        def unused(p):
            return gn.grad(lambda q: 1.0)(p)["bias"].sum() + once(p)

        autograd.grad(lambda p: gn.grad(look)(p)["bias"].sum())(PARAMS)
        autograd.grad(lambda p: gn.grad(look)(p)[0].sum())([W, B])
        assert seen == [dict, list]
        assert_same_bits(autograd.grad(unused)(PARAMS), autograd.grad(once)(PARAMS))


class TestDtype:
    def test_float32_stays_in_gradients_hvp_and_jvp(self):
        single = {k: a.astype(np.float32) for k, a in PARAMS.items()}
        v = {k: a.astype(np.float32) for k, a in direction("v").items()}
        inputs = INPUTS.astype(np.float32)

        def function(p):
            return ops.mean(ops.tanh(inputs @ p["0.weight"] + p["bias"]) ** 2)

        value, grads = gn.value_and_grad(function)(single)
        assert value.dtype == np.float32
        assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}
        assert {g.dtype for g in gn.hvp(function, single, v).values()} == {np.dtype(np.float32)}
        assert gn.jvp(function, single, v)[1].dtype == np.float32

    def test_the_gradient_has_the_leafs_dtype_even_where_data_are_float64(self):
        grads = gn.grad(lambda w: (INPUTS @ w).sum())(W.astype(np.float32))
        assert grads.dtype == np.float32
        np.testing.assert_allclose(grads, gn.grad(lambda w: (INPUTS @ w).sum())(W), rtol=1e-6)

    def test_a_derivative_of_nothing_has_the_dtype_of_the_result(self):
        x = np.ones(2, np.float32)
        assert gn.jvp(lambda x: np.ones(3, np.float32), x, x)[1].dtype == np.float32
        assert gn.grad(lambda x: 1.0)(x).dtype == np.float32


Pair = namedtuple("Pair", ["first", "second"])


class TestAux:
    def test_more_comes_back_free_of_boxes_however_deep(self):
        def function(p):
            h = p["bias"] * 2
            return once(p), {"a": h, "deep": [h, (h, {"b": h}), Pair(h, "text")], "plain": 3, "none": None}

        (value, more), grads = gn.value_and_grad(function, has_aux=True)(PARAMS)
        assert_same_bits(grads, autograd.grad(once)(PARAMS))
        found = [
            value,
            more["a"],
            more["deep"][0],
            *more["deep"][1][:1],
            more["deep"][1][1]["b"],
            more["deep"][2].first,
        ]
        assert not any(isbox(x) for x in found)
        assert isinstance(more["deep"][2], Pair)
        np.testing.assert_array_equal(found[-1], 2 * B)
        assert (more["plain"], more["none"], more["deep"][2].second) == (3, None, "text")

    def test_grad_gives_gradient_and_more(self):
        grads, more = gn.grad(lambda x: (x**2, {"twice": 2 * x}), has_aux=True)(3.0)
        assert (float(grads), float(more["twice"])) == (6.0, 6.0)

    def test_inside_another_trace_it_keeps_that_ones_boxes(self):
        def outer(x):
            (_, more), grads = gn.value_and_grad(lambda y: (y**2 * x, y * x), has_aux=True)(2 * x)
            return grads + more

        assert float(gn.grad(outer)(3.0)) == pytest.approx(4 * 2 * 3 + 2 * 2 * 3)

    @pytest.mark.parametrize("result", [lambda p: p.sum(), lambda p: [p.sum(), 1], lambda p: (p.sum(), 1, 2)])
    def test_anything_but_a_pair_is_refused(self, result):
        with pytest.raises(TypeError, match=r"must return a pair \(scalar, more\) with has_aux=True"):
            gn.value_and_grad(result, has_aux=True)(np.ones(2))


class TestErrors:
    @pytest.mark.parametrize("leaf", [np.array([1, 2]), 3, True, np.array([True]), "name", None, np.array([1j])])
    def test_a_leaf_that_is_not_floating_is_named(self, leaf):
        text = r"parameter 'codes' has dtype .*; only floating numbers have gradients, convert it to float"
        with pytest.raises(TypeError, match=text):
            gn.grad(lambda p: 0.0)({"w": np.ones(2), "codes": leaf})

    def test_in_a_list_its_number_is_named_alone_it_is_the_argument(self):
        with pytest.raises(TypeError, match="parameter 1 has dtype int64"):
            gn.grad(lambda p: 0.0)([np.ones(2), np.arange(2)])
        with pytest.raises(TypeError, match="the argument has dtype int64"):
            gn.grad(lambda p: 0.0)(np.arange(2))

    @pytest.mark.parametrize("shape", [(1,), (3,), (1, 1), (0,)])
    @pytest.mark.parametrize("depends", [True, False])
    def test_a_result_that_is_not_a_scalar_is_refused(self, shape, depends):
        def residuals(x):
            return np.ones(shape) * x.sum() if depends else np.ones(shape)

        text = rf"residuals must return a scalar .* got shape \({shape[0]},.*take its mean or sum"
        with pytest.raises(TypeError, match=text):
            gn.grad(residuals)(np.ones(3))

    @pytest.mark.parametrize("result", [None, "loss", {}, (1.0, {}), [1.0]])
    def test_a_forgotten_return_is_not_a_gradient_of_zeros(self, result):
        text = rf"must return a scalar .* got {type(result).__name__}; return a number, or pass has_aux=True"
        with pytest.raises(TypeError, match=text):
            gn.value_and_grad(lambda p: result)(np.ones(3))

    @pytest.mark.parametrize("who", [gn.jvp, gn.hvp], ids=["jvp", "hvp"])
    def test_a_direction_must_have_the_form_of_the_parameters(self, who):
        def square(p):
            return (p["a"] ** 2).sum()

        with pytest.raises(ValueError, match=r"must have the form of the parameters, \['a'\], got \['b'\]"):
            who(square, {"a": np.ones(3)}, {"b": np.ones(3)})
        with pytest.raises(ValueError, match=r"must have the form of the parameters, \['a'\], got \[0\]"):
            who(square, {"a": np.ones(3)}, [np.ones(3)])
        with pytest.raises(
            ValueError, match=r"the direction has shape \(1,\) along parameter 'a', which has shape \(3,\)"
        ):
            who(square, {"a": np.ones(3)}, {"a": np.ones(1)})
        with pytest.raises(ValueError, match=r"has shape \(1,\) along the argument, which has shape \(3,\)"):
            who(lambda p: (p**2).sum(), np.ones(3), np.ones(1))

    def test_the_names_of_a_direction_may_stand_in_another_order(self):
        params = {"a": np.array(2.0), "b": np.array(5.0)}
        turned = {"b": np.array(0.0), "a": np.array(1.0)}
        assert float(gn.jvp(lambda p: p["a"] ** 2 * p["b"], params, turned)[1]) == 20.0
        assert {k: float(g) for k, g in gn.hvp(lambda p: p["a"] ** 2 * p["b"], params, turned).items()} == {
            "a": 10.0,
            "b": 4.0,
        }


class TestHigherOrder:
    def test_five_derivatives_of_one_function(self):
        function, x = anp.sin, 0.3
        for wanted in (np.cos(x), -np.sin(x), -np.cos(x), np.sin(x), np.cos(x)):
            function = gn.grad(function)
            assert float(function(x)) == pytest.approx(wanted, rel=1e-12)

    def test_the_inner_variable_is_not_confused_with_the_outer(self):
        """d/dx [x d/dy (x + y)] is 1; mixing up the two traces gives 2 (Siskind & Pearlmutter 2005)."""
        for inner in (gn.grad, autograd.grad):
            for outer in (gn.grad, autograd.grad):
                assert float(outer(lambda x, d=inner: x * d(lambda y: x + y)(1.0))(1.0)) == 1.0
        assert float(gn.jvp(lambda x: x * gn.jvp(lambda y: x + y, 1.0, 1.0)[1], 1.0, 1.0)[1]) == 1.0
        assert float(gn.grad(lambda x: x * gn.jvp(lambda y: x + y, 1.0, 1.0)[1])(1.0)) == 1.0
        assert float(gn.jvp(lambda x: x * gn.grad(lambda y: x + y)(1.0), 1.0, 1.0)[1]) == 1.0

    def test_an_inner_function_of_the_outer_variable_alone_has_gradient_zero(self):
        assert float(gn.grad(lambda x: gn.grad(lambda y: x * 3.0)(x))(2.0)) == 0.0
        assert float(gn.jvp(lambda x: gn.grad(lambda y: x * 3.0)(x) + x, 2.0, 1.0)[1]) == 1.0

    def test_jvp_of_an_array_valued_function(self):
        value, slope = gn.jvp(lambda w: INPUTS @ w, W, np.ones_like(W))
        np.testing.assert_array_equal(value, INPUTS @ W)
        np.testing.assert_allclose(slope, INPUTS @ np.ones_like(W), rtol=1e-14)

    def test_hvp_of_a_linear_function_is_zero(self):
        assert gn.hvp(lambda p: p["a"].sum(), {"a": B}, {"a": B})["a"].tolist() == [0.0, 0.0]

    def test_jvp_of_what_does_not_depend_is_zero(self):
        value, slope = gn.jvp(lambda p: np.ones(2), W, W)
        assert (value.tolist(), slope.tolist()) == ([1.0, 1.0], [0.0, 0.0])


class TestMultiGrad:
    @staticmethod
    def losses(p):
        h = anp.tanh(INPUTS @ p["0.weight"] + p["bias"])
        return {"one": (h**2).sum(), "two": (h @ p["1.weight"]).sum(), "constant": 7.0}

    def test_each_loss_has_the_gradient_it_has_alone(self):
        values, grads = gn.multi_grad(self.losses)(PARAMS)
        assert list(values) == list(grads) == ["one", "two", "constant"]
        for name in grads:
            alone = gn.value_and_grad(lambda p, name=name: self.losses(p)[name])(PARAMS)
            assert float(values[name]) == float(alone[0])
            assert_same_bits(grads[name], alone[1])

    def test_the_sum_of_the_gradients_is_the_gradient_of_the_sum(self):
        grads = gn.multi_grad(self.losses)(PARAMS)[1]
        whole = gn.grad(lambda p: sum(self.losses(p).values()))(PARAMS)
        for name in PARAMS:
            np.testing.assert_allclose(sum(g[name] for g in grads.values()), whole[name], rtol=1e-13, atol=1e-14)

    def test_the_function_runs_once(self):
        calls = []
        gn.multi_grad(lambda p: [calls.append(1), self.losses(p)][1])(PARAMS)
        assert calls == [1]

    def test_a_loss_without_parameters_gives_zeros(self):
        grads = gn.multi_grad(self.losses)(PARAMS)[1]["constant"]
        assert {k: (g.shape, float(np.abs(g).sum())) for k, g in grads.items()} == {
            k: (a.shape, 0.0) for k, a in PARAMS.items()
        }

    def test_more_comes_back_free_of_boxes(self):
        (values, more), grads = gn.multi_grad(lambda x: ({"square": x**2}, [2 * x]), has_aux=True)(3.0)
        assert (float(values["square"]), float(more[0]), float(grads["square"])) == (9.0, 6.0, 6.0)
        assert not isbox(values["square"])
        assert not isbox(more[0])

    def test_it_can_be_differentiated_again(self):
        def outer(x):
            grads = gn.multi_grad(lambda y: {"a": y**3, "b": x * y**2})(x)[1]
            return grads["a"] + grads["b"]

        assert float(gn.grad(outer)(2.0)) == pytest.approx(6 * 2 + 4 * 2)

    def test_what_is_no_dict_of_scalars_is_refused_by_name(self):
        with pytest.raises(TypeError, match="multi_grad: the function must return a dict of scalars, got"):
            gn.multi_grad(lambda x: x**2)(2.0)
        with pytest.raises(TypeError, match=r"loss 'b' must return a scalar to be differentiated, got shape \(2,\)"):
            gn.multi_grad(lambda x: {"a": x.sum(), "b": x})(np.ones(2))


class TestFlatten:
    def test_there_and_back_is_the_same(self):
        vector, unflatten = gn.flatten(PARAMS)
        assert vector.shape == (sum(a.size for a in PARAMS.values()) - 2,)
        assert_same_bits(unflatten(vector), PARAMS)

    def test_statistics_stay_out_and_come_back_unchanged(self):
        vector, unflatten = gn.flatten(PARAMS)
        changed = unflatten(vector * 0 + 1)
        assert changed["1.running_mean"] is PARAMS["1.running_mean"]
        assert all((changed[k] == 1).all() for k in PARAMS if k != "1.running_mean")

    def test_the_way_back_is_differentiable_to_second_order(self):
        vector, unflatten = gn.flatten(PARAMS)
        flat_grad = gn.grad(lambda v: shared(unflatten(v)))(vector)
        np.testing.assert_array_equal(flat_grad, gn.flatten(gn.grad(shared)(PARAMS))[0])
        v = direction("v")
        found = gn.hvp(lambda flat: shared(unflatten(flat)), vector, gn.flatten(v)[0])
        still = {**v, "1.running_mean": np.zeros(2)}
        np.testing.assert_allclose(found, gn.flatten(gn.hvp(shared, PARAMS, still))[0], rtol=1e-12, atol=1e-14)

    def test_float32_stays(self):
        vector, unflatten = gn.flatten({"a": np.ones((2, 2), np.float32), "b": np.ones(1, np.float32)})
        assert vector.dtype == unflatten(vector)["a"].dtype == np.float32

    def test_the_vector_is_its_own_memory(self):
        a = np.ones(3)
        vector, _ = gn.flatten({"a": a})
        vector[:] = 5
        assert a.tolist() == [1, 1, 1]

    @pytest.mark.parametrize("params", [{}, {"running_mean": np.ones(2)}])
    def test_nothing_to_flatten_is_an_empty_vector(self, params):
        vector, unflatten = gn.flatten(params)
        assert vector.shape == (0,)
        assert unflatten(vector) == params

    @pytest.mark.parametrize("shape", [(3,), (5,), (4, 1), ()])
    def test_a_vector_of_another_size_is_refused(self, shape):
        _, unflatten = gn.flatten({"a": np.ones((2, 2))})
        with pytest.raises(ValueError, match=r"unflatten: expected a vector of 4 numbers, got shape"):
            unflatten(np.ones(shape))


class Planned(Exception):
    pass


def raise_inside(grad):
    def broken(x):
        grad(lambda y: [y**2, 1 / 0][0])(x)

    def planned(x):
        raise Planned

    for function, error in ((broken, ZeroDivisionError), (planned, Planned)):
        with pytest.raises(error):
            grad(function)(2.0)


class TestAfterAnException:
    @pytest.mark.parametrize("first", [gn.grad, autograd.grad])
    def test_later_gradients_are_right_in_both_libraries(self, first):
        for _ in range(5):
            raise_inside(first)
        assert_same_bits(gn.grad(shared)(PARAMS), autograd.grad(shared)(PARAMS))
        for inner in (gn.grad, autograd.grad):
            for outer in (gn.grad, autograd.grad):
                assert float(outer(lambda x, d=inner: x * d(lambda y: x * y**2)(x))(3.0)) == pytest.approx(54.0)

    @pytest.mark.parametrize("outer", [gn.grad, autograd.grad])
    @pytest.mark.parametrize("inner", [gn.grad, autograd.grad])
    def test_one_caught_inside_a_trace_leaves_that_trace_right(self, inner, outer):
        def function(x):
            raise_inside(inner)
            return x * inner(lambda y: x * y**2)(x)

        assert float(outer(function)(3.0)) == pytest.approx(54.0)


def test_the_forward_derivative_of_several_outputs_has_their_form():
    value, slope = gn.jvp(lambda x: (x * 2, {"square": x * x, "constant": np.ones(2)}), 3.0, 1.0)
    assert (float(value[0]), float(value[1]["square"])) == (6.0, 9.0)
    assert (float(slope[0]), float(slope[1]["square"]), slope[1]["constant"].tolist()) == (2.0, 6.0, [0.0, 0.0])


def test_changing_one_gradient_in_place_leaves_the_others_alone():
    grads = gn.grad(lambda p: (p["a"] + p["b"]).sum())({"a": np.ones(2), "b": np.ones(2)})
    grads["a"] *= 0
    assert grads["b"].tolist() == [1.0, 1.0]


def test_a_penalty_on_a_plain_number():
    assert float(gn.grad(lambda p: gn.l2_penalty(p, 0.5))({"temperature": 3.0})["temperature"]) == 3.0


@pytest.mark.parametrize("reshape", [anp.reshape, ops.reshape], ids=["autograd", "ours"])
def test_gradients_that_are_views_of_each_other_are_taken_apart(reshape):
    def loss(p):
        return ops.sum((reshape(p["a"], (4,)) + p["b"] + reshape(p["c"], (4,))) ** 2)

    grads = gn.grad(loss)({"a": np.ones((2, 2)), "b": np.ones(4), "c": np.ones((4, 1))})
    grads["a"] *= 0
    grads["c"] *= 2
    assert grads["b"].tolist() == [6.0] * 4
    assert grads["c"].ravel().tolist() == [12.0] * 4


# ---- what the tape keeps, and for how long ---------------------------------------------------------------------------


def alive(references):
    return [reference() is not None for reference in references]


SPREAD = {
    "dropout": lambda h: ops.primitives.drop(h, np.ones((4, 3), bool), 2.0),
    "gather": lambda h: ops.gather(h, np.array([0, 0, 3])),
    "segment sum": lambda h: ops.segment_sum(h, np.array([0, 1, 0, 1]), 2),
    "product with a constant matrix": lambda h: ops.SparseMatrix.from_scipy(np.eye(4)) @ h,
    "sum": ops.sum,
}


@pytest.mark.parametrize("name", SPREAD)
def test_a_linear_step_keeps_nothing_of_what_it_was_given(name):
    seen = []

    def function(x):
        h = 2.0 * x
        seen.append(weakref.ref(h._value))
        return ops.sum(SPREAD[name](h))

    tape = Tape(function, np.ones((4, 3)))
    assert alive(seen) == [False]
    assert tape.gradient().shape == (4, 3)


def test_relu_keeps_of_its_result_where_it_is_positive():
    seen, (x, weight, bias) = [], (np.ones((4, 3)), np.ones((3, 2)), np.zeros(2))

    def function(w):
        h = ops.affine(x, w, bias, ops.relu)
        seen.append(weakref.ref(h._value))
        return ops.sum(h)

    tape = Tape(function, weight)
    assert alive(seen) == [False]
    np.testing.assert_array_equal(tape.gradient(), np.full((3, 2), 4.0))


def test_on_the_last_way_back_each_step_lets_go_of_what_it_kept():
    found = []

    def pull(g, argnums, ans, args):
        found.append(alive(seen))
        return [g]

    @ops.differentiable(pull, lambda argnums, tangents, ans, args: tangents[0])
    def early(x):
        return x + 0.0

    def function(x):
        h = ops.tanh(early(x))
        seen[:] = [weakref.ref(h._value)]
        return ops.sum(h)

    seen = []
    gn.value_and_grad(function)(np.ones(3))
    gn.multi_grad(lambda x: {"one": function(x)})(np.ones(3))
    assert found == [[False], [True]]

"""A graph with its session, for tests: TensorFlow runs here in 1.x graph mode only."""

import numpy as np

from recommenders_utils.backend import tf


class Bench:
    """One graph and its session: make ops inside ``with bench:``, run them anywhere."""

    def __init__(self, seed=7):
        self.graph = tf.Graph()
        with self.graph.as_default():
            tf.set_random_seed(seed)
        threads = {"intra_op_parallelism_threads": 1, "inter_op_parallelism_threads": 1}
        config = tf.ConfigProto(**threads)
        # Optimising a graph that runs once costs more than running it.
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        self.config = config
        self.session = tf.Session(graph=self.graph, config=config)

    def __enter__(self):
        self._scope = self.graph.as_default()
        self._scope.__enter__()
        return self

    def __exit__(self, *error):
        self._scope.__exit__(*error)

    def initialize(self):
        """Gives every variable its initial value."""
        with self.graph.as_default():
            self.session.run(tf.global_variables_initializer())

    def assign(self, variable, value):
        """Gives one variable a value."""
        with self.graph.as_default():
            self.session.run(variable.assign(np.asarray(value, np.float32)))

    def randomize(self, variables, seed=0, scale=0.5):
        """Gives each variable a random value, gains and biases too, so that each of them matters.

        Returns:
          {name without ":0": value}.
        """
        values = random_values(variables, seed, scale)
        with self.graph.as_default():
            self.session.run([v.assign(value) for v, value in values.items()])
        return {variable.name.split(":")[0]: value for variable, value in values.items()}

    def run(self, fetches, feeds=None):
        """Values of ``fetches``, any nest of tensors."""
        return self.session.run(fetches, feeds)


def random_values(variables, seed=0, scale=0.5):
    """``{variable: value}``: normal, and what is named a variance positive."""
    random, values = np.random.RandomState(seed), {}
    for variable in variables:
        value = random.normal(0, scale, variable.shape.as_list()).astype(np.float32)
        if variable.name.endswith("variance:0"):
            value = np.abs(value) + np.float32(0.5)
        values[variable] = value
    return values


def close(ours, expected, tolerance=1e-5):
    """Asserts equality of shape and of values to ``tolerance``, absolute and relative."""
    ours, expected = np.asarray(ours), np.asarray(expected)
    assert ours.shape == expected.shape, (ours.shape, expected.shape)
    np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)

"""Tables, figures and the comparison with the paper."""

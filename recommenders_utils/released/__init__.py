"""The released code's files in, our arrays out, and the reverse; its draws, order and figures."""

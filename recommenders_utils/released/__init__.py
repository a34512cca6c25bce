"""The released code's files and draws: what it writes in, our arrays out, and the other way."""

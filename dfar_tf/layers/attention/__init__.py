"""The attention family: MHA, THA, FHA and FFHA, Eqs. 2-11 of the paper."""
